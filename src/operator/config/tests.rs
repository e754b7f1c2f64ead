//! Every sentence of an error, and the defaults.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const SHIPPED: &str = include_str!("../../../deploy/manifests/config.yaml");

fn read(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text)
}

fn error(text: &str) -> String {
    match read(text) {
        Ok(config) => format!("accepted: {config:?}"),
        Err(error) => error.to_string(),
    }
}

fn authority_error(fields: &str) -> String {
    error(&format!("authorities: [{{{fields}}}]"))
}

#[test]
fn the_shipped_file_spells_out_the_defaults() {
    assert_eq!(read(SHIPPED).ok(), Some(Config::default()));
}

#[test]
fn defaults_golden() {
    let expected = r#"Config { scope: Cluster, sealing: KeySecret("entra-operator-keys"), authorities: [], policy: Policy { everywhere: Bounds { tenants: None, client_ids: None, authorities: None, users: None }, namespaces: {}, authorities: {} }, federation: Federation { allowed_hosts: {}, ca_file: None }, limits: Limits { requests_in_flight: 32, requests_per_second_per_tenant: 10, reconciles_in_flight: 64 }, http: Http { health: [::]:8081, metrics: [::]:9090 }, workload_identity: WorkloadIdentity { audiences: {} }, leader_election: LeaderElection { enabled: true, lease: 15s }, metrics: Metrics { per_object: true }, audit: Audit { user_names: false } }"#;
    assert_eq!(format!("{:?}", Config::default()), expected);
}

#[test]
fn nothing_at_all_is_the_defaults() {
    for text in ["", "# only a comment\n", "{}", "watch:\nlimits:\n", "limits: {}"] {
        assert_eq!(read(text).ok(), Some(Config::default()), "{text:?}");
    }
}

#[test]
fn an_absent_file_is_an_error_only_if_it_was_asked_for() {
    let asked = Config::load(Some(Path::new("/nonexistent/config.yaml")));
    let message = asked.err().map(|e| e.to_string());
    assert_eq!(
        message.as_deref(),
        Some("the configuration file /nonexistent/config.yaml cannot be used")
    );
}

#[test]
fn unknown_keys_are_named_with_their_path_and_the_known_ones() {
    let cases = [
        (
            "wacth: {}",
            "unknown key `wacth`; known here: watch, sealing, authorities, federation, policy, limits, http, workloadIdentity, leaderElection, metrics, audit",
        ),
        (
            "watch: {namespace: a}",
            "unknown key `watch.namespace`; known here: namespaces",
        ),
        (
            "sealing: {secret: a}",
            "unknown key `sealing.secret`; known here: keySecret, keyFile",
        ),
        (
            "authorities: [{host: a}]",
            "unknown key `authorities[0].host`; known here: name, kind, url, caFile, namespaces",
        ),
        (
            "federation: {hosts: []}",
            "unknown key `federation.hosts`; known here: allowedHosts, caFile",
        ),
        (
            "limits: {requestsinflight: 1}",
            "unknown key `limits.requestsinflight`; known here: requestsInFlight, requestsPerSecondPerTenant, reconcilesInFlight",
        ),
        (
            "http: {port: 1}",
            "unknown key `http.port`; known here: health, metrics",
        ),
        (
            "leaderElection: {lease: 1}",
            "unknown key `leaderElection.lease`; known here: enabled, leaseSeconds",
        ),
        (
            "metrics: {perobject: true}",
            "unknown key `metrics.perobject`; known here: perObject",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "a table of wrong values and their sentences"
)]
fn wrong_values_say_what_to_write() {
    let cases = [
        (
            "[a]",
            "`the document` must be a mapping with the keys watch, sealing, authorities, federation, policy, limits, http, workloadIdentity, leaderElection, metrics, audit, but is [\"a\"]",
        ),
        (
            "limits: many",
            "`limits` must be a mapping with the keys requestsInFlight, requestsPerSecondPerTenant, reconcilesInFlight, but is \"many\"",
        ),
        (
            "watch: {namespaces: etl}",
            "`watch.namespaces` must be a list of namespaces, for example [etl, reports], but is \"etl\"",
        ),
        (
            "watch: {namespaces: [etl, A_b]}",
            "`watch.namespaces[1]` must be the name of a namespace, for example etl, but is \"A_b\"",
        ),
        (
            "sealing: {keySecret: Keys}",
            "`sealing.keySecret` must be the name of a Secret in the operator's namespace, for example entra-operator-keys, but is \"Keys\"",
        ),
        (
            "sealing: {keyFile: keys.json}",
            "`sealing.keyFile` must be an absolute path, for example /etc/entra-operator/keys.json, but is \"keys.json\"",
        ),
        (
            "sealing: {keySecret: a, keyFile: /b}",
            "`sealing.keyFile` excludes `sealing.keySecret`: keep one of the two",
        ),
        (
            "limits: {requestsInFlight: 0}",
            "`limits.requestsInFlight` must be a whole number from 1 to 1000, for example 32, but is 0",
        ),
        (
            "limits: {requestsInFlight: 100000}",
            "`limits.requestsInFlight` must be a whole number from 1 to 1000, for example 32, but is 100000",
        ),
        (
            "limits: {requestsPerSecondPerTenant: \"10\"}",
            "`limits.requestsPerSecondPerTenant` must be a whole number from 1 to 1000, for example 10, but is \"10\"",
        ),
        (
            "limits: {reconcilesInFlight: 1.5}",
            "`limits.reconcilesInFlight` must be a whole number from 1 to 1000, for example 64, but is 1.5",
        ),
        (
            "http: {health: 8081}",
            "`http.health` must be an IP address and a port in quotes, for example \"[::]:8081\", but is 8081",
        ),
        (
            "http: {metrics: \"localhost:9090\"}",
            "`http.metrics` must be an IP address and a port in quotes, for example \"[::]:9090\", but is \"localhost:9090\"",
        ),
        (
            "http: {metrics: \"[::]:8081\"}",
            "`http.metrics` must differ from the other address: http.health and http.metrics need a port each",
        ),
        (
            "leaderElection: {enabled: \"no\"}",
            "`leaderElection.enabled` must be true or false, without quotes, but is \"no\"",
        ),
        (
            "leaderElection: {leaseSeconds: 1}",
            "`leaderElection.leaseSeconds` must be a whole number from 3 to 300, for example 15, but is 1",
        ),
        (
            "metrics: {perObject: 1}",
            "`metrics.perObject` must be true or false, without quotes, but is 1",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn wrong_authorities_say_what_to_write() {
    let name = "name: lab, kind: Entra";
    let url = "name: lab, kind: Entra, url: \"https://a.example\"";
    let wanted = "an https URL with a host, for example https://login.contoso.example";
    let cases = [
        ("kind: Entra".to_owned(), "`authorities[0].name` is missing: write a name that spec.authority can use: lower-case letters, digits and dashes, for example lab".to_owned()),
        ("name: Lab".to_owned(), "`authorities[0].name` must be a name that spec.authority can use: lower-case letters, digits and dashes, for example lab, but is \"Lab\"".to_owned()),
        ("name: lab".to_owned(), "`authorities[0].kind` is missing: write one of Entra, B2c, Adfs, Oidc".to_owned()),
        ("name: lab, kind: Saml".to_owned(), "`authorities[0].kind` must be one of Entra, B2c, Adfs, Oidc, but is \"Saml\"".to_owned()),
        (name.to_owned(), format!("`authorities[0].url` is missing: write {wanted}")),
        (format!("{name}, url: 8"), format!("`authorities[0].url` must be {wanted}, but is 8")),
        (format!("{name}, url: a.example"), format!("`authorities[0].url` must be {wanted}")),
        (format!("{name}, url: \"http://a.example\""), "`authorities[0].url` must begin with https://, because passwords are sent there".to_owned()),
        (format!("{name}, url: \"https://u:p@a.example\""), "`authorities[0].url` must not hold a user name or password: write the host alone".to_owned()),
        (format!("{name}, url: \"https://a.example/tenant\""), "`authorities[0].url` must end after the host and port: the tenant comes from spec.tenant".to_owned()),
        ("name: lab, kind: Entra, url: \"https://a.example/tenant\"".to_owned(), "`authorities[0].url` must end after the host and port: the tenant comes from spec.tenant".to_owned()),
        ("name: lab, kind: B2c, url: \"https://a.b2clogin.com\"".to_owned(), "`authorities[0].url` must end after the user flow, for example https://contoso.b2clogin.com/B2C_1_ropc: the tenant comes from spec.tenant".to_owned()),
        ("name: lab, kind: Adfs, url: \"https://fs.a.example\"".to_owned(), "`authorities[0].url` must end in /adfs, for example https://fs.contoso.example/adfs".to_owned()),
        ("name: lab, kind: Oidc, url: \"https://a.example?x=1\"".to_owned(), "`authorities[0].url` must be the issuer as its discovery document writes it, without ? and #".to_owned()),
        (format!("{url}, namespaces: []"), "`authorities[0].namespaces` is empty: leave it out for all namespaces, or name at least one".to_owned()),
        (format!("{url}, caFile: ca.pem"), "`authorities[0].caFile` must be an absolute path, for example /etc/entra-operator/ca.pem, but is \"ca.pem\"".to_owned()),
    ];
    for (fields, expected) in cases {
        assert_eq!(authority_error(&fields), expected, "{fields}");
    }
}

#[test]
fn every_kind_is_taken_with_its_url_as_written() {
    for (kind, url) in [
        (Kind::Entra, "https://login.a.example:8443"),
        (Kind::B2c, "https://a.b2clogin.com/B2C_1_ropc"),
        (Kind::Adfs, "https://fs.a.example/adfs"),
        (Kind::Oidc, "https://SSO.a.example/realms/a"),
    ] {
        let text = format!("authorities: [{{name: lab, kind: {kind:?}, url: \"{url}\"}}]");
        let authorities = read(&text).map(|config| config.authorities).unwrap_or_default();
        let declared = authorities.first().map(|a| (a.kind, a.url.as_str()));
        assert_eq!(declared, Some((kind, url)));
    }
}

#[test]
fn wrong_federation_hosts_say_what_to_write() {
    let wanted = "a host, maybe with a port, for example sts.fed.example or sts.fed.example:8443";
    for bad in [
        "https://sts.fed.example",
        "sts.fed.example/adfs",
        "*.fed.example",
        "user@sts.fed.example",
        "sts.fed.example:port",
        "sts.fed.example:",
        "sts.fed.example?",
        "a b",
        "",
    ] {
        assert_eq!(
            error(&format!(
                "federation: {{allowedHosts: [sts.fed.example, \"{bad}\"]}}"
            )),
            format!("`federation.allowedHosts[1]` must be {wanted}, but is \"{bad}\"")
        );
    }
    assert_eq!(
        error("federation: {allowedHosts: sts.fed.example}"),
        "`federation.allowedHosts` must be a list of hosts, for example [sts.fed.example], but is \"sts.fed.example\""
    );
    assert_eq!(
        error("federation: {caFile: ca.pem}"),
        "`federation.caFile` must be an absolute path, for example /etc/entra-operator/ca.pem, but is \"ca.pem\""
    );
}

#[test]
fn the_lists_themselves_are_checked() {
    assert_eq!(
        error("authorities: lab"),
        "`authorities` must be a list of authorities, each with name, kind and url, but is \"lab\""
    );
    let twice = "authorities: [{name: a, kind: Entra, url: \"https://a.example\"}, {name: a, kind: Entra}]";
    assert_eq!(
        error(twice),
        "`authorities[1].name` is \"a\" a second time: give each authority a name of its own"
    );
}

#[test]
fn what_is_not_yaml_says_where() {
    let message = error("watch: [\n");
    assert!(message.starts_with("the file is not valid YAML: "), "{message}");
    assert!(message.contains("line"), "{message}");
}

#[test]
fn a_key_written_twice_is_refused() {
    assert!(
        error("http: {}\nhttp: {}\n").contains("duplicate"),
        "{}",
        error("http: {}\nhttp: {}\n")
    );
}

#[test]
fn long_values_are_cut() {
    let message = error(&format!("http: {{health: {}}}", "x".repeat(500)));
    assert!(message.len() < 200, "{message}");
}

/// What is in the file, and whether it is there, is looked at while the operator runs.
#[test]
fn a_certificate_file_need_not_be_there() {
    let text = "authorities: [{name: lab, kind: Entra, url: \"https://a.example:8443\", caFile: /nowhere/ca.pem, namespaces: [etl]}]
federation: {caFile: /nowhere/too.pem}";
    let config = read(text).unwrap();
    let authority = config.authorities.first().unwrap();
    assert_eq!(authority.ca_file.as_deref(), Some(Path::new("/nowhere/ca.pem")));
    assert!(authority.namespaces.covers("etl") && !authority.namespaces.covers("other"));
    assert_eq!(
        config.federation.ca_file.as_deref(),
        Some(Path::new("/nowhere/too.pem"))
    );
}

#[test]
fn every_key_takes_effect() {
    let text = "
watch: {namespaces: [etl, etl]}
sealing: {keyFile: /keys/keys.json}
federation: {allowedHosts: [STS.fed.example, \"sts.fed.example:443\", \"sts.fed.example:8443\"]}
limits: {requestsInFlight: 1, requestsPerSecondPerTenant: 2, reconcilesInFlight: 3}
http: {health: \"127.0.0.1:0\", metrics: \"127.0.0.1:0\"}
workloadIdentity: {audiences: {China: 'api://other', GovSG: 'api://third'}}
leaderElection: {enabled: false, leaseSeconds: 4}
metrics: {perObject: false}
audit: {userNames: true}
";
    let expected = Config {
        scope: Scope::Namespaces(["etl".to_owned()].into()),
        sealing: Sealing::KeyFile("/keys/keys.json".into()),
        authorities: Vec::new(),
        policy: Policy::default(),
        federation: Federation {
            allowed_hosts: ["sts.fed.example", "sts.fed.example:8443"]
                .map(str::to_owned)
                .into(),
            ca_file: None,
        },
        limits: Limits {
            requests_in_flight: 1,
            requests_per_second_per_tenant: NonZeroU32::MIN.saturating_add(1),
            reconciles_in_flight: 3,
        },
        http: Http {
            health: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0),
            metrics: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0),
        },
        workload_identity: WorkloadIdentity {
            audiences: [(Cloud::China, "api://other"), (Cloud::GovSG, "api://third")]
                .map(|(cloud, audience)| (cloud, audience.to_owned()))
                .into(),
        },
        leader_election: LeaderElection {
            enabled: false,
            lease: Duration::from_secs(4),
        },
        metrics: Metrics { per_object: false },
        audit: Audit { user_names: true },
    };
    assert_eq!(read(text).ok(), Some(expected));
}

#[test]
fn the_manifests_use_the_same_names_and_ports() {
    let rbac = include_str!("../../../deploy/manifests/rbac.yaml");
    for name in [LEASE_NAME, DEFAULT_KEY_SECRET] {
        assert!(
            rbac.contains(&format!("resourceNames: [{name}]")),
            "{name} is not in rbac.yaml"
        );
    }
    let deployment = include_str!("../../../deploy/manifests/deployment.yaml");
    let directory = DEFAULT_PATH.trim_end_matches("/config.yaml");
    assert!(deployment.contains(&format!("mountPath: {directory}\n")));
    for port in [Http::default().health.port(), Http::default().metrics.port()] {
        assert!(
            deployment.contains(&format!("containerPort: {port}\n")),
            "{port} is not in deployment.yaml"
        );
    }
}

/// Lines of a configuration file, known keys and others, with values of every type.
fn lines() -> impl Strategy<Value = String> {
    let line = "( {0,4}(watch|sealing|authorities|limits|http|name|url|kind|namespaces|keySecret|[a-z]{1,5}): ?\
                (1|true|null|\\[\\]|\\{\\}|\"https://a.example\"|Entra|.{0,12})?\n){0,8}";
    prop_oneof![line, ".{0,80}"]
}

proptest! {
    #[test]
    fn any_text_resolves_or_says_what_is_wrong(text in lines()) {
        if let Err(error) = read(&text) {
            let said = error.to_string();
            prop_assert!(!said.is_empty() && said.len() < 2000, "{}", said);
            prop_assert!(!matches!(error, ConfigError::Unreadable(_)));
        }
    }
}

#[test]
fn an_audience_belongs_to_a_cloud_and_is_plain_text() {
    let known = "Public, USGovernment, China, Bleu, Delos, GovSG";
    assert_eq!(
        error("workloadIdentity: {audiences: {Germany: \"api://x\"}}"),
        format!("unknown key `workloadIdentity.audiences.Germany`; known here: {known}")
    );
    assert_eq!(
        error("workloadIdentity: {audience: \"api://x\"}"),
        "unknown key `workloadIdentity.audience`; known here: audiences"
    );
    for bad in ["\"\"", "\"a b\"", "7", "[a]", "\"a\\n\"", "\"\u{fc}\""] {
        let message = error(&format!("workloadIdentity: {{audiences: {{China: {bad}}}}}"));
        let start = "`workloadIdentity.audiences.China` must be the audience of a federated credential, for example \
                     api://AzureADTokenExchange, but is ";
        assert!(message.starts_with(start), "{bad}: {message}");
    }
}
