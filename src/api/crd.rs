//! The CustomResourceDefinition: what the derive macro emits, made ready for the API server and for `kubectl explain`.
//!
//! # Guarantees
//!
//! - The same source gives the same bytes: [`crd_yaml`] is what `crds/` holds and what `entra-operator crd` prints.
//! - No field is nullable: the API server drops a `null` before any rule sees it, so that absent and `null` are one.
//! - Everything that a rule looks at is bounded, which keeps the rules within the API server's cost budget.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde::ser::Error as _;
use serde_json::Value;
use strum::IntoEnumIterator;

use super::{EntraCredential, Reason};

/// Longest label value, a limit of Kubernetes.
const LABEL_VALUE_MAX: i64 = 63;

/// Longest annotation value that we take over.
const ANNOTATION_VALUE_MAX: i64 = 1024;

/// Longest line before `serde_saphyr` would fold a text: longer than any of ours, because folding changes spaces.
const NEVER_FOLD: usize = 100_000;

/// The CustomResourceDefinition of `EntraCredential`.
pub fn crd() -> CustomResourceDefinition {
    let mut crd = EntraCredential::crd();
    let schemas = crd.spec.versions.iter_mut().filter_map(|v| v.schema.as_mut());
    for schema in schemas.filter_map(|s| s.open_api_v3_schema.as_mut()) {
        tidy(schema);
        bound(schema);
        require(schema);
        unite(schema);
        explain(schema);
    }
    crd
}

/// [`crd`] as YAML, as it is installed.
pub fn crd_yaml() -> Result<String, serde_saphyr::ser::Error> {
    let mut value = serde_json::to_value(crd()).map_err(serde_saphyr::ser::Error::custom)?;
    whole_numbers(&mut value);
    serde_saphyr::to_string_with_options(&value, options())
}

fn options() -> serde_saphyr::SerializerOptions {
    serde_saphyr::ser_options! {
        folded_wrap_chars: NEVER_FOLD,
    }
}

/// Descriptions flow, nothing is nullable, and the root has no title that repeats its kind.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.title = None;
    if let Some(description) = &mut schema.description {
        *description = flowing(description);
    }
    for child in children(schema) {
        tidy(child);
    }
}

/// Lines of a paragraph are joined; paragraphs stay apart.
fn flowing(text: &str) -> String {
    let paragraphs = text
        .split("\n\n")
        .map(|p| p.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

fn children(schema: &mut JSONSchemaProps) -> Vec<&mut JSONSchemaProps> {
    let properties = schema.properties.iter_mut().flat_map(|p| p.values_mut());
    let items = match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => Some(&mut **items),
        Some(JSONSchemaPropsOrArray::Schemas(_)) | None => None,
    };
    let values = match &mut schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(values)) => Some(&mut **values),
        Some(JSONSchemaPropsOrBool::Bool(_)) | None => None,
    };
    properties.chain(items).chain(values).collect()
}

/// The schema at a path: names of properties, `[]` for the items of a list, `{}` for the values of a map.
fn at<'a>(schema: &'a mut JSONSchemaProps, path: &[&str]) -> Option<&'a mut JSONSchemaProps> {
    let Some((step, rest)) = path.split_first() else {
        return Some(schema);
    };
    let next = match *step {
        "[]" | "{}" => children(schema).pop(),
        name => schema.properties.as_mut()?.get_mut(name),
    };
    at(next?, rest)
}

/// Bounds of map values, which the derive macro cannot express, and of what comes from Kubernetes' own types.
fn bound(schema: &mut JSONSchemaProps) {
    let token = ["spec", "tokens", "[]"];
    let values = |map| [&token[..], &[map, "{}"]].concat();
    bound_length(schema, &values("labels"), LABEL_VALUE_MAX);
    bound_length(schema, &values("annotations"), ANNOTATION_VALUE_MAX);
    bound_length(schema, &["spec", "secretLabels", "{}"], LABEL_VALUE_MAX);
    let condition = ["status", "conditions", "[]"];
    for (field, length) in [("type", 316), ("reason", 1024), ("message", 32_768)] {
        bound_length(schema, &[&condition[..], &[field]].concat(), length);
    }
    if let Some(status) = at(schema, &["status", "conditions", "[]", "status"]) {
        status.enum_ = Some(["True", "False", "Unknown"].map(|s| JSON(s.into())).to_vec());
    }
}

fn bound_length(schema: &mut JSONSchemaProps, path: &[&str], length: i64) {
    if let Some(text) = at(schema, path) {
        text.max_length = Some(length);
    }
}

/// The key of the status' list of tokens is required. Decoding is more tolerant than the schema, hence a default that
/// does not belong here.
fn require(schema: &mut JSONSchemaProps) {
    let Some(token) = at(schema, &["status", "tokens", "[]"]) else {
        return;
    };
    token.required = Some(vec!["secretName".to_owned()]);
    if let Some(name) = at(token, &["secretName"]) {
        name.default = None;
        name.min_length = Some(1);
    }
}

/// A rule says in a sentence that a union has one variant. `oneOf` says it in the API server's words, and keeps the rule
/// from being asked.
fn unite(schema: &mut JSONSchemaProps) {
    if let Some(union) = at(schema, &["spec", "clientCredential"]) {
        union.one_of = None;
    }
}

/// `kubectl explain` says what each reason means.
fn explain(schema: &mut JSONSchemaProps) {
    let of_login = ["status", "failure", "reason"];
    let of_token = ["status", "tokens", "[]", "failure", "reason"];
    for path in [&of_login[..], &of_token] {
        let description = at(schema, path).and_then(|reason| reason.description.as_mut());
        if let Some(description) = description {
            description.push_str("\n\n");
            description.push_str(&meanings());
        }
    }
}

fn meanings() -> String {
    let meanings = Reason::iter().map(|reason| format!("`{reason}`: {}", reason.meaning()));
    meanings.collect::<Vec<_>>().join(" ")
}

/// Bounds are floating-point in the typed definition; `66` reads better than `66.0`, and no tool reports it as a change.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(whole) = as_whole(number) {
                *value = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn as_whole(number: &serde_json::Number) -> Option<i64> {
    let text = number.as_f64()?.to_string();
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> JSONSchemaProps {
        let version = crd().spec.versions.remove(0);
        version.schema.unwrap().open_api_v3_schema.unwrap()
    }

    fn every(schema: &mut JSONSchemaProps, check: &mut impl FnMut(&JSONSchemaProps)) {
        check(schema);
        for child in children(schema) {
            every(child, check);
        }
    }

    #[test]
    fn nothing_is_nullable() {
        every(&mut schema(), &mut |s| assert_eq!(s.nullable, None));
    }

    #[test]
    fn every_list_and_text_of_the_spec_is_bounded() {
        let mut schema = schema();
        every(
            at(&mut schema, &["spec"]).unwrap(),
            &mut |s| match s.type_.as_deref() {
                Some("string") => assert!(s.max_length.is_some() || s.enum_.is_some(), "{:?}", s.description),
                Some("array") => assert!(s.max_items.is_some(), "{:?}", s.description),
                _ => {}
            },
        );
    }

    #[test]
    fn yaml_says_the_same_as_the_definition() {
        let yaml: Value = serde_saphyr::from_str(&crd_yaml().unwrap()).unwrap();
        let mut json = serde_json::to_value(crd()).unwrap();
        whole_numbers(&mut json);
        assert_eq!(yaml, json);
    }

    #[test]
    fn descriptions_flow() {
        assert_eq!(flowing("One\ntwo.\n\nThree."), "One two.\n\nThree.");
    }
}
