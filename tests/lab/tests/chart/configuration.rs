//! The value `config` is the operator's configuration file: same keys, accepted as it is rendered.

use std::fs;

use entra_lab::chart::sets::chart;
use entra_operator::operator::config::{Config, ConfigError, Scope, Sealing};
use serde_json::Value;

use crate::objects::{Objects, deployment, of_kind, pod, set, with_config};

fn rendered(objects: &Objects) -> &str {
    let maps = of_kind(objects, "ConfigMap");
    let found = maps
        .filter_map(|map| map["data"]["config.yaml"].as_str())
        .collect::<Vec<_>>();
    assert_eq!(found.len(), 1);
    found[0]
}

fn parsed(name: &str) -> Config {
    Config::parse(rendered(set(name))).unwrap()
}

#[test]
fn the_operator_accepts_what_every_set_renders() {
    let mut seen = 0;
    for (name, objects) in with_config() {
        let config = Config::parse(rendered(objects));
        assert!(config.is_ok(), "{name}: {config:?}");
        seen += 1;
    }
    assert!(seen >= 8);
}

#[test]
fn the_defaults_are_the_operators() {
    assert_eq!(parsed("defaults"), Config::default());
}

#[test]
fn what_is_set_arrives() {
    assert_eq!(
        parsed("namespaces").scope,
        Scope::Namespaces(["etl", "entra-operator"].map(str::to_owned).into())
    );
    let file = "/etc/entra-operator-keys/keys.json".into();
    assert_eq!(parsed("key-file").sealing, Sealing::KeyFile(file));
    assert_eq!(parsed("dual-stack").http.health.to_string(), "[::]:18081");
    assert_eq!(parsed("egress").authorities.len(), 1);
    assert_eq!(parsed("everything").limits.requests_in_flight, 8);
}

#[test]
fn it_is_mounted_and_a_change_starts_new_pods() {
    for (name, objects) in with_config() {
        let volumes = pod(objects)["volumes"].as_array().unwrap();
        let volume = volumes.iter().find(|volume| volume["name"] == "config").unwrap();
        let mut maps = of_kind(objects, "ConfigMap").map(|map| &map["metadata"]["name"]);
        assert!(maps.any(|map| *map == volume["configMap"]["name"]), "{name}");
    }
    let sum = |name: &str| {
        let annotations = &deployment(set(name))["spec"]["template"]["metadata"]["annotations"];
        annotations["checksum/config"].as_str().unwrap().to_owned()
    };
    assert_eq!(sum("defaults"), sum("openshift"));
    assert_ne!(sum("defaults"), sum("namespaces"));
}

/// Compares the keys of each section with those that the operator names when it meets another one.
#[test]
fn the_schema_has_the_keys_of_the_operator() {
    let text = fs::read_to_string(chart().join("values.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let mut sections = 0;
    compare(&schema["properties"]["config"], &|inner| inner, &mut sections);
    assert!(sections >= 12);
}

fn compare(schema: &Value, around: &dyn Fn(Value) -> Value, sections: &mut usize) {
    // The keys of a map are anybody's; what they hold is a section.
    if let Some(of_map) = schema
        .get("additionalProperties")
        .filter(|inner| inner.is_object())
    {
        return compare(
            of_map,
            &|inner| around(serde_json::json!({"etl": inner})),
            sections,
        );
    }
    if let Some(items) = schema.get("items") {
        return compare(items, &|inner| around(Value::Array(vec![inner])), sections);
    }
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    *sections += 1;
    let error = Config::parse(&around(serde_json::json!({"nobody": 1})).to_string());
    let Err(ConfigError::UnknownKey { known, .. }) = error else {
        panic!("not refused as unknown: {error:?}");
    };
    let mut known: Vec<_> = known.split(", ").collect();
    known.sort_unstable();
    let mut keys: Vec<_> = properties.keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, known);
    for (key, inner) in properties {
        let wrap = |value: Value| around(Value::Object([(key.clone(), value)].into_iter().collect()));
        compare(inner, &wrap, sections);
    }
}
