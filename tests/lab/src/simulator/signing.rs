//! RS256 signatures with one RSA key per process, and the key set that publishes it.
//!
//! The key is made on first use and shared by every simulator: generating one takes longer than a test.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Why a token could not be signed.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the RSA key cannot be made or used")]
pub struct SigningError;

/// The signing key with its public description.
#[derive(Debug)]
pub(crate) struct SigningKey {
    pair: KeyPair,
    key_id: String,
    modulus: String,
}

/// The key of this process.
pub(crate) fn shared() -> Result<Arc<SigningKey>, SigningError> {
    static KEY: OnceLock<Option<Arc<SigningKey>>> = OnceLock::new();
    let key = KEY.get_or_init(|| SigningKey::generate().ok().map(Arc::new));
    key.clone().ok_or(SigningError)
}

impl SigningKey {
    fn generate() -> Result<Self, SigningError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| SigningError)?;
        // PKCS#1 in DER: nine bytes of headers and a zero byte come before the 256 bytes of the modulus.
        let modulus = pair.public_key().as_ref().get(9..265).ok_or(SigningError)?;
        let (key_id, modulus) = (base64url(&Sha256::digest(modulus)), base64url(modulus));
        Ok(Self {
            pair,
            key_id,
            modulus,
        })
    }

    /// A compact JWS over `claims`.
    pub(crate) fn sign(&self, claims: &Value) -> Result<String, SigningError> {
        let header = json!({"typ": "JWT", "alg": "RS256", "kid": self.key_id});
        let signed = format!("{}.{}", encode_json(&header), encode_json(claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .map_err(|_| SigningError)?;
        Ok(format!("{signed}.{}", base64url(&signature)))
    }

    /// The JSON Web Key Set with this key.
    pub(crate) fn key_set(&self, issuer: &str) -> Value {
        json!({"keys": [{
            "kty": "RSA", "use": "sig", "kid": self.key_id, "x5t": self.key_id,
            "n": self.modulus, "e": "AQAB", "issuer": issuer,
        }]})
    }
}

/// Base64url without padding.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Bytes of base64 in either alphabet, padded or not: clients differ. Line breaks are skipped.
pub(crate) fn any_base64(text: &str) -> Option<Vec<u8>> {
    let url_safe: String = text
        .chars()
        .filter(|char| !char.is_ascii_whitespace() && *char != '=')
        .map(|char| match char {
            '+' => '-',
            '/' => '_',
            other => other,
        })
        .collect();
    URL_SAFE_NO_PAD.decode(url_safe).ok()
}

/// JSON text as base64url without padding.
pub(crate) fn encode_json(value: &Value) -> String {
    base64url(value.to_string().as_bytes())
}
