//! Tokens of ServiceAccounts (TokenRequest API, authentication.k8s.io/v1), for workload identity.
//!
//! No type here shows a token in `Debug`, and an answer is wiped when it was read.

use k8s_openapi::api::core::v1::ServiceAccount as Object;
use kube::Resource as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Calls;
use super::failure::unavailable;
use crate::api::ANNOTATION_CLIENT_ID;
use crate::plan::metadata::Uid;
use crate::reconcile::material::Secret;
use crate::reconcile::ports::{ClusterError, IssuedToken, Key, ServiceAccount};
use crate::reconcile::stamp;

/// The part of a TokenRequest that is of use.
#[derive(Deserialize)]
struct TokenRequest {
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: String,
    expiration_timestamp: String,
}

pub(super) fn collection(key: &Key) -> String {
    Object::url_path(&(), Some(&key.namespace))
}

/// What is kept of a ServiceAccount.
pub(super) fn account(object: &Value) -> ServiceAccount {
    let metadata = object.get("metadata").unwrap_or(&Value::Null);
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let annotations = metadata.get("annotations");
    ServiceAccount {
        uid: Uid(text(metadata.get("uid")).unwrap_or_default()),
        client_id: text(annotations.and_then(|a| a.get(ANNOTATION_CLIENT_ID))),
    }
}

/// Has a token issued.
pub(super) async fn issue(
    calls: &Calls,
    key: &Key,
    audience: &str,
    seconds: i64,
) -> Result<IssuedToken, ClusterError> {
    let wish = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"audiences": [audience], "expirationSeconds": seconds},
    });
    let answer = calls.issue_token(&collection(key), &key.name, &wish).await?;
    issued(&answer).ok_or_else(|| unavailable("its answer holds no token"))
}

fn issued(answer: &[u8]) -> Option<IssuedToken> {
    let Status {
        token,
        expiration_timestamp,
    } = serde_json::from_slice::<TokenRequest>(answer).ok()?.status;
    Some(IssuedToken {
        token: Secret::new(token),
        expires_at: stamp::from_text(&expiration_timestamp)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_service_account_its_uid_and_application_are_kept() {
        let object = json!({"metadata": {"uid": "u", "annotations": {ANNOTATION_CLIENT_ID: "c", "x": "y"}}});
        let kept = account(&object);
        assert_eq!((kept.uid.0.as_str(), kept.client_id.as_deref()), ("u", Some("c")));
        assert_eq!(account(&json!({"metadata": {"uid": "u"}})).client_id, None);
    }

    #[test]
    fn an_answer_without_token_or_expiry_is_none() {
        let whole = json!({"status": {"token": "a.b.c", "expirationTimestamp": "2026-11-25T14:00:00Z"}});
        let token = issued(whole.to_string().as_bytes()).unwrap();
        assert_eq!(token.token.expose(), "a.b.c");
        assert_eq!(stamp::to_text(token.expires_at), "2026-11-25T14:00:00Z");
        assert!(!format!("{token:?}").contains("a.b.c"));
        for odd in [json!({}), json!({"status": {"token": "a.b.c"}}), json!([1])] {
            assert!(issued(odd.to_string().as_bytes()).is_none(), "{odd}");
        }
    }
}
