//! Client assertions: a JWT signed with a registered certificate, or by an issuer that the application trusts.
//!
//! Takes every form that MSAL libraries send: thumbprints in each kind of base64, times as integers, fractions or
//! text, `x5c` as list or text. A `jti` that was seen before is not refused, as Entra does not either.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use super::authority::Authority;
use super::certificate::Certificate;
use super::error::Refusal;
use super::signing::any_base64;
use super::world::{Application, FederatedCredential};

/// Tolerated difference of clocks, in seconds.
const SKEW: f64 = 300.0;

/// What a server takes from a certificate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialect {
    algorithms: &'static [Algorithm],
    /// It knows thumbprints of SHA-256.
    sha256: bool,
}

impl Dialect {
    /// Entra ID and issuers of today take both. AD FS takes what MSAL sends it: RS256 and a thumbprint of SHA-1.
    pub(crate) fn of(authority: Authority<'_>) -> Self {
        match authority {
            Authority::Adfs => Self {
                algorithms: &[Algorithm::RS256],
                sha256: false,
            },
            Authority::Entra(_) | Authority::B2c { .. } | Authority::Oidc(_) => Self {
                algorithms: &[Algorithm::PS256, Algorithm::RS256],
                sha256: true,
            },
        }
    }
}

/// Signatures that tokens of other issuers come with.
const OF_ISSUERS: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::PS256,
    Algorithm::ES256,
    Algorithm::ES384,
];

/// Checks an assertion; `is_us` says whether an audience means this endpoint.
pub(crate) fn check(
    text: &str,
    application: &Application,
    is_us: &dyn Fn(&str) -> bool,
    (now, dialect): (Timestamp, Dialect),
) -> Result<(), Refusal> {
    let assertion = Assertion::read(text).ok_or_else(|| Refusal::of(50027))?;
    // An application calls itself by its GUID; other issuers are URLs.
    if assertion.claim("iss").starts_with("https://") {
        check_issuer(&assertion, application)?;
    } else {
        check_certificate(&assertion, application, is_us, (now, dialect))?;
    }
    assertion.check_time(now)
}

fn check_certificate(
    assertion: &Assertion<'_>,
    application: &Application,
    is_us: &dyn Fn(&str) -> bool,
    (now, dialect): (Timestamp, Dialect),
) -> Result<(), Refusal> {
    let certificate = application
        .certificates
        .iter()
        .filter_map(|pem| Certificate::read(pem))
        .find(|certificate| assertion.names(certificate, dialect))
        .ok_or_else(|| unsigned("The key was not found by its thumbprint"))?;
    if now >= certificate.until {
        return Err(unsigned("The certificate has expired"));
    }
    assertion.verify(&certificate.key(), dialect.algorithms)?;
    let issuer = assertion.claim("iss");
    if issuer != assertion.claim("sub") {
        return Err(Refusal::of(50048));
    }
    if issuer.eq_ignore_ascii_case(&application.client_id) && assertion.audiences().any(is_us) {
        Ok(())
    } else {
        Err(Refusal::of(50012).text("The assertion is of another application, or for another audience."))
    }
}

/// Issuer, audience and subject are compared with case, in this order.
fn check_issuer(assertion: &Assertion<'_>, application: &Application) -> Result<(), Refusal> {
    let mut known: Vec<&FederatedCredential> = application.federated_credentials.iter().collect();
    let mut narrow = |code, fits: &dyn Fn(&FederatedCredential) -> bool| {
        known.retain(|credential| fits(credential));
        known.first().copied().ok_or_else(|| Refusal::of(code))
    };
    narrow(700211, &|credential| credential.issuer == assertion.claim("iss"))?;
    narrow(700212, &|credential| {
        assertion
            .audiences()
            .any(|audience| audience == credential.audience)
    })?;
    let credential = narrow(700213, &|credential| credential.subject == assertion.claim("sub"))?;
    let key = key_of(credential, assertion.header("kid"))
        .ok_or_else(|| unsigned("The issuer does not publish this key"))?;
    assertion.verify(&key, OF_ISSUERS)
}

/// The issuer's key of this id; without an id the only one.
fn key_of(credential: &FederatedCredential, id: Option<&str>) -> Option<DecodingKey> {
    let set: JwkSet = serde_json::from_value(credential.jwks.clone()).ok()?;
    let key = match id {
        Some(id) => set.find(id)?,
        None => set.keys.first()?,
    };
    DecodingKey::from_jwk(key).ok()
}

fn unsigned(why: &str) -> Refusal {
    Refusal::of(700027).text(&format!("Client assertion failed signature validation. {why}."))
}

/// A JWT in parts.
struct Assertion<'a> {
    header: Value,
    claims: Value,
    signed: &'a str,
    signature: &'a str,
}

impl<'a> Assertion<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        Some(Self {
            header: json(header)?,
            claims: json(claims)?,
            signed,
            signature,
        })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }

    /// A claim that is text, else empty.
    fn claim(&self, name: &str) -> &str {
        self.claims.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn audiences(&self) -> impl Iterator<Item = &str> {
        self.claims.get("aud").into_iter().flat_map(texts)
    }

    /// By SHA-256 thumbprint, else by SHA-1, else by the certificate itself.
    fn names(&self, certificate: &Certificate, dialect: Dialect) -> bool {
        let bytes = |name| self.header(name).map(any_base64);
        if let Some(thumbprint) = bytes("x5t#S256").filter(|_| dialect.sha256) {
            return thumbprint == Some(certificate.sha256());
        }
        if let Some(thumbprint) = bytes("x5t") {
            return thumbprint == Some(certificate.sha1());
        }
        let mut chain = self.header.get("x5c").into_iter().flat_map(texts);
        chain
            .next()
            .and_then(any_base64)
            .is_some_and(|der| der == certificate.der)
    }

    fn verify(&self, key: &DecodingKey, allowed: &[Algorithm]) -> Result<(), Refusal> {
        let algorithm: Option<Algorithm> = self.header("alg").and_then(|name| name.parse().ok());
        let algorithm = algorithm
            .filter(|algorithm| allowed.contains(algorithm))
            .ok_or_else(|| unsigned("The algorithm is not supported"))?;
        match jsonwebtoken::crypto::verify(self.signature, self.signed.as_bytes(), key, algorithm) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(unsigned("The key does not fit the signature")),
        }
    }

    fn check_time(&self, now: Timestamp) -> Result<(), Refusal> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "seconds since 1970 fit a double exactly for the next 285 million years"
        )]
        let now = now.as_second() as f64;
        let begun = seconds(self.claims.get("nbf")).is_none_or(|begin| begin <= now + SKEW);
        let runs = seconds(self.claims.get("exp")).is_some_and(|end| now - SKEW < end);
        if begun && runs {
            Ok(())
        } else {
            Err(Refusal::of(700024))
        }
    }
}

fn json(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// A text, or the texts of a list.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    value.as_str().into_iter().chain(list)
}

/// A time claim as number or text (MSAL.NET writes text, MSAL Python fractions).
fn seconds(claim: Option<&Value>) -> Option<f64> {
    let claim = claim?;
    claim.as_f64().or_else(|| claim.as_str()?.parse().ok())
}
