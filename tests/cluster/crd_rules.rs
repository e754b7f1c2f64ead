//! Every rule of the CRD against a real API server: one object that it accepts, one that it refuses, and its message.
//!
//! Module of the test binary `cluster`: `crate::plane().await` gives the shared control plane and `client()` of it a
//! client of the calling test's runtime. The CRD is installed here if the control plane was started without it. All
//! objects are sent with `dryRun`, so that nothing stays behind.

use std::collections::BTreeSet;
use std::time::Duration;

use entra_operator::api::{EntraCredential, EntraCredentialSpec, crd};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, ListParams, PostParams};
use kube::core::{ApiResource, Status};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

/// Longest wait for the API server to serve the new resource.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client of a control plane that serves `EntraCredential`.
pub(crate) async fn installed_client() -> Client {
    let client = crate::plane().await.client().await.unwrap();
    let crds = Api::<CustomResourceDefinition>::all(client.clone());
    // Another test, or the control plane itself, may have been faster.
    drop(crds.create(&PostParams::default(), &crd()).await);
    let served = async {
        let credentials = Api::<EntraCredential>::all(client.clone());
        while credentials.list(&ListParams::default().limit(1)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, served).await.unwrap();
    client
}

/// A new namespace of the caller's own.
pub(crate) async fn namespace(client: &Client) -> String {
    let name = format!("test-{}", uuid::Uuid::new_v4().simple());
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
    let namespaces = Api::<Namespace>::all(client.clone());
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap()
        .name_any()
}

/// The complete object of the documentation.
fn example() -> Value {
    json!({
        "apiVersion": "entra-operator.dev/v1alpha1",
        "kind": "EntraCredential",
        "metadata": {"name": "reporting"},
        "spec": {
            "tenant": "contoso.example",
            "clientId": "3f0c1a52-0000-4000-8000-000000000001",
            "login": {"secretName": "reporting-login"},
            "tokens": [{"secretName": "reporting-graph", "scopes": ["https://graph.microsoft.com/.default"]}],
        },
    })
}

/// Applies a merge patch (RFC 7396).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in fields {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut target[name.as_str()], value);
        }
    }
}

/// The example with a changed spec.
fn spec(patch: Value) -> Value {
    let mut object = example();
    merge(&mut object["spec"], &patch);
    object
}

/// The example with a changed token entry.
fn token(patch: Value) -> Value {
    let mut object = example();
    merge(&mut object["spec"]["tokens"][0], &patch);
    object
}

/// The example under another name.
fn named(name: &str) -> Value {
    let mut object = example();
    object["metadata"]["name"] = name.into();
    object
}

async fn send(client: &Client, object: Value) -> Result<Value, Box<Status>> {
    let resource = ApiResource::erase::<EntraCredential>(&());
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), "default", &resource);
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    match api.create(&params, &object).await {
        Ok(stored) => Ok(serde_json::to_value(stored).unwrap()),
        Err(kube::Error::Api(status)) => Err(status),
        Err(other) => panic!("{other}"),
    }
}

/// A rule of the schema: words of its message, what it lets pass, and what it stops.
struct Case {
    message: &'static str,
    accepted: Vec<Value>,
    refused: Vec<Value>,
}

fn case(
    message: &'static str,
    accepted: impl IntoIterator<Item = Value>,
    refused: impl IntoIterator<Item = Value>,
) -> Case {
    Case {
        message,
        accepted: accepted.into_iter().collect(),
        refused: refused.into_iter().collect(),
    }
}

const GUID: &str = "3F0C1A52-0000-4000-8000-000000000001";

fn object_rules() -> Vec<Case> {
    let secret = |name: &str| json!({"secret": {"secretName": name, "key": "client-secret"}});
    vec![
        case(
            "metadata.name must have at most 239 characters",
            [named(&"a".repeat(239))],
            [named(&"a".repeat(240))],
        ),
        case(
            "set tenant: the tenant's GUID",
            [spec(json!({"tenant": null, "authority": "lab"}))],
            [spec(json!({"tenant": null}))],
        ),
        case(
            "set either cloud or authority, not both",
            [spec(json!({"cloud": "China"})), spec(json!({"authority": "lab"}))],
            [spec(json!({"cloud": "Public", "authority": "lab"}))],
        ),
        case(
            "clientId must be the application (client) ID",
            [
                spec(json!({"clientId": GUID})),
                spec(json!({"authority": "lab", "clientId": "reporting-app"})),
            ],
            [
                spec(json!({"clientId": "reporting-app"})),
                spec(json!({"clientId": format!("{GUID}0")})),
            ],
        ),
        case(
            "a token Secret cannot be the login Secret",
            [spec(json!({"login": {"secretName": "reporting"}}))],
            [spec(json!({"login": {"secretName": "reporting-graph"}}))],
        ),
        case(
            "a token Secret cannot be the client secret's Secret",
            [spec(json!({"clientCredential": secret("reporting-app")}))],
            [spec(json!({"clientCredential": secret("reporting-graph")}))],
        ),
        case(
            "login and client secret need Secrets of their own",
            [spec(json!({"clientCredential": secret("reporting-app")}))],
            [spec(json!({"clientCredential": secret("reporting-login")}))],
        ),
    ]
}

fn sign_in_rules() -> Vec<Case> {
    let tenant = |value: &str| spec(json!({"tenant": value}));
    let authority = |value: &str| spec(json!({"authority": value}));
    let login = |value: &str| spec(json!({"login": {"secretName": value}}));
    let app = |value: Value| {
        let mut secret = json!({"secretName": "reporting-app", "key": "client-secret"});
        merge(&mut secret, &value);
        spec(json!({"clientCredential": {"secret": secret}}))
    };
    vec![
        case(
            "user name and password sign-in works for work and school accounts only",
            [tenant("organizations"), tenant("common.example")],
            [
                tenant("common"),
                tenant("Consumers"),
                tenant("9188040d-6c67-4c5b-b112-36a304b66dad"),
            ],
        ),
        case(
            "tenant must be a GUID, a domain such as contoso.example, or organizations",
            [
                tenant(GUID),
                tenant("Contoso.onmicrosoft.com"),
                tenant("a-b.c1.example"),
            ],
            [
                tenant("contoso"),
                tenant("https://contoso.example"),
                tenant("contoso.example/x"),
                tenant("user@contoso.example"),
                tenant("contoso.example:443"),
                tenant("-a.example"),
                tenant("contoso..example"),
                tenant("organizations\n"),
            ],
        ),
        case(
            "authority is the name of an authority in the operator's configuration",
            [authority("lab"), authority("a-1")],
            [
                authority("https://fs.contoso.example"),
                authority("Lab"),
                authority("lab-"),
            ],
        ),
        case(
            "names ending in .refresh-token belong to the operator: name another login Secret",
            [login("reporting.refresh-token.x"), login("refresh-token")],
            [login("reporting.refresh-token")],
        ),
        case(
            "login.secretName must be a Secret's name",
            [login("a.b-c.1"), login(&"a".repeat(253))],
            [
                login("Reporting"),
                login("a..b"),
                login("a/b"),
                login("-a"),
                login("a."),
            ],
        ),
        case(
            "clientCredential.secret.secretName must be a Secret's name",
            [app(json!({"secretName": "a.b-c.1"}))],
            [app(json!({"secretName": "A"})), app(json!({"secretName": "a_b"}))],
        ),
        case(
            "names ending in .refresh-token belong to the operator: name another Secret for the client secret",
            [app(json!({"secretName": "refresh-token"}))],
            [app(json!({"secretName": "a.refresh-token"}))],
        ),
        case(
            "clientCredential.secret.key must be a Secret's key",
            [app(json!({"key": "Client_Secret.1"})), app(json!({"key": ".a"}))],
            [
                app(json!({"key": "a b"})),
                app(json!({"key": "."})),
                app(json!({"key": "..a"})),
            ],
        ),
    ]
}

fn scope_rules() -> Vec<Case> {
    let scopes = |value: Value| token(json!({"scopes": value}));
    vec![
        case(
            ".default cannot be mixed with other scopes",
            [scopes(json!([".default"])), scopes(json!(["api://app/.default"]))],
            [
                scopes(json!([".default", "User.Read"])),
                scopes(json!(["api://app/.default", "api://app/x"])),
            ],
        ),
        case(
            "a token is for one resource",
            [
                scopes(json!(["User.Read", "https://graph.microsoft.com/Mail.Read"])),
                scopes(json!(["api://app/a", "api://app/b"])),
                scopes(json!(["https://management.azure.com//user_impersonation"])),
            ],
            [
                scopes(json!(["User.Read", "api://app/a"])),
                scopes(json!([
                    "https://graph.microsoft.com/User.Read",
                    "https://outlook.office.com/Mail.Read"
                ])),
            ],
        ),
        case(
            "a scope has no spaces, quotes or backslashes",
            [scopes(json!(["api://a~b/c_d.e!"])), scopes(json!(["x[1]{2}"]))],
            [
                scopes(json!(["User.Read Mail.Read"])),
                scopes(json!(["a\"b"])),
                scopes(json!(["a\\b"])),
                scopes(json!(["a\u{7f}"])),
                scopes(json!(["ä"])),
            ],
        ),
        case(
            "openid, profile and offline_access are added by the operator",
            [scopes(json!(["User.Read", "email"]))],
            [
                scopes(json!(["User.Read", "OpenID"])),
                scopes(json!(["offline_access"])),
            ],
        ),
    ]
}

fn token_rules() -> Vec<Case> {
    let name = |value: &str| token(json!({"secretName": value}));
    let key = |value: &str| token(json!({"keys": [{"name": value, "format": "AccessToken"}]}));
    let labels = |value: Value| token(json!({"labels": value}));
    let annotations = |value: Value| token(json!({"annotations": value}));
    let reserved = [
        "kubernetes.io/x",
        "node.kubernetes.io/x",
        "k8s.io/x",
        "a.k8s.io/x",
        "meta.helm.sh/x",
    ];
    let reserved =
        reserved
            .into_iter()
            .chain(["helm.sh/x", "entra-operator.dev/owner", "x.entra-operator.dev/x"]);
    let reserved: Vec<_> = reserved
        .chain(["app.kubernetes.io/managed-by", "x.app.kubernetes.io/name"])
        .collect();
    let long = "a".repeat(63);
    vec![
        case(
            "tokens[].secretName must be a Secret's name",
            [name("a.b-c.1"), name("1")],
            [name("Reporting"), name("a b"), name("a..b")],
        ),
        case(
            "names ending in .refresh-token belong to the operator: name another token Secret",
            [name("refresh-token")],
            [name("x.refresh-token"), name("reporting.refresh-token")],
        ),
        case(
            "keys[].name must be a Secret's key",
            [key("access_token"), key("TOKEN-1.json"), key(".token")],
            [key("a/b"), key("."), key(".."), key("..a"), key("a b")],
        ),
        case(
            "labels must be valid Kubernetes labels",
            [
                labels(json!({"team": "etl", "contoso.example/team": "", "A_b.c": "A-b_c.1"})),
                labels(json!({long.as_str(): long.as_str()})),
            ],
            [
                labels(json!({"-team": "etl"})),
                labels(json!({"team": "e t l"})),
                labels(json!({"contoso.example/": "etl"})),
                labels(json!({"Contoso.Example/a": "etl"})),
                labels(json!({format!("{long}a"): "etl"})),
                labels(json!({"a/b/c": "etl"})),
                labels(json!({"team": "etl-"})),
            ],
        ),
        case(
            "labels of kubernetes.io, k8s.io, helm.sh and entra-operator.dev are reserved",
            [labels(
                json!({"app.kubernetes.io/name": "a", "notkubernetes.io/x": "a", "kubernetes.io.example/x": "a"}),
            )],
            reserved.iter().map(|k| labels(json!({*k: "a"}))),
        ),
        case(
            "annotation keys must be valid",
            [annotations(
                json!({"contoso.example/owner": "any text: ä \n", "x": ""}),
            )],
            [
                annotations(json!({"a b": ""})),
                annotations(json!({"a/b/c": ""})),
                annotations(json!({"": ""})),
            ],
        ),
        case(
            "annotations of kubernetes.io, k8s.io, helm.sh and entra-operator.dev are reserved",
            [annotations(
                json!({"app.kubernetes.io/part-of": "a", "argocd.argoproj.io/sync-wave": "1"}),
            )],
            reserved.iter().map(|k| annotations(json!({*k: "a"}))),
        ),
    ]
}

fn rules() -> Vec<Case> {
    [object_rules(), sign_in_rules(), scope_rules(), token_rules()]
        .into_iter()
        .flatten()
        .collect()
}

/// What plain schema (bounds, enums, unions) stops; the messages are the API server's.
fn schema_bounds() -> Vec<Case> {
    let percent = |value: i32| spec(json!({"refresh": {"atPercent": value}}));
    let tokens = |count: usize| {
        let entry = |n| json!({"secretName": format!("t{n}"), "scopes": ["User.Read"]});
        spec(json!({"tokens": (0..count).map(entry).collect::<Vec<_>>()}))
    };
    let scopes =
        |count: usize| token(json!({"scopes": (0..count).map(|n| format!("s{n}")).collect::<Vec<_>>()}));
    let keys = |names: Vec<String>| {
        let key = |n: String| json!({"name": n, "format": "TokenJson"});
        token(json!({"keys": names.into_iter().map(key).collect::<Vec<_>>()}))
    };
    let many = |count: usize| (0..count).map(|n| format!("k{n}")).collect::<Vec<_>>();
    let map = |count: usize| {
        many(count)
            .into_iter()
            .map(|k| (k, Value::from("")))
            .collect::<Value>()
    };
    vec![
        case("less than or equal to 66", [percent(66)], [percent(67)]),
        case("greater than or equal to 50", [percent(50)], [percent(49)]),
        case(
            "Unsupported value",
            [spec(json!({"cloud": "GovSG"}))],
            [spec(json!({"cloud": "Mars"}))],
        ),
        case(
            "Unsupported value",
            [keys(many(1))],
            [token(json!({"keys": [{"name": "a", "format": "Template"}]}))],
        ),
        case("Too many", [tokens(16)], [tokens(17)]),
        case("should have at least 1 items", [tokens(1)], [tokens(0)]),
        case("Too many", [scopes(20)], [scopes(21)]),
        case("should have at least 1 items", [scopes(1)], [scopes(0)]),
        case("Too many", [keys(many(16)), keys(many(0))], [keys(many(17))]),
        case(
            "Too many",
            [token(json!({"labels": map(16)}))],
            [token(json!({"labels": map(17)}))],
        ),
        case(
            "Too many",
            [token(json!({"annotations": map(16)}))],
            [token(json!({"annotations": map(17)}))],
        ),
        case(
            "may not be more than 63",
            [],
            [token(json!({"labels": {"a": "a".repeat(64)}}))],
        ),
        case(
            "may not be more than 1024",
            [token(json!({"annotations": {"a": "a".repeat(1024)}}))],
            [token(json!({"annotations": {"a": "a".repeat(1025)}}))],
        ),
        case(
            "may not be more than 256",
            [],
            [token(json!({"scopes": ["a".repeat(257)]}))],
        ),
        case(
            "Duplicate value",
            [],
            [keys(vec!["a".to_owned(), "a".to_owned()])],
        ),
        case(
            "Duplicate value",
            [],
            [spec(json!({"tokens": [
            {"secretName": "t", "scopes": ["a"]}, {"secretName": "t", "scopes": ["b"]}]}))],
        ),
        case(
            "Required value",
            [],
            [spec(json!({"login": null})), spec(json!({"clientId": null}))],
        ),
        case(
            "must validate one and only one schema",
            [],
            [spec(json!({"clientCredential": {}}))],
        ),
    ]
}

async fn check(client: &Client, case: Case) {
    for object in case.accepted {
        let outcome = send(client, object.clone()).await;
        assert!(outcome.is_ok(), "{}: refused {object}: {outcome:?}", case.message);
    }
    for object in case.refused {
        let status = send(client, object.clone())
            .await
            .expect_err(&format!("{}: accepted {object}", case.message));
        assert!(
            status.message.contains(case.message),
            "{}: {object}: {}",
            case.message,
            status.message
        );
    }
}

#[tokio::test]
async fn every_rule_accepts_and_refuses() {
    let client = installed_client().await;
    for case in rules() {
        assert!(
            !case.accepted.is_empty() && !case.refused.is_empty(),
            "{}",
            case.message
        );
        check(&client, case).await;
    }
}

/// A user should read what is wrong once, not the same thing in three ways.
#[tokio::test]
async fn a_mistake_breaks_one_rule() {
    let client = installed_client().await;
    for case in rules() {
        for object in case.refused {
            let status = send(&client, object.clone()).await.unwrap_err();
            let causes = status.details.map(|d| d.causes).unwrap_or_default();
            assert_eq!(causes.len(), 1, "{object}: {causes:?}");
        }
    }
}

#[tokio::test]
async fn bounds_hold() {
    let client = installed_client().await;
    for case in schema_bounds() {
        check(&client, case).await;
    }
}

#[tokio::test]
async fn null_is_as_good_as_absent() {
    let client = installed_client().await;
    let mut object = example();
    for field in ["authority", "cloud", "clientCredential", "refresh", "suspend"] {
        object["spec"][field] = Value::Null;
    }
    let stored = send(&client, object).await.unwrap();
    assert_eq!(stored["spec"], example()["spec"]);
}

/// No default is written into an object: what users apply is what they read back.
#[tokio::test]
async fn nothing_is_added_to_an_object() {
    let client = installed_client().await;
    let stored = send(&client, example()).await.unwrap();
    assert_eq!(stored["spec"], example()["spec"]);
    let spec: EntraCredentialSpec = serde_json::from_value(stored["spec"].clone()).unwrap();
    assert_eq!(serde_json::to_value(spec).unwrap(), example()["spec"]);
}

/// The table above is complete: no rule of the schema is without a case.
#[test]
fn every_rule_has_a_case() {
    let schema = serde_json::to_value(crd()).unwrap();
    let mut messages = BTreeSet::new();
    collect_messages(&schema, &mut messages);
    assert!(messages.len() > 20);
    let cases = rules();
    for message in &messages {
        let matching = cases.iter().filter(|c| message.contains(c.message)).count();
        assert_eq!(matching, 1, "{message}");
    }
    assert_eq!(cases.len(), messages.len());
}

fn collect_messages(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            let rules = fields.get("x-kubernetes-validations").and_then(Value::as_array);
            for rule in rules.into_iter().flatten() {
                found.insert(
                    rule["message"]
                        .as_str()
                        .unwrap_or("(a rule without message)")
                        .to_owned(),
                );
            }
            fields.values().for_each(|v| collect_messages(v, found));
        }
        Value::Array(items) => items.iter().for_each(|v| collect_messages(v, found)),
        _ => {}
    }
}
