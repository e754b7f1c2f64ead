//! What the service keeps of a registered certificate: its bytes, its RSA key, its end.
//!
//! Neither its issuer nor its name matters: Entra compares the certificate itself.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use jiff::Timestamp;
use jsonwebtoken::DecodingKey;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A certificate with an RSA key.
pub(crate) struct Certificate {
    pub(crate) der: Vec<u8>,
    pub(crate) until: Timestamp,
    /// PKCS#1 in DER.
    key: Vec<u8>,
}

impl Certificate {
    /// `None` unless the text is one certificate in PEM.
    pub(crate) fn read(pem: &str) -> Option<Self> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
        let (_, parsed) = X509Certificate::from_der(&der).ok()?;
        Some(Self {
            der: der.to_vec(),
            until: Timestamp::from_second(parsed.validity().not_after.timestamp()).ok()?,
            key: parsed.public_key().subject_public_key.data.to_vec(),
        })
    }

    pub(crate) fn key(&self) -> DecodingKey {
        DecodingKey::from_rsa_der(&self.key)
    }

    pub(crate) fn sha256(&self) -> Vec<u8> {
        digest(&SHA256, &self.der).as_ref().to_vec()
    }

    /// The `x5t` of RFC 7515 section 4.1.7; MSAL Python sends it when it knows nothing better.
    pub(crate) fn sha1(&self) -> Vec<u8> {
        digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.der).as_ref().to_vec()
    }
}
