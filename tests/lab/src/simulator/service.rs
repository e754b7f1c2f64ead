//! Everything that the service remembers, and one token request as it meets it.
//!
//! All of it is plain data behind one lock: a request is decided in one step, without awaits.

use jiff::Timestamp;

use super::authority::Authority;
use super::behaviour::Behaviour;
use super::directory::Directory;
use super::federation::Assertions;
use super::form::Form;
use super::lockout::Lockout;
use super::loops::Loops;
use super::refresh_tokens::RefreshTokens;
use super::throttle::Throttle;

/// The state of the service.
#[derive(Debug, Default)]
pub(crate) struct Service {
    pub(crate) directory: Directory,
    pub(crate) behaviour: Behaviour,
    pub(crate) tokens: RefreshTokens,
    pub(crate) assertions: Assertions,
    pub(crate) lockout: Lockout,
    pub(crate) loops: Loops,
    pub(crate) throttle: Throttle,
    pub(crate) issued: Issued,
}

impl Service {
    /// Whose refresh token or assertion a request carries, in lower case.
    pub(crate) fn owner(&self, form: &Form) -> Option<String> {
        let token = || self.tokens.owner(form.get("refresh_token")?);
        let assertion = || self.assertions.find(form.get("assertion")?);
        token()
            .map(|family| family.user.clone())
            .or_else(|| assertion().map(|issued| issued.user.clone()))
    }
}

/// Tokens in plain, for leak scans of in-process tests.
#[derive(Debug, Default)]
pub(crate) struct Issued {
    /// Whether to keep them: a simulator that runs for days should not.
    pub(crate) keep: bool,
    pub(crate) secrets: Vec<String>,
}

impl Issued {
    pub(crate) fn record(&mut self, secret: &str) {
        if self.keep {
            self.secrets.push(secret.to_owned());
        }
    }
}

/// A request to the token endpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenRequest<'a> {
    pub(crate) authority: Authority<'a>,
    pub(crate) form: &'a Form,
    pub(crate) authorization: Option<&'a str>,
    /// `https://host:port` as the client addressed it.
    pub(crate) base: &'a str,
    pub(crate) now: Timestamp,
}
