//! Secret material on its way through a pass: redacted in every output, wiped when dropped, never cloned by accident.

use std::collections::BTreeMap;
use std::fmt;
use std::str::Utf8Error;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::plan::Time;
use crate::plan::identity::Pin;

/// A secret text: password, client secret, access token or refresh token.
///
/// `Debug` prints `[redacted]`; there is no `Display`, `Serialize` or `Clone`. The text is wiped on drop.
pub struct Secret(SecretString);

impl Secret {
    /// Takes `text` over, and wipes what it was read into: a text that has room to grow would leave itself behind.
    pub fn new(text: String) -> Self {
        Self(SecretString::from(Zeroizing::new(text).as_str()))
    }

    /// The text itself. Callers hand it on at once and keep no copy.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// A second copy, made on purpose.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self::new(self.expose().to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

fn without_newline(text: &str) -> &str {
    let Some(line) = text.strip_suffix('\n') else {
        return text;
    };
    line.strip_suffix('\r').unwrap_or(line)
}

/// Data of a Kubernetes Secret. `Debug` prints only the keys; values are wiped on drop.
#[derive(Default, PartialEq, Eq)]
pub struct SecretData(BTreeMap<String, Zeroizing<Vec<u8>>>);

impl SecretData {
    /// Value of `key`.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.0.get(key).map(|v| v.as_slice())
    }

    /// Value of `key` as text. Exactly one trailing newline is dropped, because editors and `--from-file` add it; a
    /// password may hold any other white space.
    pub fn text(&self, key: &str) -> Option<Result<&str, Utf8Error>> {
        Some(std::str::from_utf8(self.get(key)?).map(without_newline))
    }

    /// Sets `key` to `value`.
    pub fn insert(&mut self, key: impl Into<String>, value: Vec<u8>) {
        self.0.insert(key.into(), Zeroizing::new(value));
    }

    /// Keys and values, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_slice()))
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A second copy, made on purpose.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

impl fmt::Debug for SecretData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A well-formed login content.
#[derive(Debug)]
pub struct LoginContent {
    /// User name. Personal data, so redacted as well.
    pub username: Secret,
    /// Password.
    pub password: Secret,
}

impl LoginContent {
    /// The user name as it is pinned and counted: trimmed, in lower case.
    pub fn user(&self) -> String {
        self.username.expose().trim().to_lowercase()
    }
}

/// How a confidential client proves who it is in a token request (RFC 6749 §2.3, RFC 7523 §2.2).
#[derive(Debug)]
pub enum ClientAuthentication {
    /// `client_secret`.
    Secret(Secret),
    /// A client assertion that is signed with this key for each request.
    Certificate(ClientCertificate),
    /// A client assertion that somebody else signed: a Kubernetes ServiceAccount token.
    Assertion(Secret),
}

/// Certificate and private key of a confidential client, PEM, as a `kubernetes.io/tls` Secret holds them.
#[derive(Debug)]
pub struct ClientCertificate {
    /// `tls.crt`.
    pub certificate: Vec<u8>,
    /// `tls.key`.
    pub key: Secret,
}

/// What the refresh-token Secret seals under `token`.
#[derive(Debug)]
pub struct StoredSession {
    /// The refresh token.
    pub refresh_token: Secret,
    /// Whose it is.
    pub pin: Pin,
    /// Time of the answer that brought the token.
    pub answered_at: Time,
    /// Until when the token is good, if the answer said so.
    pub ends_at: Option<Time>,
}
