//! What an answer of the identity provider means, independent of the wire.

use super::Time;
use crate::api::Reason;

/// What a refusal does to the login content or the refresh token that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// User name or password is wrong: the content is condemned and never sent again. Password grants only.
    Condemned,
    /// Scope, consent or resource of the entry whose scopes were sent: the other entries are not concerned.
    Entry,
    /// Only a person can help (MFA, policy, account, application, client credential): kept, tried again at a slow pace.
    Person,
    /// The refresh token is dead. Refresh grants only.
    Dead,
    /// The refresh token may be dead; believed when the same answer comes again. Refresh grants only.
    Suspect,
    /// Nothing left, or the provider said "later" (429, 5xx): no send is used up.
    Transient,
    /// The operator's own limits held it back: nothing left, and it may go when `retry_after` is over.
    Withheld,
    /// Bytes left and no complete, readable answer came: one of three sends is used up.
    Unanswered,
}

/// A refusal, or the lack of an answer, ready to be shown: it never holds the provider's own text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// What it does to what was sent.
    pub effect: Effect,
    /// Reason to show.
    pub reason: Reason,
    /// AADSTS number, if one came.
    pub code: Option<u32>,
    /// What happened, one sentence.
    pub message: String,
    /// What to do, one sentence or more; may be empty.
    pub remedy: String,
    /// `client-request-id` of the call.
    pub correlation_id: Option<String>,
    /// The provider's trace id.
    pub trace_id: Option<String>,
    /// Seconds that the provider asked us to wait; capped at one hour.
    pub retry_after: Option<i64>,
}

impl Refusal {
    /// What happened and what to do, as one text.
    pub fn told(&self) -> String {
        told(&self.message, &self.remedy)
    }
}

/// A message and a remedy as one text; the remedy may be empty.
pub fn told(message: &str, remedy: &str) -> String {
    if remedy.is_empty() {
        return message.to_owned();
    }
    format!("{}. {remedy}", message.trim_end_matches('.'))
}

/// Identity behind a token, as `client_info` and the id_token name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Account {
    /// `<uid>.<utid>`: MSAL's account key, and what the pin compares.
    pub home_account_id: String,
    /// `oid` of the user in the tenant that issued the token.
    pub object_id: String,
    /// GUID of the tenant that issued the token.
    pub tenant_id: String,
    /// Display user name.
    pub username: String,
}

/// A successful answer without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Granted {
    /// When the request was started, on the corrected wall clock.
    pub issued_at: Time,
    /// `issued_at + expires_in`.
    pub expires_at: Time,
    /// `issued_at + refresh_in`, if the provider gave one.
    pub refresh_at: Option<Time>,
    /// The answer's own time: id_token `iat`, else the `Date` header. Newest refresh token wins by it.
    pub answered_at: Time,
    /// Scopes granted.
    pub scopes: Vec<String>,
    /// Whose token it is; `None` if the answer did not say.
    pub account: Option<Account>,
    /// Whether a refresh token came with it.
    pub has_refresh_token: bool,
    /// Seconds by which the provider's clock is ahead of ours, if more than 60.
    pub clock_skew: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn message_and_remedy_are_joined_by_one_full_stop() {
        assert_eq!(told("It failed.", "Do this."), "It failed. Do this.");
        assert_eq!(told("it failed", "Do this."), "it failed. Do this.");
        assert_eq!(told("it failed", ""), "it failed");
    }
}
