//! The token endpoint of an OpenID provider, from its discovery document (OpenID Connect Discovery 1.0 §4.2, §4.3).
//!
//! # Guarantees
//!
//! - The document's `issuer` is the declared one, to the letter.
//! - The token endpoint is https and has the issuer's own host and port: whoever can change the document alone cannot
//!   send passwords elsewhere. RFC 8414 would allow other hosts; providers that have this grant do not need them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::CACHED_FOR;
use crate::entra::assertion::Algorithm;
use crate::entra::grant::Manners;

/// Shortest time between two looks at one document.
const AGAIN: Duration = Duration::from_mins(10);

/// Why a document is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Mistrust {
    /// Not JSON, or without the fields.
    #[error("is not a discovery document")]
    Shape,
    /// It speaks for somebody else.
    #[error("names another issuer than the declared one")]
    Issuer,
    /// The token endpoint is not https or on another host.
    #[error("names a token endpoint that is not https on the issuer's own host and port")]
    Endpoint,
}

/// Where tokens are issued, and how a client proves itself there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::entra) struct TokenEndpoint {
    pub(in crate::entra) url: Url,
    pub(in crate::entra) manners: Manners,
}

/// The token endpoint that the `document` of `issuer` names.
pub(super) fn token_endpoint(document: &[u8], issuer: &str) -> Result<TokenEndpoint, Mistrust> {
    let document: Value = serde_json::from_slice(document).map_err(|_| Mistrust::Shape)?;
    let field = |name: &str| document.get(name).and_then(Value::as_str).ok_or(Mistrust::Shape);
    if field("issuer")? != issuer {
        return Err(Mistrust::Issuer);
    }
    let url = Url::parse(field("token_endpoint")?).map_err(|_| Mistrust::Endpoint)?;
    let manners = manners(&document);
    if is_at_home(&url, issuer) {
        Ok(TokenEndpoint { url, manners })
    } else {
        Err(Mistrust::Endpoint)
    }
}

/// PS256 only where it is offered: MSAL signs with RS256 for whoever is not Entra ID. A secret is posted, as MSAL does,
/// unless the document leaves no room for it; without a list, it is sent in the header (OpenID Connect Discovery 1.0 §3:
/// `client_secret_basic` is the default).
fn manners(document: &Value) -> Manners {
    let listed = |name: &str| document.get(name).and_then(Value::as_array);
    let offers =
        |name: &str, value: &str| listed(name).is_some_and(|list| list.iter().any(|item| item == value));
    let algorithm = if offers("token_endpoint_auth_signing_alg_values_supported", "PS256") {
        Algorithm::Ps256
    } else {
        Algorithm::Rs256
    };
    let methods = "token_endpoint_auth_methods_supported";
    let basic = listed(methods).is_none() || offers(methods, "client_secret_basic");
    Manners {
        algorithm,
        basic: basic && !offers(methods, "client_secret_post"),
    }
}

/// RFC 6749 §3.2 forbids a fragment; credentials in a URL would become a header.
fn is_at_home(endpoint: &Url, issuer: &str) -> bool {
    let same_origin = Url::parse(issuer).is_ok_and(|issuer| issuer.origin() == endpoint.origin());
    let plain =
        endpoint.username().is_empty() && endpoint.password().is_none() && endpoint.fragment().is_none();
    endpoint.scheme() == "https" && same_origin && plain
}

/// Token endpoints that were discovered, by issuer. There are as many as the administrator declared.
#[derive(Debug, Default)]
pub(super) struct Endpoints(Mutex<HashMap<String, Known>>);

#[derive(Debug)]
struct Known {
    endpoint: TokenEndpoint,
    fresh_until: Duration,
    /// Not asked again before.
    again: Duration,
}

impl Endpoints {
    pub(super) fn get(&self, issuer: &str, now: Duration) -> Option<TokenEndpoint> {
        let known = self.lock();
        let found = known.get(issuer).filter(|known| known.fresh_until > now)?;
        Some(found.endpoint.clone())
    }

    pub(super) fn insert(&self, issuer: &str, endpoint: TokenEndpoint, now: Duration) {
        let known = Known {
            endpoint,
            fresh_until: now.saturating_add(CACHED_FOR),
            again: now.saturating_add(AGAIN),
        };
        self.lock().insert(issuer.to_owned(), known);
    }

    /// The endpoint failed: its document is asked for again, but not too soon.
    pub(super) fn doubt(&self, issuer: &str, now: Duration) {
        if let Some(known) = self.lock().get_mut(issuer).filter(|known| known.again <= now) {
            known.fresh_until = now;
        }
    }

    /// The document could not be read: the endpoint that was known before serves a little longer.
    pub(super) fn postpone(&self, issuer: &str, now: Duration) {
        if let Some(known) = self.lock().get_mut(issuer) {
            known.again = now.saturating_add(AGAIN);
            known.fresh_until = known.again;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://sso.contoso.example:8443/realms/a";

    fn read(issuer: &str, endpoint: &str) -> Result<Url, Mistrust> {
        let document = json!({"issuer": issuer, "token_endpoint": endpoint, "jwks_uri": "https://x.example"});
        token_endpoint(document.to_string().as_bytes(), ISSUER).map(|found| found.url)
    }

    #[test]
    fn the_document_says_how_a_client_proves_itself() {
        let manners = |member: &str, value: Value| {
            let document =
                json!({"issuer": ISSUER, "token_endpoint": format!("{ISSUER}/token"), member: value});
            let found = token_endpoint(document.to_string().as_bytes(), ISSUER)
                .unwrap()
                .manners;
            (found.algorithm, found.basic)
        };
        let algorithms = "token_endpoint_auth_signing_alg_values_supported";
        assert_eq!(manners(algorithms, json!(["ES256", "PS256"])).0, Algorithm::Ps256);
        assert_eq!(manners(algorithms, json!(["RS256"])).0, Algorithm::Rs256);
        assert_eq!(manners("other", json!(1)), (Algorithm::Rs256, true));
        let methods = "token_endpoint_auth_methods_supported";
        for (list, basic) in [
            (json!(["client_secret_basic"]), true),
            (json!(["client_secret_post", "client_secret_basic"]), false),
            (json!(["private_key_jwt"]), false),
            (json!("client_secret_post"), true),
        ] {
            assert_eq!(manners(methods, list.clone()).1, basic, "{list}");
        }
    }

    #[test]
    fn an_endpoint_on_the_issuers_host_is_taken() {
        let endpoint = "https://sso.contoso.example:8443/realms/a/token?v=1";
        assert_eq!(read(ISSUER, endpoint).unwrap().as_str(), endpoint);
    }

    #[test]
    fn the_issuer_must_be_the_declared_one_to_the_letter() {
        for other in [
            "https://sso.contoso.example:8443/realms/a/",
            "https://sso.contoso.example:8443/realms/A",
            "https://sso.contoso.example/realms/a",
            "",
        ] {
            assert_eq!(read(other, ISSUER), Err(Mistrust::Issuer), "{other}");
        }
    }

    #[test]
    fn an_endpoint_elsewhere_is_refused() {
        for elsewhere in [
            "https://evil.example/token",
            "https://sso.contoso.example/token",
            "https://sso.contoso.example:8443.evil.example/token",
            "https://sso.contoso.example:8443@evil.example/token",
            "https://user@sso.contoso.example:8443/token",
            "https://sso.contoso.example:8443/token#x",
            "http://sso.contoso.example:8443/token",
            "/token",
        ] {
            assert_eq!(read(ISSUER, elsewhere), Err(Mistrust::Endpoint), "{elsewhere}");
        }
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for text in ["", "<html>", "[]", "{}", r#"{"issuer":1}"#] {
            assert_eq!(
                token_endpoint(text.as_bytes(), ISSUER),
                Err(Mistrust::Shape),
                "{text}"
            );
        }
    }

    fn known() -> Endpoints {
        let known = Endpoints::default();
        let endpoint = TokenEndpoint {
            url: Url::parse(ISSUER).unwrap(),
            manners: Manners {
                algorithm: Algorithm::Rs256,
                basic: false,
            },
        };
        known.insert(ISSUER, endpoint, Duration::ZERO);
        known
    }

    #[test]
    fn a_document_is_good_for_a_day() {
        assert!(known().get(ISSUER, Duration::from_hours(23)).is_some());
        assert!(known().get(ISSUER, Duration::from_hours(24)).is_none());
        assert!(known().get("https://other.example", Duration::ZERO).is_none());
    }

    #[test]
    fn doubts_are_heard_every_ten_minutes() {
        let known = known();
        known.doubt(ISSUER, Duration::from_mins(9));
        assert!(known.get(ISSUER, Duration::from_mins(9)).is_some());
        known.doubt(ISSUER, Duration::from_mins(10));
        assert!(known.get(ISSUER, Duration::from_mins(10)).is_none());
        known.postpone(ISSUER, Duration::from_mins(10));
        assert!(known.get(ISSUER, Duration::from_mins(19)).is_some());
        assert!(known.get(ISSUER, Duration::from_mins(20)).is_none());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _seen = token_endpoint(&bytes, ISSUER);
        }
    }
}
