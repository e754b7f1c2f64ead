//! Label values: closed lists, so that the number of series is known and nothing personal can become a label.
//!
//! Conversions from what the plan and the ports say live here, in one place.

use std::fmt;

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};
use strum::IntoStaticStr;

use crate::api::Reason;
use crate::plan::Step;
use crate::plan::answer::Effect;
use crate::reconcile::ports::ClusterError;

/// Whether a due token was renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Refresh {
    /// A new token was published.
    Renewed,
    /// It was not; the reason label says why.
    Failed,
}

/// Which grant a token request used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Grant {
    /// User name and password.
    Password,
    /// User name and password, at a federation server.
    WsTrust,
    /// A federation server's assertion.
    Saml,
    /// Refresh token.
    RefreshToken,
}

/// What came of a token request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Answer {
    /// Tokens were issued.
    Granted,
    /// The identity provider refused; trying again alone does not help.
    Refused,
    /// Nothing left, or the identity provider said "later".
    Postponed,
    /// Bytes left and no complete, readable answer came.
    Unanswered,
}

/// How a pass over one credential ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Pass {
    /// All is done until the next wake time.
    Idle,
    /// Something is in progress elsewhere.
    Waiting,
    /// Something stands in the way.
    Blocked,
}

/// What a write changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Object {
    /// Secret: login, refresh-token, token or key Secret.
    Secret,
    /// Status of a credential.
    Status,
    /// Event.
    Event,
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Verb {
    /// Created the object.
    Create,
    /// Changed it.
    Update,
    /// Deleted it.
    Delete,
}

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Written {
    /// Done.
    Done,
    /// Somebody else changed, created or deleted the object first.
    Conflict,
    /// The API server refuses it for good.
    Refused,
    /// No answer came.
    Unavailable,
}

macro_rules! label_values {
    ($($label:ty),*) => {$(
        impl EncodeLabelValue for $label {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
                <&'static str>::from(*self).encode(encoder)
            }
        }
    )*};
}

label_values!(Refresh, Grant, Answer, Pass, Object, Verb, Written, Why);

/// A reason as a label value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Why(pub Reason);

impl From<Why> for &'static str {
    fn from(why: Why) -> Self {
        why.0.into()
    }
}

impl From<Result<(), Effect>> for Answer {
    fn from(result: Result<(), Effect>) -> Self {
        match result {
            Ok(()) => Self::Granted,
            Err(
                Effect::Condemned
                | Effect::Doubtful
                | Effect::Entry
                | Effect::Person
                | Effect::Dead
                | Effect::Suspect
                | Effect::Unreadable,
            ) => Self::Refused,
            Err(Effect::Transient | Effect::Withheld) => Self::Postponed,
            Err(Effect::Unanswered) => Self::Unanswered,
        }
    }
}

impl Pass {
    /// How a pass that ended with this step is counted; `None` if the step is none that ends one.
    pub fn of(last: &Step) -> Option<Self> {
        let finals = [
            (Step::Idle, Self::Idle),
            (Step::Wait, Self::Waiting),
            (Step::Blocked, Self::Blocked),
        ];
        let ended = finals.into_iter().find(|(step, _)| step == last);
        ended.map(|(_, pass)| pass)
    }
}

impl From<Result<(), &ClusterError>> for Written {
    fn from(result: Result<(), &ClusterError>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(ClusterError::Conflict | ClusterError::NotFound) => Self::Conflict,
            Err(ClusterError::Refused(_) | ClusterError::Immutable) => Self::Refused,
            Err(ClusterError::Unavailable { .. } | ClusterError::Rationed { .. }) => Self::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_map_to_labels() {
        assert_eq!(Answer::from(Ok(())), Answer::Granted);
        assert_eq!(Answer::from(Err(Effect::Dead)), Answer::Refused);
        assert_eq!(Answer::from(Err(Effect::Transient)), Answer::Postponed);
        assert_eq!(Answer::from(Err(Effect::Unanswered)), Answer::Unanswered);
        assert_eq!(Written::from(Ok(())), Written::Done);
        assert_eq!(Written::from(Err(&ClusterError::Immutable)), Written::Refused);
        assert_eq!(Pass::of(&Step::Idle), Some(Pass::Idle));
        assert_eq!(Pass::of(&Step::Resolve), None);
    }
}
