//! What is done about each block: where it is typed, what goes before it, what it must say; or why it is not typed.

/// A block, by how it starts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) starts: &'static str,
    pub(super) treatment: Treatment,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Treatment {
    Run(Run),
    /// It cannot be typed here, for this reason.
    Not(&'static str),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) cluster: Cluster,
    /// What the page takes for granted.
    pub(super) before: &'static [Before],
    /// Typed behind it, to see what came of it.
    pub(super) after: &'static str,
    /// What all of it must print.
    pub(super) says: &'static [&'static str],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cluster {
    /// With Helm's release and the operator.
    Here,
    /// The other one.
    Elsewhere,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Before {
    /// The operator starts, with the rights that were installed.
    Operator,
    /// The account gets another password.
    NewPassword,
    /// Somebody revokes all sessions of the account.
    Revoked,
    /// A block of a page, by how it starts.
    Block(&'static str, &'static str),
    /// These lines.
    Typed(&'static str),
}

/// A part of a command that cannot be typed here, and what stands in for it.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) from: &'static str,
    to: &'static str,
    pub(super) why: &'static str,
}

pub(super) const CHANGES: &[Change] = &[
    Change {
        from: "kubectl -n entra-operator rollout status deployment/entra-operator",
        to: "kubectl -n entra-operator get deployment/entra-operator",
        why: "no node runs its pod",
    },
    Change {
        from: "kubectl -n entra-operator logs --selector app.kubernetes.io/name=entra-operator --tail=-1",
        to: "cat \"$OPERATOR_LOG\"",
        why: "the operator is a process and no pod",
    },
    Change {
        from: "kubectl -n entra-operator logs deployment/entra-operator --tail=200",
        to: "tail -n 200 \"$OPERATOR_LOG\"",
        why: "the operator is a process and no pod",
    },
    Change {
        from: "seal.20260101T000000Z-1f6c02aa",
        to: "'\"$OLD_KEY\"'",
        why: "the key that is old here has another id",
    },
    Change {
        from: "helm test entra-operator --namespace entra-operator --logs",
        to: "helm status entra-operator --namespace entra-operator",
        why: "its test is a pod; cargo lab-pods runs it",
    },
];

/// The text as it is typed here.
pub(super) fn changed(text: &str) -> String {
    CHANGES.iter().fold(text.to_owned(), |text, change| {
        text.replace(change.from, change.to)
    })
}

const RUN: Run = Run {
    cluster: Cluster::Here,
    before: &[],
    after: "",
    says: &[],
};

const fn run(starts: &'static str, run: Run) -> Row {
    let treatment = Treatment::Run(run);
    Row { starts, treatment }
}

const fn not(starts: &'static str, reason: &'static str) -> Row {
    let treatment = Treatment::Not(reason);
    Row { starts, treatment }
}

const TROUBLESHOOTING: &str = "docs/troubleshooting.md";
const LOGIN: &str = "read -rs PASSWORD\n";
const SESSION_KEYS: &str = "kubectl get secrets -A --field-selector type=entra-operator.dev/refresh-token";

/// Every page with commands, in the order in which they are played.
pub(super) const PAGES: &[(&str, &[Row])] = &[
    ("README.md", README),
    ("docs/operations.md", OPERATIONS),
    (TROUBLESHOOTING, TROUBLES),
    ("docs/alerts.md", ALERTS),
    ("docs/configuration.md", CONFIGURATION),
    ("deploy/chart/README.md", CHART),
    ("docs/check.md", CHECK),
];

const README: &[Row] = &[
    not("cargo demo", "the laboratory's own programs"),
    not(
        "docker build",
        "no container engine; cargo lab-image builds the image",
    ),
    run(
        "helm install",
        Run {
            says: &["STATUS: deployed", "0/1"],
            ..RUN
        },
    ),
    run(
        "# name that image",
        Run {
            cluster: Cluster::Elsewhere,
            before: &[Before::Typed(
                "printf 'images: [{name: entra-operator, newName: %s, newTag: 0.1.0}]\\n' \
                 registry.contoso.example/entra-operator >> deploy/manifests/kustomization.yaml",
            )],
            after: "kubectl -n entra-operator get deployment/entra-operator -o wide",
            says: &["registry.contoso.example/entra-operator:0.1.0"],
        },
    ),
    run(
        "kubectl create namespace etl",
        Run {
            before: &[Before::Operator],
            after: "kubectl -n etl wait --for=delete secret/reporting-login --timeout=1m\n\
                    kubectl -n etl get secret reporting-graph -o jsonpath='{.data}'",
            says: &["condition met", "access_token", "expires_on"],
            ..RUN
        },
    ),
    run(
        "kubectl -n etl get entracredential\n",
        Run {
            says: &["reporting", "Fresh"],
            ..RUN
        },
    ),
    not("cargo build --release", "the laboratory's own programs"),
];

const OPERATIONS: &[Row] = &[
    run(
        "NOW=",
        Run {
            says: &["annotated", "condition met", "Fresh"],
            ..RUN
        },
    ),
    run(
        "kubectl -n etl wait --for=delete secret/reporting-login",
        Run {
            before: &[Before::NewPassword, Before::Block(TROUBLESHOOTING, LOGIN)],
            says: &["\"verdict\":\"Accepted\"", "\"lastSentAt\":"],
            ..RUN
        },
    ),
    run(
        "kubectl -n etl wait --for=condition=LoggedIn",
        Run {
            before: &[
                Before::Revoked,
                // A word of the second in which the last login was accepted is no later one.
                Before::Typed("sleep 1"),
                Before::Block(TROUBLESHOOTING, "kubectl -n etl annotate entracredential"),
                Before::Typed(
                    "kubectl -n etl wait --for=condition=LoggedIn=False entracredential/reporting --timeout=2m",
                ),
                Before::Block(TROUBLESHOOTING, LOGIN),
            ],
            says: &[
                "secret/reporting-login created\nentracredential.entra-operator.dev/reporting condition met",
            ],
            ..RUN
        },
    ),
    run(
        "kubectl -n entra-operator get secret entra-operator-keys",
        Run {
            after: "jq -r '.data | keys[]' keys.json",
            says: &["mac", "seal."],
            ..RUN
        },
    ),
    run(
        "kubectl -n etl get entracredential drill",
        Run {
            before: &[Before::Typed(DRILL)],
            says: &["created", "condition met", "Adopted"],
            ..RUN
        },
    ),
    run(
        "kubectl create namespace entra-operator",
        Run {
            cluster: Cluster::Elsewhere,
            before: &[Before::Typed("kubectl delete -k deploy/manifests")],
            says: &["secret/entra-operator-keys created"],
            ..RUN
        },
    ),
    run(
        "jq '{data}' keys.json",
        Run {
            cluster: Cluster::Elsewhere,
            says: &["secret/entra-operator-keys patched"],
            ..RUN
        },
    ),
    run(
        "head -c 32 /dev/urandom",
        Run {
            after: "kubectl -n entra-operator get secret entra-operator-keys -o json | jq -r '.data | keys[]'",
            says: &["secret/entra-operator-keys patched", "-rotated"],
            ..RUN
        },
    ),
    run(
        SESSION_KEYS,
        Run {
            before: &[Before::Typed(SEALED_ANEW)],
            says: &["      2 ", "-rotated\n"],
            ..RUN
        },
    ),
    run(
        "kubectl -n entra-operator patch secret",
        Run {
            before: &[Before::Typed(OLD_KEY)],
            after: REMOVED,
            says: &["secret/entra-operator-keys patched", "condition met"],
            ..RUN
        },
    ),
    run(
        "helm upgrade",
        Run {
            before: &[Before::Typed(
                "printf 'image: {registry: registry.contoso.example}\\n' > values.yaml",
            )],
            after: "helm rollback entra-operator --namespace entra-operator",
            says: &["STATUS: deployed", "REVISION: 2", "Rollback was a success"],
            ..RUN
        },
    ),
    run(
        "kubectl get secrets -A --field-selector type=entra-operator.dev/login",
        RUN,
    ),
];

/// The newest key seals 3 minutes after it was seen, and every renewal uses it then.
const SEALED_ANEW: &str = "sleep 185\n\
    kubectl -n etl annotate entracredential --all --overwrite \
      entra-operator.dev/refresh-requested-at=\"$(date -u +%FT%TZ)\"\n\
    keys() { kubectl get secrets -A --field-selector type=entra-operator.dev/refresh-token --no-headers \
      -o custom-columns='KEY:.metadata.annotations.entra-operator\\.dev/key-id'; }\n\
    while keys | grep -qv -e -rotated; do sleep 1; done";

const OLD_KEY: &str = "OLD_KEY=\"$(jq -r '.data | keys[] | select(startswith(\"seal.\"))' keys.json)\"";

/// It stays away, and sessions go on without it.
const REMOVED: &str = "sleep 5\n\
    NOW=\"$(date -u +%FT%TZ)\"\n\
    kubectl -n etl annotate entracredential reporting --overwrite entra-operator.dev/refresh-requested-at=\"$NOW\"\n\
    kubectl -n etl wait --for=jsonpath='{.status.lastHandledRefreshRequest}'=\"$NOW\" \
      entracredential/reporting --timeout=1m\n\
    kubectl -n etl wait --for=condition=LoggedIn entracredential/reporting --timeout=1s\n\
    kubectl -n entra-operator get secret entra-operator-keys -o json | \
      jq -e --arg old \"$OLD_KEY\" '.data | has($old) | not'";

/// A credential that nobody needs, with an account of its own.
const DRILL: &str = "sed 's/reporting/drill/' credential.yaml | kubectl apply -f -\n\
    read -rs PASSWORD\n\
    printf %s \"$PASSWORD\" | kubectl create secret generic drill-login --namespace etl \
      --type=entra-operator.dev/login \
      --from-literal=username=svc-drill@contoso.example --from-file=password=/dev/stdin\n\
    kubectl -n etl wait --for=condition=Ready entracredential/drill --timeout=2m\n\
    kubectl -n etl wait --for=delete secret/drill-login --timeout=1m";

const TROUBLES: &[Row] = &[
    run(
        "kubectl -n etl get entracredential ",
        Run {
            says: &["Fresh", "Conditions:"],
            ..RUN
        },
    ),
    run(
        "kubectl -n etl annotate entracredential",
        Run {
            says: &["annotated"],
            ..RUN
        },
    ),
    run(
        LOGIN,
        Run {
            after: "kubectl -n etl wait --for=delete secret/reporting-login --timeout=1m",
            says: &["secret/reporting-login created"],
            ..RUN
        },
    ),
    run(
        "kubectl -n etl annotate secret reporting-login",
        Run {
            before: &[Before::Typed(ANOTHER)],
            after: "kubectl -n etl wait --for=delete secret/reporting-login --timeout=2m\n\
                    kubectl -n etl get entracredential reporting -o jsonpath='{.status.login}'",
            says: &["annotated", "\"verdict\":\"Accepted\""],
            ..RUN
        },
    ),
];

/// Somebody put the login of another account there.
const ANOTHER: &str = "read -rs PASSWORD\n\
    printf %s \"$PASSWORD\" | kubectl create secret generic reporting-login --namespace etl \
      --type=entra-operator.dev/login \
      --from-literal=username=svc-other@contoso.example --from-file=password=/dev/stdin\n\
    kubectl -n etl wait --for=jsonpath='{.status.failure.reason}'=IdentityChanged \
      entracredential/reporting --timeout=2m";

const ALERTS: &[Row] = &[
    run(
        "helm template",
        Run {
            says: &["kind: PrometheusRule"],
            ..RUN
        },
    ),
    run(
        "kubectl get entracredentials -A",
        Run {
            says: &["reporting", "Conditions:", "INFO"],
            ..RUN
        },
    ),
];

const CONFIGURATION: &[Row] = &[
    run(
        "kubectl --namespace entra-operator create configmap entra-ca",
        Run {
            before: &[Before::Typed(
                "printf 'config: {authorities: [{name: lab, kind: Entra, url: \"%s\", \
                 caFile: /etc/entra-operator-ca/lab.pem}]}\\n' \"$ENTRA_URL\" > authorities.yaml",
            )],
            after: "kubectl -n entra-operator get deployment/entra-operator -o jsonpath='{.spec.template.spec.volumes}'",
            says: &[
                "configmap/entra-ca created",
                "STATUS: deployed",
                "\"name\":\"entra-ca\"",
            ],
            ..RUN
        },
    ),
    run(
        "kubectl create rolebinding entra-operator",
        Run {
            cluster: Cluster::Elsewhere,
            before: &[Before::Typed("kubectl create namespace etl")],
            says: &[
                "rolebinding.rbac.authorization.k8s.io/entra-operator created",
                "clusterrolebinding.rbac.authorization.k8s.io \"entra-operator\" deleted",
            ],
            ..RUN
        },
    ),
    run(SESSION_KEYS, Run { says: &["Z-"], ..RUN }),
];

const CHART: &[Row] = &[
    run(
        "helm install",
        Run {
            cluster: Cluster::Elsewhere,
            before: &[Before::Typed(
                "kubectl delete --ignore-not-found -k deploy/manifests",
            )],
            says: &["STATUS: deployed"],
            ..RUN
        },
    ),
    run(
        "kubectl label namespace",
        Run {
            cluster: Cluster::Elsewhere,
            says: &["labeled"],
            ..RUN
        },
    ),
];

const CHECK: &[Row] = &[run(
    "entra-operator check reporting.yaml",
    Run {
        before: &[Before::Typed(CHECKED)],
        says: &["1 object checked, 0 problems", "\"fine\": true"],
        ..RUN
    },
)];

/// The files of that page, in a directory of their own.
const CHECKED: &str = "mkdir -p check/overlays/production check/credentials\n\
    sed '/authority: lab/d' credential.yaml > check/reporting.yaml\n\
    cp check/reporting.yaml check/overlays/production/\n\
    cp check/reporting.yaml check/credentials/\n\
    printf 'resources: [reporting.yaml]\\n' > check/overlays/production/kustomization.yaml\n\
    cd check\n\
    printf 'watch: {namespaces: [etl]}\\n' > config.yaml";
