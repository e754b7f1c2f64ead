//! A successful token response (RFC 6749 §5.1), read as tolerantly as MSAL does and no further (entra-protocol §5).

use serde::Deserialize;
use serde_json::Value;

use super::account::Identity;
use super::clock::Started;
use crate::plan::Time;
use crate::plan::answer::Granted;
use crate::reconcile::material::Secret;
use crate::reconcile::ports::Tokens;

/// Longest believable life: CAE tokens have 28 hours, a lifetime policy allows 24.
const LIFE_MAX: i64 = 48 * 3600;

/// Most scopes that are kept, and the longest of them: the spec allows 20 of 256 characters per entry, `.default`
/// expands to all that were consented.
const SCOPES_MAX: usize = 256;
const SCOPE_LEN_MAX: usize = 512;

/// Why a body is not a token response that can be used. Names no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    /// Not JSON, or a field has another type.
    #[error("the body is not a token response")]
    Shape,
    /// `token_type` is absent or not `Bearer`.
    #[error("the token is not a bearer token")]
    TokenType,
    /// The access token is absent or holds characters that RFC 6750 §2.1 forbids.
    #[error("the access token is malformed")]
    AccessToken,
    /// No life, or one outside 1 s to 48 h.
    #[error("the token's life is out of bounds")]
    Life,
}

/// The fields that are read; others are ignored (RFC 6749 §5.1).
#[derive(Deserialize)]
struct Body {
    token_type: Option<String>,
    access_token: Option<String>,
    refresh_token: Option<String>,
    scope: Option<String>,
    id_token: Option<String>,
    client_info: Option<String>,
    #[serde(default)]
    expires_in: Value,
    #[serde(default)]
    expires_on: Value,
    #[serde(default)]
    refresh_in: Value,
}

/// Reads a 2xx body. `requested` stands in for an absent `scope` (RFC 6749 §5.1: absent means as requested).
pub(super) fn read(body: &[u8], started: Started, requested: &[String]) -> Result<Tokens, Unusable> {
    let body: Body = serde_json::from_slice(body).map_err(|_| Unusable::Shape)?;
    check_type(body.token_type.as_deref())?;
    let life = life(&body, started.at)?;
    let identity = Identity::new(body.id_token.as_deref(), body.client_info.as_deref());
    let access_token = body
        .access_token
        .filter(|t| is_b64token(t))
        .ok_or(Unusable::AccessToken)?;
    let refresh_token = body.refresh_token.filter(|t| is_vschar(t));
    Ok(Tokens {
        granted: Granted {
            issued_at: started.at,
            expires_at: started.at.plus(life),
            refresh_at: seconds(&body.refresh_in)
                .filter(|s| (1..life).contains(s))
                .map(|s| started.at.plus(s)),
            answered_at: identity.issued_at().unwrap_or(started.answered_at),
            scopes: body.scope.as_deref().map_or_else(|| requested.to_vec(), scopes),
            account: identity.account(),
            has_refresh_token: refresh_token.is_some(),
            clock_skew: started.skew,
            unusable: None,
            refresh_token_life: None,
        },
        access_token: Secret::new(access_token),
        refresh_token: refresh_token.map(Secret::new),
    })
}

fn check_type(token_type: Option<&str>) -> Result<(), Unusable> {
    let bearer = token_type.is_some_and(|t| t.eq_ignore_ascii_case("bearer"));
    if bearer { Ok(()) } else { Err(Unusable::TokenType) }
}

/// `expires_in`, else what `expires_on` leaves.
fn life(body: &Body, started: Time) -> Result<i64, Unusable> {
    seconds(&body.expires_in)
        .or_else(|| Some(Time(seconds(&body.expires_on)?).since(started)))
        .filter(|life| (1..=LIFE_MAX).contains(life))
        .ok_or(Unusable::Life)
}

/// A whole number, or its text (v1 endpoints, B2C and ADFS send text).
fn seconds(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn scopes(text: &str) -> Vec<String> {
    text.split_ascii_whitespace()
        .filter(|scope| scope.len() <= SCOPE_LEN_MAX && is_vschar(scope))
        .take(SCOPES_MAX)
        .map(str::to_owned)
        .collect()
}

/// `b64token` of RFC 6750 §2.1: what fits into an `Authorization` header.
fn is_b64token(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    !text.is_empty() && text.bytes().all(allowed)
}

/// Visible ASCII: RFC 6749 Appendix A.17 without the space.
fn is_vschar(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const STARTED: Started = Started {
        at: Time(1000),
        answered_at: Time(1002),
        skew: None,
    };

    fn good() -> Value {
        json!({"token_type": "Bearer", "scope": "api://x/access email openid profile", "expires_in": 4294,
            "ext_expires_in": 4294, "access_token": "eyJ0.e-_.x", "refresh_token": "1.AXoA", "unknown": [1]})
    }

    fn with(field: &str, value: Value) -> Value {
        let mut body = good();
        body[field] = value;
        body
    }

    fn parse(body: &Value) -> Result<Tokens, Unusable> {
        read(body.to_string().as_bytes(), STARTED, &["asked".to_owned()])
    }

    #[test]
    fn reads_entras_answer() {
        let tokens = parse(&good()).unwrap();
        assert_eq!(tokens.granted.issued_at, Time(1000));
        assert_eq!(tokens.granted.expires_at, Time(5294));
        assert_eq!(tokens.granted.answered_at, Time(1002));
        assert_eq!(
            tokens.granted.scopes,
            ["api://x/access", "email", "openid", "profile"]
        );
        assert!(tokens.granted.has_refresh_token && tokens.granted.refresh_at.is_none());
        assert_eq!(tokens.access_token.expose(), "eyJ0.e-_.x");
        assert_eq!(tokens.refresh_token.unwrap().expose(), "1.AXoA");
    }

    #[test]
    fn numbers_may_be_text() {
        let mut body = with("expires_in", json!("3600"));
        body["refresh_in"] = json!(" 1800 ");
        let granted = parse(&body).unwrap().granted;
        assert_eq!(
            (granted.expires_at, granted.refresh_at),
            (Time(4600), Some(Time(2800)))
        );
    }

    #[test]
    fn expires_on_stands_in_for_expires_in() {
        let mut body = with("expires_on", json!("1900"));
        body["expires_in"] = json!(null);
        assert_eq!(parse(&body).unwrap().granted.expires_at, Time(1900));
    }

    #[test]
    fn lives_out_of_bounds_are_refused() {
        for life in [
            json!(0),
            json!(-5),
            json!(48 * 3600 + 1),
            json!("soon"),
            json!(null),
            json!(1.5),
            json!([]),
        ] {
            assert_eq!(parse(&with("expires_in", life)).unwrap_err(), Unusable::Life);
        }
        assert!(parse(&with("expires_in", json!(1))).is_ok());
        assert!(parse(&with("expires_in", json!(48 * 3600))).is_ok());
    }

    #[test]
    fn an_odd_refresh_in_is_ignored() {
        for odd in [
            json!("x"),
            json!(-1),
            json!(0),
            json!(9999),
            json!({}),
            json!(null),
        ] {
            assert_eq!(parse(&with("refresh_in", odd)).unwrap().granted.refresh_at, None);
        }
    }

    #[test]
    fn absent_scope_means_as_requested() {
        assert_eq!(
            parse(&with("scope", json!(null))).unwrap().granted.scopes,
            ["asked"]
        );
    }

    #[test]
    fn only_bearer_tokens_are_taken() {
        assert!(parse(&with("token_type", json!("bearer"))).is_ok());
        for other in [json!("pop"), json!(null), json!("")] {
            assert_eq!(
                parse(&with("token_type", other)).unwrap_err(),
                Unusable::TokenType
            );
        }
    }

    #[test]
    fn an_access_token_must_fit_into_a_header() {
        for bad in [
            json!(""),
            json!("a b"),
            json!("a\r\nX: y"),
            json!("ä"),
            json!(null),
        ] {
            assert_eq!(
                parse(&with("access_token", bad)).unwrap_err(),
                Unusable::AccessToken
            );
        }
        assert!(parse(&with("access_token", json!("EwB+/a=="))).is_ok());
    }

    #[test]
    fn a_missing_refresh_token_is_said() {
        let tokens = parse(&with("refresh_token", json!(null))).unwrap();
        assert!(tokens.refresh_token.is_none() && !tokens.granted.has_refresh_token);
    }

    #[test]
    fn debug_of_tokens_shows_no_token() {
        let shown = format!("{:?}", parse(&good()).unwrap());
        assert!(!shown.contains("eyJ0") && !shown.contains("AXoA"), "{shown}");
    }

    proptest! {
        #[test]
        fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _seen = read(&bytes, STARTED, &[]);
        }

        #[test]
        fn odd_fields_never_panic(field in "token_type|scope|expires_in|expires_on|refresh_in|id_token|client_info",
                                  text in ".{0,30}", number in any::<i64>()) {
            for value in [json!(text), json!(number), json!([text]), json!({"a": number})] {
                if let Ok(tokens) = parse(&with(&field, value)) {
                    prop_assert!(tokens.granted.expires_at > tokens.granted.issued_at);
                }
            }
        }
    }
}
