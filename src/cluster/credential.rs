//! What is read of a watched custom resource, and how a broken one is survived.
//!
//! # Guarantees
//!
//! - Every object decodes. One that does not fit this version's schema (written under a newer CRD, say) becomes a
//!   value that says so; undecoded, it would fail the list of the whole kind, again and again.
//! - `managedFields`, kubectl's copy of the last applied object and whatever else is not read are skipped on arrival:
//!   three quarters of the memory.
//! - Nothing of an object's values is in the text that says why it did not decode.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::{IgnoredAny, MapAccess};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::metadata::key_of;
use super::taken::{Begin, IsSaid, Take, Taken, structure, taken};
use crate::api::{ANNOTATION_REFRESH_REQUESTED, EntraCredential, EntraCredentialSpec, fitting};
use crate::plan::metadata::Uid;
use crate::reconcile::Credential;
use crate::reconcile::ports::Key;

/// Longest text about an object that did not decode.
const PROBLEM_MAX: usize = 200;

/// A credential in a watch.
#[derive(Clone, Debug)]
pub struct SeenCredential {
    /// Name, namespace, uid and resourceVersion, for the watcher.
    identity: ObjectMeta,
    credential: Result<Box<Credential>, String>,
}

impl SeenCredential {
    /// Namespace and name.
    pub fn key(&self) -> Key {
        key_of(&self.identity)
    }

    /// What is read of it, if it fits the schema of this version.
    pub fn credential(&self) -> Option<&Credential> {
        self.credential.as_deref().ok()
    }

    /// What is read of it; otherwise what does not fit the schema of this version, without any value.
    pub fn into_credential(self) -> Result<Box<Credential>, String> {
        self.credential
    }
}

impl Resource for SeenCredential {
    type DynamicType = ();
    type Scope = <EntraCredential as Resource>::Scope;

    fn kind(dt: &()) -> Cow<'_, str> {
        EntraCredential::kind(dt)
    }

    fn group(dt: &()) -> Cow<'_, str> {
        EntraCredential::group(dt)
    }

    fn version(dt: &()) -> Cow<'_, str> {
        EntraCredential::version(dt)
    }

    fn plural(dt: &()) -> Cow<'_, str> {
        EntraCredential::plural(dt)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.identity
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.identity
    }
}

impl<'de> Deserialize<'de> for SeenCredential {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Object {
            metadata,
            spec,
            status,
        } = taken(deserializer)?;
        let identity = ObjectMeta {
            name: metadata.name,
            namespace: metadata.namespace,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            ..ObjectMeta::default()
        };
        let credential = decode(spec).map(|spec| {
            Box::new(Credential {
                key: key_of(&identity),
                uid: Uid(identity.uid.clone().unwrap_or_default()),
                generation: metadata.generation,
                deleting: metadata.deletion_timestamp.0,
                request: metadata.annotations.request,
                spec,
                status: status.as_ref().and_then(fitting),
            })
        });
        Ok(Self { identity, credential })
    }
}

/// An object, as far as it is read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Object {
    #[serde(deserialize_with = "taken")]
    metadata: Metadata,
    spec: Option<Value>,
    status: Option<Value>,
}

/// Its metadata.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    #[serde(deserialize_with = "taken")]
    name: Option<String>,
    #[serde(deserialize_with = "taken")]
    namespace: Option<String>,
    #[serde(deserialize_with = "taken")]
    uid: Option<String>,
    #[serde(deserialize_with = "taken")]
    resource_version: Option<String>,
    #[serde(deserialize_with = "taken")]
    generation: i64,
    #[serde(deserialize_with = "taken")]
    deletion_timestamp: IsSaid,
    #[serde(deserialize_with = "taken")]
    annotations: Annotations,
}

#[derive(Default)]
struct Annotations {
    request: Option<String>,
}

/// Whether a key is that of the annotation that is read.
#[derive(Default)]
struct IsRequest(bool);

impl Take for Object {
    fn fields<'de, A: MapAccess<'de>>(fields: A) -> Result<Self, A::Error> {
        structure(fields)
    }
}

impl Take for Metadata {
    fn fields<'de, A: MapAccess<'de>>(fields: A) -> Result<Self, A::Error> {
        structure(fields)
    }
}

impl Take for Annotations {
    fn fields<'de, A: MapAccess<'de>>(mut annotations: A) -> Result<Self, A::Error> {
        let mut kept = Self::default();
        while let Some(Taken(IsRequest(is))) = annotations.next_key()? {
            if is {
                Taken(Begin(kept.request)) = annotations.next_value()?;
            } else {
                annotations.next_value::<IgnoredAny>()?;
            }
        }
        Ok(kept)
    }
}

impl Take for IsRequest {
    fn text(text: &str) -> Self {
        Self(text == ANNOTATION_REFRESH_REQUESTED)
    }
}

fn decode(spec: Option<Value>) -> Result<EntraCredentialSpec, String> {
    let spec = spec.ok_or_else(|| "missing field `spec`".to_owned())?;
    serde_json::from_value(spec).map_err(|error| without_values(&error.to_string()))
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
    use crate::api::annotation;

    /// kubectl's copy of the last applied object.
    const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

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

    fn decode(value: Value) -> SeenCredential {
        serde_json::from_value(value).unwrap()
    }

    fn read(value: Value) -> Credential {
        *decode(value).into_credential().unwrap()
    }

    fn problem(value: Value) -> String {
        decode(value).into_credential().unwrap_err()
    }

    #[test]
    fn what_identifies_it_is_read() {
        let mut object = object();
        object["metadata"]["generation"] = json!(3);
        let seen = decode(object.clone());
        assert_eq!(seen.meta().uid.as_deref(), Some("u"));
        assert_eq!(seen.meta().resource_version.as_deref(), Some("5"));
        assert_eq!(seen.key(), Key::new("etl", "reporting"));
        let credential = read(object);
        assert_eq!(
            (credential.key, credential.uid),
            (Key::new("etl", "reporting"), Uid("u".to_owned()))
        );
        assert_eq!((credential.generation, credential.deleting), (3, false));
        assert_eq!(credential.request.as_deref(), Some("now"));
    }

    #[test]
    fn a_deletion_is_read() {
        let mut deleted = object();
        deleted["metadata"]["deletionTimestamp"] = json!("2026-11-22T07:24:37Z");
        assert!(read(deleted).deleting);
    }

    #[test]
    fn no_more_of_a_request_is_kept_than_of_any_annotation() {
        let mut long = object();
        long["metadata"]["annotations"][ANNOTATION_REFRESH_REQUESTED] = json!("ä".repeat(5000));
        assert_eq!(read(long).request.map(|text| text.len()), Some(annotation::MOST));
    }

    #[test]
    fn an_object_that_does_not_fit_keeps_its_name() {
        let mut broken = object();
        broken["spec"]["cloud"] = json!("Mars");
        assert_eq!(decode(broken.clone()).key(), Key::new("etl", "reporting"));
        assert_eq!(problem(broken), "unknown variant");
        assert_eq!(problem(json!({"metadata": {}})), "missing field `spec`");
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
        let status = read(newer).status.unwrap();
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
        assert_eq!(problem(broken), "invalid type: string");
    }

    #[test]
    fn even_nonsense_decodes() {
        for nonsense in [json!(null), json!(7), json!([]), json!({"metadata": {"name": 1}})] {
            assert!(decode(nonsense).into_credential().is_err());
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
            match decode(object).into_credential() {
                Ok(credential) => prop_assert!((50..=66).contains(&credential.spec.at_percent())),
                Err(problem) => prop_assert!(!problem.contains("MARKER"), "{problem}"),
            }
        }
    }
}
