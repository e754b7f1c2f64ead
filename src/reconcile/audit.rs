//! What auditors are told: where a password goes and what became of it, whose Secrets and tokens these are, what the
//! policy denies, and which key sealed or opened what.
//!
//! # Guarantees
//!
//! - A send is told before its bytes leave, its verdict before it is stored: a process that is killed in between has told
//!   of the send.
//! - None holds a secret. User names are apart ([`Audited::user`]), because they may be personal data.

use crate::plan::answer::Refusal;

/// One thing worth telling of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audited<'a> {
    /// A user name and a password are about to leave.
    PasswordSent {
        /// Id of the attempt, which the record and the verdict name too.
        attempt: &'a str,
        /// Whose.
        user: &'a str,
    },
    /// What became of them; nothing, where nothing left.
    Verdict {
        /// Id of the attempt.
        attempt: &'a str,
        /// Whose.
        user: &'a str,
        /// What the provider, or the lack of its answer, said.
        said: Result<(), &'a Refusal>,
    },
    /// A Secret without a controller, which bears this credential's proof of ownership, is controlled by it again.
    Adopted {
        /// Its name.
        secret: &'a str,
    },
    /// A sign-in was accepted for another account than the one before: its login Secret allowed that.
    AccountChanged {
        /// Who signed in.
        user: &'a str,
    },
    /// A renewal was answered for another account, and was discarded.
    AccountRefused,
    /// The administrator's policy does not allow what the credential asks for. Told when it becomes so.
    Denied,
    /// What is in a refresh-token Secret was sealed.
    Sealed {
        /// By this key.
        key: &'a str,
    },
    /// What is in a refresh-token Secret was opened.
    Opened {
        /// With this key, the oldest of them.
        key: &'a str,
    },
}

impl<'a> Audited<'a> {
    /// Whose user name it is about.
    pub const fn user(&self) -> Option<&'a str> {
        match self {
            Self::PasswordSent { user, .. } | Self::Verdict { user, .. } | Self::AccountChanged { user } => {
                Some(user)
            }
            Self::Adopted { .. }
            | Self::AccountRefused
            | Self::Denied
            | Self::Sealed { .. }
            | Self::Opened { .. } => None,
        }
    }
}
