//! How the application proves who it is, as far as that is known without reading a secret: whether it can, and when its
//! certificate ends.

use super::Time;
use super::schedule::{CERTIFICATE_NOTICE, DAY};

/// How the application authenticates, as far as the metadata says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Client {
    /// No credential.
    #[default]
    Public,
    /// The client credential's Secret exists.
    Credential {
        /// When it ends, if it is a certificate.
        expires: Expiry,
    },
    /// The client credential's Secret does not exist, or has another type.
    Missing {
        /// Its name.
        secret: String,
        /// The type that it should have.
        kind: &'static str,
    },
}

/// When a client certificate ends, as far as that is known without reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Expiry {
    /// Not known: no certificate, or it was not read in this version.
    #[default]
    Unknown,
    /// Then.
    At(Time),
    /// Within [`CERTIFICATE_NOTICE`], as an earlier process found.
    Soon,
}

impl Client {
    /// Within how many days the certificate ends, if that is soon.
    pub(super) fn ends_within(&self, now: Time) -> Option<i64> {
        match self.expiry() {
            Expiry::At(at) if at.since(now) <= CERTIFICATE_NOTICE => Some(at.since(now).max(0) / DAY + 1),
            Expiry::Soon => Some(CERTIFICATE_NOTICE / DAY),
            Expiry::At(_) | Expiry::Unknown => None,
        }
    }

    /// When that becomes soon.
    pub(super) fn notice_at(&self) -> Option<Time> {
        match self.expiry() {
            Expiry::At(at) => Some(at.plus(-CERTIFICATE_NOTICE)),
            Expiry::Soon | Expiry::Unknown => None,
        }
    }

    const fn expiry(&self) -> Expiry {
        match self {
            Self::Credential { expires, .. } => *expires,
            Self::Public | Self::Missing { .. } => Expiry::Unknown,
        }
    }
}
