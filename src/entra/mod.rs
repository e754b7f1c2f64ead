//! The identity provider: Microsoft Entra ID over HTTPS. Knows nothing of Kubernetes.
//!
//! # Guarantees
//!
//! - A password or refresh token goes only to the host of its binding, and only if the configuration still offers it;
//!   the password of a federated account only to a federation server that the configuration lists.
//! - Nothing is ever sent twice by this module or a library below it. A caller learns whether bytes of a password may
//!   have left ([`Effect::Unanswered`](crate::plan::answer::Effect::Unanswered)) or not.
//! - No error, log line or `Debug` output holds a secret, a user name or the provider's own text. Of the headers, one names
//!   the user, to Entra ID alone, and one may hold a client secret where an issuer wants it there.
//! - What an answer brings is read in every wrapping that servers and gateways are known to use: a refresh token that came is
//!   not lost, and a wrong password is not sent again because its refusal could not be read.
//! - No pass ever waits for a permit.
//!
//! # Layout
//!
//! | module | question it answers |
//! |---|---|
//! | [`authority`], [`federation`] | which hosts are there, of which kind, and who may use them? |
//! | `login`, `federated` | which requests make a sign-in? |
//! | `realm` | who checks an account's password? |
//! | `wstrust` | what is said to a federation server? |
//! | `grant`, `headers` | what is sent? |
//! | `assertion` | how does a certificate prove the client? |
//! | `body` | may it leave now? |
//! | `wire`, `send`, `bundle` | what came back from whom, and had anything left? |
//! | `decode` | what does it say without its content coding and charset? |
//! | `deadline` | how long may it take? |
//! | `response`, `account`, `clock` | which tokens came, for whom, until when? |
//! | [`failure`] | what does a refusal mean? |
//! | `retry_after` | when may it be tried again? |
//! | [`limits`] | who may call now? |
//! | `discovery` | which GUID has a tenant, where does an OpenID provider issue tokens, and can a host be reached? |

pub mod authority;
pub mod failure;
pub mod federation;
pub mod limits;

mod account;
mod assertion;
mod body;
mod bundle;
mod client;
mod clock;
mod deadline;
mod decode;
mod discovery;
mod federated;
#[cfg(fuzzing)]
pub mod fuzzing;
mod grant;
mod headers;
mod login;
mod observe;
#[cfg(test)]
mod properties;
mod realm;
mod response;
mod retry_after;
mod send;
mod wire;
mod wstrust;

pub use authority::{Authorities, CLOUDS, DeclarationError, Declared, Kind, UrlError, audience};
pub use client::Client;
pub use clock::{Clocks, SKEW_MIN, Timing};
pub use discovery::Host;
pub use federation::Federation;
pub use grant::Grant;
pub use limits::{Limits, Permit};
pub use observe::Observer;
pub use retry_after::{RETRY_AFTER_DEFAULT, RETRY_AFTER_MAX};
pub use wire::BODY_MAX;

/// Product name and version, for `User-Agent`.
const USER_AGENT: &str = concat!("entra-operator/", env!("CARGO_PKG_VERSION"));

/// Whose certificates are trusted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, strum::Display)]
pub enum Peer {
    /// A declared authority's, which brings its own instead of the system's.
    #[strum(to_string = "authority {0}")]
    Authority(String),
    /// The federation servers', beside the system's.
    #[strum(to_string = "federation servers")]
    Federation,
}

/// Why a [`Client`] could not be built, or given other certificates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A file holds no certificate that can be trusted.
    #[error(
        "the file holds no certificate for {0}: at least one in PEM form is needed (-----BEGIN CERTIFICATE-----)"
    )]
    Certificates(Peer),
    /// No TLS client can be set up.
    #[error("no TLS client can be set up: are the system's root certificates there?")]
    Tls,
}
