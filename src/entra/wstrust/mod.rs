//! WS-Trust: a federation server's token for a user name and password.
//!
//! # Guarantees
//!
//! - Documents from elsewhere are read within bounds and without DTD or entities; no text of theirs is ever shown.
//! - The request with the password, and the assertion that answers it, are wiped when dropped.
//!
//! | module | question it answers |
//! |---|---|
//! | `mex` | where does the server take user name and password? |
//! | `request` | what is sent there? |
//! | `response` | which assertion came back? |
//! | `fault` | why did none come? |
//! | `xml`, `namespace` | what is in a document? |

mod fault;
mod mex;
mod namespace;
mod request;
mod response;
mod xml;

pub(super) use fault::Fault;
pub(super) use mex::{Endpoint, Unsuitable, endpoints};
pub(super) use request::Envelope;
pub(super) use response::{Answer, Assertion, read};

use namespace::Namespace;

/// Versions of WS-Trust that AD FS speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    /// WS-Trust 1.3 (OASIS, 2007).
    V13,
    /// The draft of February 2005.
    V2005,
}

impl Version {
    /// Both, the preferred first.
    const ALL: [Self; 2] = [Self::V13, Self::V2005];

    /// `SOAPAction`, and `Action` of the message.
    pub(super) const fn action(self) -> &'static str {
        match self {
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/Issue",
            Self::V2005 => "http://schemas.xmlsoap.org/ws/2005/02/trust/RST/Issue",
        }
    }

    const fn namespace(self) -> Namespace {
        match self {
            Self::V13 => Namespace::Trust13,
            Self::V2005 => Namespace::Trust2005,
        }
    }

    /// A bearer token: one that needs no proof of a key.
    const fn key_type(self) -> &'static str {
        match self {
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Bearer",
            Self::V2005 => "http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey",
        }
    }

    const fn request_type(self) -> &'static str {
        match self {
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Issue",
            Self::V2005 => "http://schemas.xmlsoap.org/ws/2005/02/trust/Issue",
        }
    }
}

/// A document with a hole at `at`, filled with something else.
#[cfg(test)]
fn damaged(document: String, at: usize, length: usize, with: &str) -> Vec<u8> {
    let mut bytes = document.into_bytes();
    let from = at.min(bytes.len());
    let to = from.saturating_add(length).min(bytes.len());
    bytes.splice(from..to, with.bytes());
    bytes
}
