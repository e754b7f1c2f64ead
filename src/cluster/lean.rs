//! What is kept of a watched custom resource, and how a broken one is survived.
//!
//! # Guarantees
//!
//! - Every object decodes. One that does not fit this version's schema (written under a newer CRD, say) becomes a
//!   value that says so; undecoded, it would fail the list of the whole kind, again and again.
//! - `managedFields` and kubectl's copy of the last applied object are dropped on arrival: three quarters of the memory.
//! - Nothing of an object's values is in the text that says why it did not decode.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::object::HasStatus;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::pruned::Pruned;
use crate::api::fitting;

/// kubectl's copy of the last applied object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Longest text about an object that did not decode.
const PROBLEM_MAX: usize = 200;

/// An object as the operator keeps it: pruned, and possibly not decodable.
#[derive(Clone, Debug)]
pub struct Lean<K>(Result<Box<K>, Box<Undecodable>>);

/// An object that exists but does not fit the schema of this version.
#[derive(Clone, Debug)]
pub struct Undecodable {
    /// What identifies it.
    pub meta: ObjectMeta,
    /// What does not fit, without any value.
    pub problem: String,
}

impl<K> Lean<K> {
    /// The object, or what is known of one that does not decode.
    pub fn get(&self) -> Result<&K, &Undecodable> {
        self.0.as_deref().map_err(AsRef::as_ref)
    }

    /// Takes the object out.
    pub fn into_inner(self) -> Result<Box<K>, Box<Undecodable>> {
        self.0
    }
}

impl<K: Resource<DynamicType = ()>> Lean<K> {
    /// Wraps an object that was made here.
    pub fn new(mut object: K) -> Self {
        prune(object.meta_mut());
        Self(Ok(Box::new(object)))
    }
}

impl<K: Resource<DynamicType = ()>> Resource for Lean<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind(dt: &()) -> Cow<'_, str> {
        K::kind(dt)
    }

    fn group(dt: &()) -> Cow<'_, str> {
        K::group(dt)
    }

    fn version(dt: &()) -> Cow<'_, str> {
        K::version(dt)
    }

    fn plural(dt: &()) -> Cow<'_, str> {
        K::plural(dt)
    }

    fn meta(&self) -> &ObjectMeta {
        match &self.0 {
            Ok(object) => object.meta(),
            Err(broken) => &broken.meta,
        }
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match &mut self.0 {
            Ok(object) => object.meta_mut(),
            Err(broken) => &mut broken.meta,
        }
    }
}

impl<'de, K> Deserialize<'de> for Lean<K>
where
    K: Resource<DynamicType = ()> + HasStatus<Status: DeserializeOwned> + DeserializeOwned,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = strip(Pruned::deserialize(deserializer)?.0);
        let meta = identity(&value);
        let status = value.get_mut("status").map(Value::take);
        Ok(match serde_json::from_value::<K>(value) {
            Ok(mut object) => {
                *object.status_mut() = status.as_ref().and_then(fitting);
                Self::new(object)
            }
            Err(error) => Self(Err(Box::new(Undecodable {
                meta,
                problem: without_values(&error.to_string()),
            }))),
        })
    }
}

/// Drops kubectl's copy before anything else is made of it.
fn strip(mut value: Value) -> Value {
    let annotations = value.pointer_mut("/metadata/annotations");
    if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
        annotations.remove(LAST_APPLIED);
    }
    value
}

fn prune(meta: &mut ObjectMeta) {
    meta.managed_fields = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove(LAST_APPLIED);
    }
}

/// What identifies an object, whatever else there is of it.
fn identity(value: &Value) -> ObjectMeta {
    let text = |field: &str| value.get("metadata")?.get(field)?.as_str().map(str::to_owned);
    ObjectMeta {
        name: text("name"),
        namespace: text("namespace"),
        uid: text("uid"),
        resource_version: text("resourceVersion"),
        ..ObjectMeta::default()
    }
}

/// The decoder's text up to the first value that it quotes.
fn without_values(problem: &str) -> String {
    let end = match problem.strip_prefix("unknown variant") {
        Some(_) => problem.find('`'),
        None => problem.find('"'),
    };
    let kept = problem.get(..end.unwrap_or(problem.len())).unwrap_or_default();
    kept.trim_end().chars().take(PROBLEM_MAX).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::api::EntraCredential;

    fn object() -> Value {
        json!({
            "apiVersion": "entra-operator.dev/v1alpha1", "kind": "EntraCredential",
            "metadata": {
                "name": "reporting", "namespace": "etl", "uid": "u", "resourceVersion": "5",
                "managedFields": [{"manager": "kubectl"}],
                "annotations": {LAST_APPLIED: "{}", "entra-operator.dev/refresh-requested-at": "now"},
            },
            "spec": {
                "tenant": "contoso.example", "clientId": "c", "login": {"secretName": "l"},
                "tokens": [{"secretName": "t", "scopes": ["s"]}],
            },
        })
    }

    fn decode(value: Value) -> Lean<EntraCredential> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_bulk_is_dropped_on_arrival() {
        let lean = decode(object());
        let meta = lean.get().unwrap().meta();
        assert_eq!(meta.managed_fields, None);
        let keys: Vec<_> = meta
            .annotations
            .iter()
            .flatten()
            .map(|(k, _)| k.as_str())
            .collect();
        assert_eq!(keys, ["entra-operator.dev/refresh-requested-at"]);
    }

    #[test]
    fn an_object_that_does_not_fit_keeps_its_name() {
        let mut broken = object();
        broken["spec"]["cloud"] = json!("Mars");
        let lean = decode(broken);
        assert_eq!(lean.meta().name.as_deref(), Some("reporting"));
        assert_eq!(lean.get().unwrap_err().problem, "unknown variant");
    }

    #[test]
    fn a_status_of_a_newer_version_is_read_as_far_as_it_is_understood() {
        let mut newer = object();
        newer["status"] = json!({
            "observedGeneration": 3,
            "lastHandledRefreshRequest": "2026-11-22T07:24:37Z",
            "conditions": [{"type": "Ready", "status": "True"}, {
                "type": "LoggedIn", "status": "True", "reason": "Martian", "message": "", "lastTransitionTime": "2026-11-22T07:24:37Z",
            }],
            "tokens": [
                {"secretName": "t", "expiresAt": "2026-11-22T08:24:37Z", "failure": {"reason": "Martian"}},
                {"secretName": 7},
            ],
            "failure": {"reason": "Martian", "message": "MARKER", "at": "2026-11-22T07:24:37Z", "consecutive": 1},
            "account": "Martian",
            "login": {"verdict": "Martian", "sends": 2},
            "expiresAt": "in a while",
        });
        let lean = decode(newer);
        let status = lean.get().unwrap().status.clone().unwrap();
        assert_eq!(status.observed_generation, Some(3));
        assert_eq!(
            status.last_handled_refresh_request.as_deref(),
            Some("2026-11-22T07:24:37Z")
        );
        let conditions: Vec<_> = status.conditions.iter().map(|c| c.type_.as_str()).collect();
        assert_eq!(conditions, ["LoggedIn"]);
        let [token] = status.tokens.as_slice() else {
            panic!("{:?}", status.tokens)
        };
        assert!(token.expires_at.is_some() && token.failure.is_none());
        assert_eq!(
            (status.failure, status.account, status.expires_at),
            (None, None, None)
        );
        assert_eq!(status.login.and_then(|login| login.sends), Some(2));
    }

    #[test]
    fn no_value_is_in_the_text() {
        let mut broken = object();
        broken["spec"]["suspend"] = json!("hunter2");
        let problem = decode(broken).get().unwrap_err().problem.clone();
        assert_eq!(problem, "invalid type: string");
    }

    #[test]
    fn even_nonsense_decodes() {
        for nonsense in [json!(null), json!(7), json!([]), json!({"metadata": {"name": 1}})] {
            assert!(decode(nonsense).get().is_err());
        }
    }

    /// Any value in place of any field.
    fn foreign() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "MARKER.{0,40}".prop_map(Value::from),
            Just(json!(["MARKER"])),
            Just(json!({"MARKER": "MARKER"})),
        ]
    }

    proptest! {
        #[test]
        fn any_field_may_be_anything_and_no_value_is_repeated(
            path in prop::sample::select(vec![
                "/metadata", "/metadata/annotations", "/metadata/uid", "/spec", "/spec/tenant", "/spec/clientId",
                "/spec/login", "/spec/login/secretName", "/spec/tokens", "/spec/tokens/0", "/spec/tokens/0/scopes",
            ]),
            value in foreign(),
        ) {
            let mut object = object();
            *object.pointer_mut(path).unwrap() = value;
            let lean = decode(object);
            match lean.get() {
                Ok(credential) => prop_assert!((50..=66).contains(&credential.spec.at_percent())),
                Err(broken) => prop_assert!(!broken.problem.contains("MARKER"), "{}", broken.problem),
            }
        }
    }
}
