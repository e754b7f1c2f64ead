//! Questions about the cluster itself: which rights there are, which definition is served, and where credentials sign in.
//! Whoever is authenticated may ask them, but for the last.

use futures::stream::{self, StreamExt as _};
use kube::Resource;
use kube::api::ListParams;
use serde::Deserialize;
use serde_json::{Value, json};

use super::adapter::KubeCluster;
use super::failure::{if_exists, unavailable};
use super::scope::{Scope, place};
use crate::api::{Cloud, EntraCredential};
use crate::reconcile::ports::ClusterError;

/// Reviews that are asked for at a time.
const AT_ONCE: usize = 8;

/// Objects of one answer to a list.
const PAGE: u32 = 500;

/// One right, as a Role names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// Verb.
    pub verb: &'static str,
    /// API group; empty for the core.
    pub group: &'static str,
    /// Plural of the resource, with its subresource behind a slash.
    pub resource: &'static str,
    /// Name of the object; absent: all.
    pub name: Option<String>,
    /// Where.
    pub scope: Scope,
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dot = if self.group.is_empty() { "" } else { "." };
        write!(f, "{} {}{dot}{}", self.verb, self.resource, self.group)?;
        if let Some(name) = &self.name {
            write!(f, " {name}")?;
        }
        write!(f, " {}", place(&self.scope))
    }
}

impl Right {
    /// A SelfSubjectAccessReview (authorization.k8s.io/v1).
    fn review(&self) -> Value {
        let (resource, subresource) = self.resource.split_once('/').unwrap_or((self.resource, ""));
        json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "verb": self.verb, "group": self.group, "resource": resource, "subresource": subresource,
                "name": self.name, "namespace": self.scope.as_deref(),
            }},
        })
    }
}

/// Where a credential says that its tokens come from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Source {
    /// `spec.cloud`.
    pub cloud: Option<Cloud>,
    /// `spec.authority`.
    pub authority: Option<String>,
}

impl KubeCluster {
    /// Which of these rights whoever acts here has not got.
    pub async fn missing(&self, rights: Vec<Right>) -> Result<Vec<Right>, ClusterError> {
        let mut answers = stream::iter(rights)
            .map(|right| async move { Ok((self.has(&right).await?, right)) })
            .buffered(AT_ONCE);
        let mut missing = Vec::new();
        while let Some(answer) = answers.next().await {
            let (has, right) = answer?;
            missing.extend((!has).then_some(right));
        }
        Ok(missing)
    }

    async fn has(&self, right: &Right) -> Result<bool, ClusterError> {
        let reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let answer = decoded(&self.calls().ask(reviews, &right.review()).await?)?;
        let allowed = answer.pointer("/status/allowed").and_then(Value::as_bool);
        allowed.ok_or_else(|| unavailable("its answer holds no review"))
    }

    /// The schema of an `EntraCredential` that the API server publishes (OpenAPI v3); `None`: it serves none.
    pub async fn served_schema(&self) -> Result<Option<Value>, ClusterError> {
        let group = EntraCredential::group(&());
        let documents = format!("/openapi/v3/apis/{group}");
        let version = EntraCredential::version(&());
        let Some(answer) = if_exists(self.calls().get(&documents, &version).await)? else {
            return Ok(None);
        };
        let kind = EntraCredential::kind(&());
        let is_ours = |schema: &&Value| {
            let kinds = schema
                .get("x-kubernetes-group-version-kind")
                .and_then(Value::as_array);
            kinds.is_some_and(|kinds| {
                kinds
                    .iter()
                    .any(|k| k.get("kind").and_then(Value::as_str) == Some(&kind))
            })
        };
        let document = decoded(&answer)?;
        let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
        Ok(schemas
            .into_iter()
            .flat_map(|s| s.values())
            .find(is_ours)
            .cloned())
    }

    /// Where the credentials of a scope sign in.
    pub async fn sources(&self, scope: &Scope) -> Result<Vec<Source>, ClusterError> {
        #[derive(Deserialize)]
        struct Item {
            spec: Source,
        }
        let collection = EntraCredential::url_path(&(), scope.as_deref());
        let (mut found, mut params) = (Vec::new(), ListParams::default().limit(PAGE));
        loop {
            let answer = decoded(&self.calls().list(&collection, &params).await?)?;
            let items = answer
                .get("items")
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            // What this version does not understand names no host that it knows.
            found.extend(items.filter_map(|item| Some(Item::deserialize(item).ok()?.spec)));
            match answer.pointer("/metadata/continue").and_then(Value::as_str) {
                Some(more) if !more.is_empty() => params = params.continue_token(more),
                _ => return Ok(found),
            }
        }
    }
}

fn decoded(answer: &[u8]) -> Result<Value, ClusterError> {
    serde_json::from_slice(answer).map_err(|_| unavailable("its answer could not be understood"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_named_and_asked_for_as_a_role_has_it() {
        let right = Right {
            verb: "patch",
            group: "entra-operator.dev",
            resource: "entracredentials/status",
            name: None,
            scope: Some("etl".into()),
        };
        assert_eq!(
            right.to_string(),
            "patch entracredentials/status.entra-operator.dev in the namespace etl"
        );
        let attributes = &right.review()["spec"]["resourceAttributes"];
        assert_eq!(attributes["resource"], "entracredentials");
        assert_eq!(attributes["subresource"], "status");
        assert_eq!(attributes["namespace"], "etl");
        let keys = Right {
            group: "",
            resource: "secrets",
            name: Some("keys".to_owned()),
            scope: None,
            ..right
        };
        assert_eq!(keys.to_string(), "patch secrets keys in all namespaces");
    }
}
