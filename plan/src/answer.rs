//! What an answer of the identity provider means, independent of the wire.

use super::Time;
use strum::EnumIter;

use crate::reason::Reason;

/// "The signed in user is not assigned to a role for the application" (Microsoft's page of AADSTS codes).
const NOT_ASSIGNED: u32 = 50_105;

/// What a refusal does to the login content or the refresh token that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// User name or password is wrong: the content is condemned and never sent again. Password grants only.
    Condemned,
    /// The credentials were refused, but not without doubt: for a while only, or by somebody who does not say. The content
    /// is kept, and sent again at most twice without a person's word. Password grants only.
    Doubtful,
    /// Scope, consent or resource of the entry whose scopes were sent: the other entries are not concerned.
    Entry,
    /// Only a person can help (MFA, policy, account, application, client credential): kept, tried again at a slow pace.
    Person,
    /// The refresh token is dead. Refresh grants only.
    Dead,
    /// The refresh token may be dead; believed when the same answer comes again. Refresh grants only.
    Suspect,
    /// The provider cannot read the refresh token: as [`Effect::Suspect`], but two equal answers are enough. Refresh
    /// grants only.
    Unreadable,
    /// Nothing left, or the provider said "later" (429, 5xx): no send is used up.
    Transient,
    /// The operator's own limits held it back: nothing left, and it may go when `retry_after` is over.
    Withheld,
    /// Bytes left and no complete, readable answer came: one of three sends is used up.
    Unanswered,
}

/// What a person must do about a refusal, so that what was refused is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter)]
pub enum Deed {
    /// A new login Secret with another content: other user name or other password.
    NewLogin,
    /// A new word (`entra-operator.dev/refresh-requested-at`) and the same content in a new login Secret.
    WordAndNewLogin,
    /// A new word, once the cause is mended.
    Word,
    /// A change of the spec.
    Spec,
    /// Another content of the client credential's Secret.
    ClientCredential,
    /// Leave to change the account, on the login Secret.
    Leave,
    /// Nothing: it is tried again by itself.
    Wait,
}

impl Deed {
    /// The deed as a sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NewLogin => "Create the login Secret anew, with the right user name and password.",
            Self::WordAndNewLogin => {
                "If user name and password are right all the same: annotate this resource with \
                 entra-operator.dev/refresh-requested-at=<now, RFC 3339>, and create the login Secret anew."
            }
            Self::Word => {
                "Mend the cause, then annotate this resource with entra-operator.dev/refresh-requested-at=<now, RFC 3339>: it \
                 is tried again at once."
            }
            Self::Spec => "A changed spec is tried at once.",
            Self::ClientCredential => "A new content of the client credential's Secret is tried at once.",
            Self::Leave => {
                "If the account is meant to change, put the annotation entra-operator.dev/allow-identity-change: \"true\" on \
                 the login Secret."
            }
            Self::Wait => "",
        }
    }
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
    /// What a person must do, so that it is tried again.
    pub deed: Deed,
    /// `client-request-id` of the call.
    pub correlation_id: Option<String>,
    /// The provider's trace id.
    pub trace_id: Option<String>,
    /// Seconds that the provider asked us to wait; capped at one hour.
    pub retry_after: Option<i64>,
}

impl Refusal {
    /// Whether `other` says the same: reason and code.
    pub fn is_like(&self, other: &Self) -> bool {
        self.reason == other.reason && self.code == other.code
    }

    /// Whether it is about the resource whose scopes were sent, and no other entry is concerned: Conditional Access and
    /// multi-factor authentication may be asked for one resource only.
    pub fn concerns_entry(&self) -> bool {
        let for_one_resource = matches!(self.reason, Reason::InteractionRequired | Reason::BlockedByPolicy);
        self.effect == Effect::Entry || (self.effect == Effect::Person && for_one_resource)
    }

    /// Whether the answer proves that user name and password are right: they were checked before consent, policies and
    /// assignment.
    pub fn proves_password(&self) -> bool {
        let checked_later = matches!(
            self.reason,
            Reason::InteractionRequired | Reason::BlockedByPolicy | Reason::ConsentMissing
        );
        let a_person_ends_it = matches!(self.effect, Effect::Entry | Effect::Person);
        a_person_ends_it && (checked_later || self.code == Some(NOT_ASSIGNED))
    }

    /// Whether it is a complete answer after which a condemned content that a person's word lifted is condemned still.
    pub fn leaves_condemned(&self) -> bool {
        let complete = !matches!(
            self.effect,
            Effect::Transient | Effect::Withheld | Effect::Unanswered
        );
        let proven = self.proves_password() || self.reason == Reason::IdentityChanged;
        complete && !proven
    }

    /// Whether nothing of user name and password left: no send, and no turn of account or namespace is used up. A login
    /// Secret that cannot be used is never sent.
    pub fn left_nothing(&self) -> bool {
        self.reason == Reason::InvalidLoginSecret
            || matches!(self.effect, Effect::Transient | Effect::Withheld)
    }

    /// What happened and what to do, as one text.
    pub fn told(&self) -> String {
        told(&self.message, &self.advice())
    }

    /// What to do: the deed, then the remedy for the cause, which ends in a link.
    pub fn advice(&self) -> String {
        let sentence = self.deed.sentence();
        match (self.remedy.is_empty(), sentence.is_empty()) {
            (true, _) => sentence.to_owned(),
            (false, true) => self.remedy.clone(),
            (false, false) => format!("{sentence} {}", self.remedy),
        }
    }
}

/// A message and a remedy as one text; the remedy may be empty.
pub fn told(message: &str, remedy: &str) -> String {
    if remedy.is_empty() {
        return message.to_owned();
    }
    format!("{}. {remedy}", message.trim_end_matches('.'))
}

/// Who an answer says that it is for: identifiers of several kinds, each of them empty where the answer gave none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Account {
    /// `<uid>.<utid>` of `client_info`: MSAL's account key.
    pub home_account_id: String,
    /// `oid` of the user in the tenant that issued the token.
    pub object_id: String,
    /// GUID of the tenant that issued the token (`tid`).
    pub tenant_id: String,
    /// Issuer (`iss`) of the id_token; together with `subject`.
    pub issuer: String,
    /// Subject (`sub`) of the id_token.
    pub subject: String,
    /// Display user name.
    pub username: String,
}

impl Account {
    /// GUID of the tenant, from whichever identifier holds it.
    pub fn tenant(&self) -> &str {
        if self.tenant_id.is_empty() {
            self.home_account_id
                .split_once('.')
                .map_or("", |(_, tenant)| tenant)
        } else {
            &self.tenant_id
        }
    }
}

/// A successful answer without its secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Granted {
    /// When the request was started, by the provider's clock.
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
    /// Why the access token cannot be used, if it cannot: nothing is published for it, and the refresh token is kept.
    pub unusable: Option<Box<Refusal>>,
    /// Seconds that the refresh token lives, if the answer said so (`refresh_token_expires_in`).
    pub refresh_token_life: Option<i64>,
    /// The refresh token that was redeemed for it stays redeemable.
    pub redeemed_stays_valid: bool,
    /// Who checked the password, if it was a sign-in and the realm service said who does.
    pub checked_by: Option<CheckedBy>,
}

/// Who checks the passwords of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckedBy {
    /// The authority itself.
    Authority,
    /// The organisation's own federation server.
    FederationServer,
}

impl Granted {
    /// Until when the refresh token is good, if the answer said so.
    pub fn refresh_token_ends_at(&self) -> Option<Time> {
        self.refresh_token_life.map(|life| self.answered_at.plus(life))
    }
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
