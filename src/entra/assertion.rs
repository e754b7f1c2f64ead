//! Client assertions: signed statements by which a confidential client proves that it holds the key of its certificate
//! (RFC 7523 §3; Microsoft's page "Microsoft identity platform application authentication certificate credentials").
//!
//! # Guarantees
//!
//! - Every assertion is good for one request: it names the endpoint that it is sent to and an id of its own.
//! - Nothing is signed with a key that is not the certificate's, nor outside of the certificate's validity.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use zeroize::Zeroizing;

use super::failure;
use crate::api::Reason;
use crate::plan::Time;
use crate::plan::answer::{Deed, Effect, Refusal};
use crate::reconcile::material::{ClientCertificate, Secret};
use crate::reconcile::stamp;

/// Seconds that an assertion is good for: Microsoft's page recommends 5 to 10 minutes, every MSAL takes 10.
const LIFE: i64 = 600;

/// Why a certificate cannot sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("The client certificate cannot be read: it is not a certificate in PEM.")]
    Certificate,
    #[error(
        "The client certificate's key cannot be read: it is not a private key in PEM (PKCS#8 or PKCS#1)."
    )]
    Key,
    #[error(
        "The client certificate's key is not an RSA key of 2048 to 8192 bits, and Entra ID takes no other kind."
    )]
    Kind,
    #[error("The client certificate and its key do not belong together.")]
    Mismatch,
    #[error("The client certificate is not valid before {}.", stamp::to_text(*.0))]
    NotYet(Time),
    #[error("The client certificate expired at {}.", stamp::to_text(*.0))]
    Expired(Time),
    #[error("The client certificate's key could not sign.")]
    Signature,
}

impl Unusable {
    /// As the refusal of a request that was not sent. Only time ends [`Unusable::NotYet`]: it is tried again by itself.
    pub(super) fn refusal(self) -> Refusal {
        let effect = match self {
            Self::NotYet(_) => Effect::Transient,
            Self::Certificate
            | Self::Key
            | Self::Kind
            | Self::Mismatch
            | Self::Expired(_)
            | Self::Signature => Effect::Person,
        };
        let message = format!("{self} Nothing was sent.");
        let deed = if effect == Effect::Person {
            Deed::ClientCredential
        } else {
            Deed::Wait
        };
        Refusal {
            remedy: self.remedy().to_owned(),
            deed,
            ..failure::unsent(effect, Reason::AppMisconfigured, message)
        }
    }

    const fn remedy(self) -> &'static str {
        match self {
            Self::Certificate | Self::Key | Self::Signature => {
                "Put the certificate under tls.crt and its key under tls.key, as kubectl create secret tls does; the key must not be encrypted."
            }
            Self::Kind => {
                "Make a new certificate with an RSA key of at least 2048 bits, upload it to the app registration and replace the Secret."
            }
            Self::Mismatch => {
                "Replace tls.crt and tls.key together; the first certificate of tls.crt must be the application's own."
            }
            Self::NotYet(_) => {
                "Wait, or put a certificate that is valid now into the Secret; check the nodes' clocks (NTP)."
            }
            Self::Expired(_) => {
                "Upload a new certificate to the app registration and replace the Secret; the login need not be repeated."
            }
        }
    }
}

/// How an assertion is signed, and how it names the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// RSASSA-PSS and a SHA-256 thumbprint: what Microsoft's page on certificate credentials asks for.
    Ps256,
    /// RSASSA-PKCS1-v1_5 and a SHA-1 thumbprint: what MSAL sends to AD FS and to generic issuers.
    Rs256,
}

impl Algorithm {
    fn padding(self) -> &'static dyn RsaEncoding {
        match self {
            Self::Ps256 => &RSA_PSS_SHA256,
            Self::Rs256 => &RSA_PKCS1_SHA256,
        }
    }
}

/// What an assertion says besides who signed it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claims<'a> {
    /// Token endpoint of the very request.
    pub(super) audience: &'a str,
    /// Application (client) id.
    pub(super) client_id: &'a str,
    /// Id of its own.
    pub(super) id: &'a str,
    /// When it is made, by the corrected clock.
    pub(super) now: Time,
}

/// A certificate that is valid now, and its key.
pub(super) struct Signer {
    key: RsaKeyPair,
    /// SHA-256 and SHA-1 of the certificate (RFC 7515 §4.1.8, §4.1.7).
    thumbprint: String,
    old_thumbprint: String,
    /// When the certificate ends.
    pub(super) expires_at: Time,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

impl Signer {
    /// Takes the first certificate and the key of `material`, if they can sign at `now`.
    pub(super) fn new(material: &ClientCertificate, now: Time) -> Result<Self, Unusable> {
        let der = CertificateDer::from_pem_slice(&material.certificate).map_err(|_| Unusable::Certificate)?;
        let (_, certificate) = X509Certificate::from_der(&der).map_err(|_| Unusable::Certificate)?;
        let key = rsa_key(material.key.expose())?;
        if *certificate.public_key().subject_public_key.data != *key.public_key().as_ref() {
            return Err(Unusable::Mismatch);
        }
        Ok(Self {
            key,
            thumbprint: encoded(digest::digest(&digest::SHA256, &der)),
            old_thumbprint: encoded(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &der)),
            expires_at: valid_until(&certificate, now)?,
        })
    }

    fn header(&self, algorithm: Algorithm) -> Value {
        match algorithm {
            Algorithm::Ps256 => json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint}),
            Algorithm::Rs256 => json!({"alg": "RS256", "typ": "JWT", "x5t": self.old_thumbprint}),
        }
    }

    /// A new assertion. Integers for times, and padding nowhere: that is what RFC 7519 §2 and RFC 7515 §2 ask for, where
    /// some MSALs deviate.
    pub(super) fn sign(&self, claims: &Claims<'_>, algorithm: Algorithm) -> Result<Secret, Unusable> {
        let header = self.header(algorithm);
        let now = claims.now.0;
        let claims = json!({
            "aud": claims.audience, "iss": claims.client_id, "sub": claims.client_id, "jti": claims.id,
            "nbf": now, "iat": now, "exp": now.saturating_add(LIFE),
        });
        let statement = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                algorithm.padding(),
                &SystemRandom::new(),
                statement.as_bytes(),
                &mut signature,
            )
            .map_err(|_| Unusable::Signature)?;
        Ok(Secret::new(format!("{statement}.{}", encoded(signature))))
    }
}

/// The library refuses RSA keys of less than 2048 bits.
fn rsa_key(pem: &str) -> Result<RsaKeyPair, Unusable> {
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| Unusable::Key)?;
    let key = Zeroizing::new(key);
    let pair = match &*key {
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
        PrivateKeyDer::Sec1(_) | _ => return Err(Unusable::Kind),
    };
    pair.map_err(|_| Unusable::Kind)
}

fn valid_until(certificate: &X509Certificate<'_>, now: Time) -> Result<Time, Unusable> {
    let validity = certificate.validity();
    let [from, until] = [validity.not_before, validity.not_after].map(|at| Time(at.timestamp()));
    if now < from {
        return Err(Unusable::NotYet(from));
    }
    if now > until {
        return Err(Unusable::Expired(until));
    }
    Ok(until)
}

fn part(json: &Value) -> String {
    encoded(json.to_string())
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
