//! What the API server holds: each token of the Secret with its own expiry, and when it was there.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;

use super::{NAMESPACE, TOKEN};

/// How often it looks.
const POLL: Duration = Duration::from_millis(200);

/// A token that was published.
#[derive(Debug, Clone)]
pub(super) struct Token {
    /// SHA-256.
    pub(super) digest: String,
    /// When it was seen, Unix seconds.
    pub(super) written: i64,
    /// Its own claim `exp`, Unix seconds.
    pub(super) expires: i64,
}

/// Looks until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    tokens: Arc<Mutex<Vec<Token>>>,
    task: JoinHandle<()>,
}

impl Watch {
    pub(super) fn begin(client: Client) -> Self {
        let tokens = Arc::<Mutex<Vec<Token>>>::default();
        let seen = Arc::clone(&tokens);
        let task = tokio::spawn(async move {
            let secrets = Api::<Secret>::namespaced(client, NAMESPACE);
            loop {
                if let Ok(Some(secret)) = secrets.get_opt(TOKEN).await {
                    note(&seen, &secret);
                }
                tokio::time::sleep(POLL).await;
            }
        });
        Self { tokens, task }
    }

    /// In the order in which they were written.
    pub(super) fn tokens(&self) -> Vec<Token> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn note(seen: &Mutex<Vec<Token>>, secret: &Secret) {
    let Some(token) = secret.data.as_ref().and_then(|data| data.get("access_token")) else {
        return;
    };
    let digest = hex(&Sha256::digest(&token.0));
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.last().is_some_and(|last| last.digest == digest) {
        return;
    }
    seen.push(Token {
        digest,
        written: jiff::Timestamp::now().as_second(),
        // A token without an expiry counts as expired.
        expires: expiry(&token.0).unwrap_or_default(),
    });
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

#[derive(Deserialize)]
struct Claims {
    exp: i64,
}

fn expiry(token: &[u8]) -> Option<i64> {
    let payload = std::str::from_utf8(token).ok()?.split('.').nth(1)?;
    let claims = BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?;
    Some(serde_json::from_slice::<Claims>(&claims).ok()?.exp)
}
