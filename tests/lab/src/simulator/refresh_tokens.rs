//! Refresh tokens: families, inactivity, and what revokes them.
//!
//! Every redemption makes a new token and the old one stays valid, as Microsoft documents for all but SPAs.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::clock::DAY;
use super::error::Refusal;
use super::journal::hex;
use super::signing::base64url;

/// Refresh tokens die after this many seconds without use.
pub const INACTIVITY: i64 = 90 * DAY;

/// Visible mark at the head of every refresh token, for leak scans.
pub const REFRESH_TOKEN_MARK: &str = "1.RTMARK-";

/// What happened to an account; decides which of its refresh tokens die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Event {
    /// The password expired: nothing is revoked.
    PasswordExpired,
    /// The user changed the password.
    PasswordChanged,
    /// The user reset the password by self service.
    SelfServiceReset,
    /// An administrator reset it in the Azure portal.
    AdminResetAzurePortal,
    /// An administrator reset it in the Entra or Microsoft 365 admin centre.
    AdminResetEntra,
    /// "Revoke all sessions", by user or administrator.
    SessionsRevoked,
    /// Sign-out in a browser: nothing is revoked.
    SignedOut,
}

/// A sign-in and everything that was redeemed from it.
#[derive(Debug, Clone)]
pub(crate) struct Family {
    /// Lower-case user name.
    pub(crate) user: String,
    pub(crate) client_id: String,
    /// The authority that will take it, see [`Authority::circle`](super::authority::Authority::circle).
    pub(crate) circle: String,
    /// The client authenticated itself at sign-in, so it must on every redemption.
    pub(crate) confidential: bool,
    /// Signed in with a password rather than an assertion of a federation server.
    pub(crate) password_based: bool,
    pub(crate) signed_in: Timestamp,
    /// Tells this sign-in from all others.
    pub(crate) id: Uuid,
}

#[derive(Debug, Clone)]
struct Record {
    family: Family,
    serial: u64,
    issued: Timestamp,
    spent: bool,
}

/// All refresh tokens, by digest.
#[derive(Debug, Default)]
pub(crate) struct RefreshTokens {
    records: HashMap<String, Record>,
    /// Tokens of this user up to this serial are revoked: (password-based of public clients, all).
    revoked: HashMap<String, (u64, u64)>,
    /// Families in which a spent token was used again.
    ended: HashSet<Uuid>,
    serial: u64,
}

impl RefreshTokens {
    /// Makes one more token of a family.
    pub(crate) fn issue(&mut self, family: Family, now: Timestamp) -> String {
        self.serial += 1;
        let token = format!("{REFRESH_TOKEN_MARK}{}", noise());
        self.records.insert(
            hex(&token),
            Record {
                family,
                serial: self.serial,
                issued: now,
                spent: false,
            },
        );
        token
    }

    /// Whose token this is, whatever its state.
    pub(crate) fn owner(&self, token: &str) -> Option<&Family> {
        self.records.get(&hex(token)).map(|record| &record.family)
    }

    /// Marks a token that must not be used again; the one who does ends the whole family.
    pub(crate) fn spend(&mut self, token: &str) {
        if let Some(record) = self.records.get_mut(&hex(token)) {
            record.spent = true;
        }
    }

    /// The family of a token that `client_id` may redeem now at an authority of this circle.
    pub(crate) fn redeem(
        &mut self,
        token: &str,
        client_id: &str,
        circle: &str,
        now: Timestamp,
    ) -> Result<Family, Refusal> {
        // A damaged token is `invalid_grant` here, although the code means a malformed request elsewhere.
        let record = self
            .records
            .get(&hex(token))
            .filter(|record| record.family.circle == circle)
            .ok_or_else(|| Refusal::of(9002313).error("invalid_grant"))?;
        if !record.family.client_id.eq_ignore_ascii_case(client_id) {
            return Err(Refusal::of(700007));
        }
        if now.duration_since(record.issued).as_secs() >= INACTIVITY {
            return Err(Refusal::of(700082));
        }
        if self.is_revoked(record) {
            return Err(Refusal::of(50173));
        }
        if record.spent {
            self.ended.insert(record.family.id);
        }
        if self.ended.contains(&record.family.id) {
            return Err(Refusal::of(70008));
        }
        Ok(record.family.clone())
    }

    fn is_revoked(&self, record: &Record) -> bool {
        let (password_based, all) = self.revoked.get(&record.family.user).copied().unwrap_or_default();
        let dies_with_password = record.family.password_based && !record.family.confidential;
        record.serial <= all || (dies_with_password && record.serial <= password_based)
    }

    /// Applies Microsoft's revocation matrix to the tokens issued so far.
    pub(crate) fn happened(&mut self, user: &str, event: Event) {
        let (password_based, all) = self.revoked.entry(user.to_lowercase()).or_default();
        match event {
            Event::PasswordExpired | Event::SignedOut => {}
            Event::PasswordChanged | Event::SelfServiceReset | Event::AdminResetAzurePortal => {
                *password_based = self.serial;
            }
            Event::AdminResetEntra | Event::SessionsRevoked => *all = self.serial,
        }
    }
}

/// About as long as the real tokens are.
fn noise() -> String {
    let ids = (0..56).flat_map(|_| Uuid::new_v4().into_bytes());
    base64url(&ids.collect::<Vec<u8>>())
}
