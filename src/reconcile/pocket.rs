//! Answers on their way to the API server, with their secrets. The plan sees that they are there, and when they expire.

use std::collections::BTreeMap;

use super::material::{Secret, StoredSession};
use super::ports::Tokens;
use crate::plan::metadata::EntryName;
use crate::plan::snapshot::{self, Binding, Held, LoginOutcome, RefreshOutcome};

/// Answers that are not stored or published yet.
#[derive(Debug, Default)]
pub struct Pocket {
    /// Outcome of an exchange, with its tokens if it was accepted.
    pub login: Option<Box<PendingLogin>>,
    /// A newer session, or the death of the stored one.
    pub refresh: Option<PendingRefresh>,
    /// Access tokens by Secret name.
    pub tokens: BTreeMap<EntryName, Box<HeldToken>>,
}

/// Outcome of an exchange.
#[derive(Debug)]
pub struct PendingLogin {
    /// Facts.
    pub outcome: LoginOutcome,
    /// Tokens of an accepted login.
    pub tokens: Option<Box<Tokens>>,
    /// Where they come from.
    pub binding: Binding,
}

/// What redemptions brought for the stored session.
#[derive(Debug)]
pub struct PendingRefresh {
    /// Facts.
    pub outcome: RefreshOutcome,
    /// What is to be sealed, and for which binding; none for a death or a revival.
    pub session: Option<Box<(StoredSession, Binding)>>,
}

/// An access token that is not published yet.
#[derive(Debug)]
pub struct HeldToken {
    /// Facts.
    pub held: Held,
    /// The token.
    pub access_token: Secret,
}

impl Pocket {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.login.is_none() && self.refresh.is_none() && self.tokens.is_empty()
    }

    /// What the plan sees of it.
    pub fn facts(&self) -> snapshot::Pocket {
        snapshot::Pocket {
            login: self.login.as_ref().map(|p| p.outcome.clone()),
            refresh: self.refresh.as_ref().map(|p| p.outcome.clone()),
        }
    }
}
