//! What people see with kubectl: explanations, columns, and waiting for a credential.

use entra_lab::stage::OperatorOptions;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::Api;

use crate::scene::{Place, api_scope, stage, user};

async fn kubectl(arguments: &[&str]) -> String {
    let stage = stage().await;
    tokio::task::block_in_place(|| stage.kubectl(arguments, None)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_is_explained() {
    let place = Place::new("explain").await;
    let crds = Api::<CustomResourceDefinition>::all(place.client.clone());
    let crd = crds.get("entracredentials.entra-operator.dev").await.unwrap();
    let schema = crd.spec.versions[0].schema.clone().unwrap();
    let mut fields = Vec::new();
    let root = schema.open_api_v3_schema.unwrap();
    for part in ["spec", "status"] {
        walk(part, &root.properties.as_ref().unwrap()[part], &mut fields);
    }
    assert!(fields.len() > 50, "{fields:#?}");
    let silent: Vec<_> = fields.iter().filter(|(_, text)| text.is_empty()).collect();
    assert!(silent.is_empty(), "{silent:#?}");

    let tree = kubectl(&["explain", "entracredential.spec", "--recursive"]).await;
    for (path, _) in fields.iter().filter(|(path, _)| path.starts_with("spec.")) {
        let name = path.rsplit('.').next().unwrap();
        assert!(tree.contains(&format!("{name}\t<")), "{name} is not in {tree}");
    }
    let (path, text) = fields
        .iter()
        .find(|(path, _)| path == "spec.refresh.atPercent")
        .unwrap();
    let shown = kubectl(&["explain", &format!("entracredential.{path}")]).await;
    let words = text.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
    assert!(shown.contains(&words), "{shown}");
}

/// All fields below `schema` with what is said about them.
fn walk(path: &str, schema: &JSONSchemaProps, fields: &mut Vec<(String, String)>) {
    fields.push((path.to_owned(), schema.description.clone().unwrap_or_default()));
    for (name, field) in schema.properties.iter().flatten() {
        walk(&format!("{path}.{name}"), field, fields);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        for (name, field) in items.properties.iter().flatten() {
            walk(&format!("{path}.{name}"), field, fields);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_can_wait_for_a_credential_and_see_how_it_is() {
    let place = Place::new("columns").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let (name, password) = user();
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.login("one-login", &name, &password).await;
    let namespace = place.namespace.as_str();
    let (subject, condition) = ("entracredential/one", "--for=condition=Ready");
    kubectl(&["wait", condition, subject, "-n", namespace, "--timeout=60s"]).await;

    let short = kubectl(&["get", "ecred", "-n", namespace]).await;
    let short = table(&short);
    assert_eq!(short[0], ["NAME", "READY", "REASON", "EXPIRES", "REFRESH", "AGE"]);
    assert_eq!(short[1][..3], ["one", "True", "Fresh"]);
    for time in &short[1][3..5] {
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    }
    let wide = kubectl(&["get", "credentials", "-n", namespace, "-o", "wide"]).await;
    let wide = table(&wide);
    assert_eq!(wide[0][5..8], ["ACCOUNT", "TENANT", "FAILURES"]);
    assert_eq!(wide[1][5], name);
}

fn table(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .map(|line| line.split_whitespace().collect())
        .collect()
}
