//! The rules of the schema (CEL), each with what it lets pass and what it stops.

use serde_json::{Value, json};

use super::{Case, named, spec, token};

/// In capitals: GUIDs are compared without case.
const GUID: &str = "3F0C1A52-0000-4000-8000-000000000001";

/// Every rule.
pub(super) fn rules() -> Vec<Case> {
    let groups = [
        object_rules(),
        tenant_rules(),
        login_rules(),
        client_secret_rules(),
        certificate_rules(),
        workload_identity_rules(),
        scope_rules(),
        token_name_rules(),
        label_rules(),
        secret_label_rules(),
        annotation_rules(),
    ];
    groups.into_iter().flatten().collect()
}

/// A case of objects that differ in one value, which `place` puts where it belongs.
fn case(message: &'static str, place: impl Fn(&Value) -> Value, accepted: &Value, refused: &Value) -> Case {
    let objects = |values: &Value| values.as_array().unwrap().iter().map(&place).collect();
    Case {
        message,
        accepted: objects(accepted),
        refused: objects(refused),
    }
}

fn object_rules() -> Vec<Case> {
    let long = "a".repeat(239);
    vec![
        case(
            "metadata.name must have at most 239 characters",
            |v| named(v.as_str().unwrap()),
            &json!([long]),
            &json!([format!("{long}a")]),
        ),
        case(
            "clientId must be the application (client) ID",
            spec,
            &json!([{"clientId": GUID}, {"authority": "lab", "clientId": "reporting-app"}]),
            &json!([{"clientId": "reporting-app"}, {"clientId": format!("{GUID}0")}]),
        ),
        case(
            "set either cloud or authority, not both",
            spec,
            &json!([{"cloud": "China"}, {"authority": "lab"}]),
            &json!([{"cloud": "Public", "authority": "lab"}]),
        ),
        case(
            "authority is the name of an authority in the operator's configuration",
            |v| spec(&json!({"authority": v})),
            &json!(["lab", "a-1"]),
            &json!(["https://fs.contoso.example", "Lab", "lab-"]),
        ),
    ]
}

fn tenant_rules() -> Vec<Case> {
    let tenant = |v: &Value| spec(&json!({"tenant": v}));
    vec![
        case(
            "set tenant: the tenant's GUID",
            spec,
            &json!([{"tenant": null, "authority": "lab"}]),
            &json!([{"tenant": null}]),
        ),
        case(
            "user name and password sign-in works for work and school accounts only",
            tenant,
            &json!(["organizations", "common.example"]),
            &json!(["common", "Consumers", "9188040d-6c67-4c5b-b112-36a304b66dad"]),
        ),
        case(
            "tenant must be a GUID, a domain such as contoso.example, or organizations",
            tenant,
            &json!([GUID, "Contoso.onmicrosoft.com", "a-b.c1.example"]),
            &json!([
                "contoso",
                "https://contoso.example",
                "contoso.example/x",
                "user@contoso.example",
                "contoso.example:443",
                "-a.example",
                "contoso..example",
                "organizations\n",
            ]),
        ),
    ]
}

fn login_rules() -> Vec<Case> {
    let login = |v: &Value| spec(&json!({"login": {"secretName": v}}));
    vec![
        case(
            "login.secretName must be a Secret's name",
            login,
            &json!(["a.b-c.1", "a".repeat(253)]),
            &json!(["Reporting", "a..b", "a/b", "-a", "a."]),
        ),
        case(
            "names ending in .refresh-token belong to the operator: name another login Secret",
            login,
            &json!(["reporting.refresh-token.x", "refresh-token"]),
            &json!(["reporting.refresh-token"]),
        ),
        case(
            "a token Secret cannot be the login Secret",
            login,
            &json!(["reporting"]),
            &json!(["reporting-graph"]),
        ),
    ]
}

fn client_secret_rules() -> Vec<Case> {
    let secret = |name: &Value, key: &Value| {
        spec(&json!({"clientCredential": {"secret": {"secretName": name, "key": key}}}))
    };
    let name = |v: &Value| secret(v, &json!("client-secret"));
    vec![
        case(
            "clientCredential.secret.secretName must be a Secret's name",
            name,
            &json!(["a.b-c.1"]),
            &json!(["A", "a_b"]),
        ),
        case(
            "names ending in .refresh-token belong to the operator: name another Secret for the client secret",
            name,
            &json!(["refresh-token"]),
            &json!(["a.refresh-token"]),
        ),
        case(
            "a token Secret cannot be the client secret's Secret",
            name,
            &json!(["reporting-app"]),
            &json!(["reporting-graph"]),
        ),
        case(
            "login and client secret need Secrets of their own",
            name,
            &json!(["reporting-app"]),
            &json!(["reporting-login"]),
        ),
        case(
            "clientCredential.secret.key must be a Secret's key",
            |v| secret(&json!("reporting-app"), v),
            &json!(["Client_Secret.1", ".a"]),
            &json!(["a b", ".", "..a"]),
        ),
    ]
}

fn certificate_rules() -> Vec<Case> {
    let name = |v: &Value| spec(&json!({"clientCredential": {"certificate": {"secretName": v}}}));
    vec![
        case(
            "clientCredential.certificate.secretName must be a Secret's name",
            name,
            &json!(["a.b-c.1"]),
            &json!(["A", "a_b"]),
        ),
        case(
            "names ending in .refresh-token belong to the operator: name another Secret for the client certificate",
            name,
            &json!(["refresh-token"]),
            &json!(["a.refresh-token"]),
        ),
        case(
            "a token Secret cannot be the client certificate's Secret",
            name,
            &json!(["reporting-certificate"]),
            &json!(["reporting-graph"]),
        ),
        case(
            "login and client certificate need Secrets of their own",
            name,
            &json!(["reporting-certificate"]),
            &json!(["reporting-login"]),
        ),
    ]
}

fn workload_identity_rules() -> Vec<Case> {
    let credential = |v: &Value| spec(&json!({"clientCredential": v}));
    let account = json!({"serviceAccountName": "reporting"});
    let (secret, certificate) = (
        json!({"secretName": "app", "key": "k"}),
        json!({"secretName": "app"}),
    );
    vec![
        case(
            "clientCredential.workloadIdentity.serviceAccountName must be a ServiceAccount's name",
            |v| credential(&json!({"workloadIdentity": {"serviceAccountName": v}})),
            &json!(["reporting", "a.b-c.1"]),
            &json!(["Reporting", "system:serviceaccount:etl:reporting", "a/b"]),
        ),
        case(
            "clientCredential is exactly one of secret, certificate and workloadIdentity",
            credential,
            &json!([{"secret": secret}, {"certificate": certificate}, {"workloadIdentity": account}]),
            &json!([
                {},
                {"secret": secret, "certificate": certificate},
                {"certificate": certificate, "workloadIdentity": account},
            ]),
        ),
    ]
}

fn scope_rules() -> Vec<Case> {
    let scopes = |v: &Value| token(&json!({"scopes": v}));
    let graph = "https://graph.microsoft.com";
    vec![
        case(
            ".default cannot be mixed with other scopes",
            scopes,
            &json!([[".default"], ["api://app/.default"]]),
            &json!([[".default", "User.Read"], ["api://app/.default", "api://app/x"]]),
        ),
        case(
            "a token is for one resource",
            scopes,
            &json!([
                ["User.Read", format!("{graph}/Mail.Read")],
                ["api://app/a", "api://app/b"],
                ["https://management.azure.com//user_impersonation"],
            ]),
            &json!([
                ["User.Read", "api://app/a"],
                [
                    format!("{graph}/User.Read"),
                    "https://outlook.office.com/Mail.Read"
                ],
            ]),
        ),
        case(
            "a scope has no spaces, quotes or backslashes",
            scopes,
            &json!([["api://a~b/c_d.e!"], ["x[1]{2}"]]),
            &json!([["User.Read Mail.Read"], ["a\"b"], ["a\\b"], ["a\u{7f}"], ["ä"]]),
        ),
        case(
            "offline_access is added by the operator",
            scopes,
            &json!([["User.Read", "email"]]),
            &json!([["User.Read", "Offline_Access"], ["offline_access"]]),
        ),
        case(
            "openid and profile are added by the operator",
            spec,
            &json!([asking("lab", &["openid"]), asking("lab", &["openid", "profile"])]),
            &json!([asking("", &["User.Read", "OpenID"]), asking("", &["profile"])]),
        ),
    ]
}

/// Changes of the spec: these scopes, at this authority or at none.
fn asking(authority: &str, scopes: &[&str]) -> Value {
    let tokens = json!([{"secretName": "reporting-graph", "scopes": scopes}]);
    if authority.is_empty() {
        json!({"tokens": tokens})
    } else {
        json!({"authority": authority, "tokens": tokens})
    }
}

fn token_name_rules() -> Vec<Case> {
    let name = |v: &Value| token(&json!({"secretName": v}));
    vec![
        case(
            "tokens[].secretName must be a Secret's name",
            name,
            &json!(["a.b-c.1", "1"]),
            &json!(["Reporting", "a b", "a..b"]),
        ),
        case(
            "names ending in .refresh-token belong to the operator: name another token Secret",
            name,
            &json!(["refresh-token"]),
            &json!(["x.refresh-token", "reporting.refresh-token"]),
        ),
        case(
            "keys[].name must be a Secret's key",
            |v| token(&json!({"keys": [{"name": v, "format": "AccessToken"}]})),
            &json!(["access_token", "TOKEN-1.json", ".token"]),
            &json!(["a/b", ".", "..", "..a", "a b"]),
        ),
    ]
}

/// Keys of domains that are not the user's.
fn reserved() -> Value {
    let keys = [
        "kubernetes.io/x",
        "node.kubernetes.io/x",
        "k8s.io/x",
        "a.k8s.io/x",
        "helm.sh/x",
        "meta.helm.sh/x",
        "entra-operator.dev/owner",
        "x.entra-operator.dev/x",
        "app.kubernetes.io/managed-by",
        "x.app.kubernetes.io/name",
    ];
    keys.into_iter().map(|k| json!({k: "a"})).collect()
}

fn label_rules() -> Vec<Case> {
    let labels = |v: &Value| token(&json!({"labels": v}));
    let long = "a".repeat(63);
    vec![
        case(
            "labels must be valid Kubernetes labels",
            labels,
            &json!([
                {"team": "etl", "contoso.example/team": "", "A_b.c": "A-b_c.1"},
                {long.as_str(): long.as_str()},
            ]),
            &json!([
                {"-team": "etl"},
                {"team": "e t l"},
                {"team": "etl-"},
                {"contoso.example/": "etl"},
                {"Contoso.Example/a": "etl"},
                {"a/b/c": "etl"},
                {format!("{long}a"): "etl"},
            ]),
        ),
        case(
            "labels of kubernetes.io, k8s.io, helm.sh and entra-operator.dev are reserved",
            labels,
            &json!([{"app.kubernetes.io/name": "a", "notkubernetes.io/x": "a", "kubernetes.io.example/x": "a"}]),
            &reserved(),
        ),
    ]
}

fn secret_label_rules() -> Vec<Case> {
    let labels = |v: &Value| spec(&json!({"secretLabels": v}));
    let mut reserved = reserved();
    let instance = json!({"app.kubernetes.io/instance": "a"});
    reserved.as_array_mut().unwrap().push(instance);
    vec![
        case(
            "secretLabels must be valid Kubernetes labels",
            labels,
            &json!([{"team": "etl", "contoso.example/team": ""}]),
            &json!([{"-team": "etl"}, {"team": "e t l"}, {"a/b/c": "etl"}]),
        ),
        case(
            "in secretLabels, kubernetes.io, k8s.io, helm.sh and entra-operator.dev are reserved",
            labels,
            &json!([{"app.kubernetes.io/name": "a", "app.kubernetes.io/part-of": "a", "notkubernetes.io/x": "a"}]),
            &reserved,
        ),
        case(
            "in secretLabels, argocd.argoproj.io is reserved",
            labels,
            &json!([{"argoproj.io/x": "a", "notargocd.argoproj.io/x": "a"}]),
            &json!([{"argocd.argoproj.io/instance": "a"}, {"x.argocd.argoproj.io/y": "a"}]),
        ),
    ]
}

fn annotation_rules() -> Vec<Case> {
    let annotations = |v: &Value| token(&json!({"annotations": v}));
    vec![
        case(
            "annotation keys must be valid",
            annotations,
            &json!([{"contoso.example/owner": "any text: ä \n", "x": ""}]),
            &json!([{"a b": ""}, {"a/b/c": ""}, {"": ""}]),
        ),
        case(
            "annotations of kubernetes.io, k8s.io, helm.sh and entra-operator.dev are reserved",
            annotations,
            &json!([{"app.kubernetes.io/part-of": "a", "argocd.argoproj.io/sync-wave": "1"}]),
            &reserved(),
        ),
    ]
}
