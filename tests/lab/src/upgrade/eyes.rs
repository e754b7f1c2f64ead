//! Looks at every token Secret three times a second, as a careful pod does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use entra_operator::api::annotation;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::Value;
use tokio::task::JoinHandle;

/// How often.
const EVERY: Duration = Duration::from_millis(333);

/// What one token Secret showed.
#[derive(Clone, Debug, Default)]
pub(super) struct Token {
    /// Tokens, by the time of their issue.
    pub(super) issued: Vec<Timestamp>,
    /// When the first one was due to be renewed.
    pub(super) first_due: Option<Timestamp>,
    /// Moments at which it was expired, or no token.
    pub(super) expired: Vec<Timestamp>,
}

type Tokens = Arc<Mutex<BTreeMap<String, Token>>>;

/// The looks; they end when this is dropped.
#[derive(Debug)]
pub(super) struct Eyes {
    tokens: Tokens,
    task: JoinHandle<()>,
}

impl Drop for Eyes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Eyes {
    pub(super) fn open(secrets: Api<Secret>) -> Self {
        let tokens = Tokens::default();
        let seen = Arc::clone(&tokens);
        let task = tokio::spawn(async move {
            let ours = ListParams::default().labels("app.kubernetes.io/managed-by=entra-operator");
            loop {
                if let Ok(list) = secrets.list(&ours).await {
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    for secret in &list.items {
                        seen.entry(secret.name_any()).or_default().see(secret);
                    }
                }
                tokio::time::sleep(EVERY).await;
            }
        });
        Self { tokens, task }
    }

    /// What was seen so far, by the Secret's name.
    pub(super) fn tokens(&self) -> BTreeMap<String, Token> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Token {
    fn see(&mut self, secret: &Secret) {
        let now = Timestamp::now();
        let note = |name: &str| secret.annotations().get(name)?.parse::<Timestamp>().ok();
        if self.first_due.is_none() {
            self.first_due = note(annotation::REFRESH_AT);
        }
        let issued = note(annotation::ISSUED_AT);
        self.issued
            .extend(issued.filter(|at| self.issued.last() != Some(at)));
        if expiry(secret).is_none_or(|at| at <= now) {
            self.expired.push(now);
        }
    }
}

/// `exp` of the JSON Web Token in it (RFC 7519 section 4.1.4).
fn expiry(secret: &Secret) -> Option<Timestamp> {
    let token = secret.data.as_ref()?.get("access_token")?;
    let claims = std::str::from_utf8(&token.0).ok()?.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    Timestamp::from_second(claims.get("exp")?.as_i64()?).ok()
}
