//! What can be done: one closed list of steps, and the decision that names one.

use super::Time;
use super::hold::Object;
use super::metadata::EntryName;
use super::record::ContentMac;
use crate::reason::Reason;

/// One effect. The shell performs exactly one at a time and then asks again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Read the login Secret, and whether the credential that claimed it still lives.
    ReadLogin,
    /// The same, to sign in for the first time: not without leave to send.
    ReadToSignIn,
    /// Read and open the refresh-token Secret.
    ReadSession,
    /// The same, to redeem for this entry: not without leave to send.
    ReadToRenew(EntryName),
    /// Read what the client credential names.
    ReadClient,
    /// Ask what there is, metadata only: no watch shows it, or somebody else changed it.
    Look(Vec<Object>),
    /// Put this credential's name and uid on the login Secret.
    ClaimLogin,
    /// Write down that the content is about to be sent.
    RecordAttempt {
        /// Which content.
        content: ContentMac,
        /// Name of the token entry whose scopes will be sent.
        entry: EntryName,
    },
    /// Send the password for the recorded attempt.
    Exchange {
        /// Attempt id.
        attempt: String,
        /// Name of the token entry whose scopes are sent.
        entry: EntryName,
    },
    /// Seal and store what the pocket holds (a login's outcome, a newer refresh token, a death).
    Store,
    /// Seal anew what an older key sealed in the refresh-token Secret.
    Reseal,
    /// Delete the login Secret, whose content got its final verdict.
    DeleteLogin,
    /// Learn the GUID of the tenant that the spec names.
    Resolve,
    /// Redeem the refresh token for these entries.
    Redeem(Vec<EntryName>),
    /// Read these token Secrets and compare them with their keyed hash.
    Verify(Vec<EntryName>),
    /// Write the held tokens of these entries.
    Publish(Vec<EntryName>),
    /// Delete these token Secrets of ours, which cannot be written, so that they are created anew.
    Replace(Vec<EntryName>),
    /// Delete these token Secrets of ours, which the spec no longer names.
    Prune(Vec<EntryName>),
    /// Put the labels and annotations that are asked for on these Secrets of ours, which hold what they should.
    Label(Vec<Object>),
    /// Put our ownerReference on these Secrets of ours.
    Adopt(Vec<Object>),
    /// All is done; come back at the wake time.
    Idle,
    /// Something is in progress elsewhere; come back at the wake time.
    Wait,
    /// Something stands in the way; the reason says what.
    Blocked,
}

impl Step {
    /// Name for logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ReadLogin => "ReadLogin",
            Self::ReadToSignIn => "ReadToSignIn",
            Self::ReadSession => "ReadSession",
            Self::ReadToRenew(_) => "ReadToRenew",
            Self::ReadClient => "ReadClient",
            Self::Look(_) => "Look",
            Self::ClaimLogin => "ClaimLogin",
            Self::RecordAttempt { .. } => "RecordAttempt",
            Self::Exchange { .. } => "Exchange",
            Self::Store => "Store",
            Self::Reseal => "Reseal",
            Self::DeleteLogin => "DeleteLogin",
            Self::Resolve => "Resolve",
            Self::Redeem(_) => "Redeem",
            Self::Verify(_) => "Verify",
            Self::Publish(_) => "Publish",
            Self::Replace(_) => "Replace",
            Self::Prune(_) => "Prune",
            Self::Label(_) => "Label",
            Self::Adopt(_) => "Adopt",
            Self::Idle => "Idle",
            Self::Wait => "Wait",
            Self::Blocked => "Blocked",
        }
    }

    /// Whether it calls the identity provider.
    pub const fn is_call(&self) -> bool {
        matches!(self, Self::Exchange { .. } | Self::Redeem(_) | Self::Resolve)
    }

    /// Whether it begins a conversation with the identity provider, or the way to one: a claim ties the login Secret to a
    /// credential that must still be there. A recorded attempt has begun one: it is sent, or is given back.
    pub const fn begins(&self) -> bool {
        matches!(
            self,
            Self::ReadToSignIn
                | Self::ClaimLogin
                | Self::RecordAttempt { .. }
                | Self::ReadToRenew(_)
                | Self::Redeem(_)
                | Self::Resolve
        )
    }

    /// Whether the pass ends with this step.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Idle | Self::Wait | Self::Blocked)
    }
}

/// What to do now, why, and when to look again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    /// What to do.
    pub step: Step,
    /// Headline for the conditions, if the step is final or the reason is worth showing meanwhile.
    pub reason: Reason,
    /// What happened and what to do, for the user. Empty for the reasons that need no words.
    pub message: String,
    /// When to look again; `None`: only when something changes.
    pub wake: Option<Time>,
}
