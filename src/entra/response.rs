//! A successful token response (RFC 6749 §5.1), read as tolerantly as the most tolerant MSAL does.
//!
//! # Guarantees
//!
//! - An answer with a usable refresh token is never thrown away: what is odd about the rest is told beside it.
//! - A token is never taken for living longer than any of the answer's own statements says.

use jiff::Timestamp;
use serde_json::{Map, Value};
use zeroize::Zeroize as _;

use super::account::{Identity, payload};
use super::clock::Started;
use crate::plan::Time;
use crate::plan::answer::Granted;
use crate::reconcile::material::Secret;
use crate::reconcile::ports::Tokens;

/// Longest life that is planned with: CAE tokens have 28 hours, a lifetime policy allows 24. A longer one is renewed as
/// if it had this.
const LIFE_MAX: i64 = 48 * 3600;

/// Longest life of a refresh token that is told apart from longer ones: ten years.
const REFRESH_TOKEN_LIFE_MAX: i64 = 10 * 365 * 86_400;

/// Life of a token about which the answer says nothing: RFC 6749 §5.1 only recommends `expires_in`.
const LIFE_UNTOLD: i64 = 600;

/// Most scopes that are kept, and the longest of them: the spec allows 20 of 256 characters per entry, `.default`
/// expands to all that were consented.
const SCOPES_MAX: usize = 256;
const SCOPE_LEN_MAX: usize = 512;

/// What is odd about a body. Names no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Odd {
    /// Not a JSON object.
    #[error("the body is not a token response")]
    Shape,
    /// `token_type` is absent or not `Bearer`.
    #[error("the access token is not called a bearer token")]
    TokenType,
    /// The access token is absent or holds characters that RFC 6750 §2.1 forbids.
    #[error("the access token is missing or malformed")]
    AccessToken,
    /// A life that is over before it began.
    #[error("the access token has no life left")]
    Life,
}

/// What was asked for, as far as the answer is read by it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// Stands in for an absent `scope` (RFC 6749 §5.1: absent means as requested).
    pub(super) scopes: &'a [String],
    /// Whether the request asked for `client_info`.
    pub(super) client_info: bool,
}

/// The members of a response (RFC 6749 §5.1); those that are not known are ignored. Texts are wiped, whatever is odd.
struct Body(Map<String, Value>);

impl Drop for Body {
    fn drop(&mut self) {
        for value in self.0.values_mut() {
            if let Value::String(text) = value {
                text.zeroize();
            }
        }
    }
}

impl Body {
    /// The first value of the text, so that what a gateway appends does not cost the tokens.
    fn read(body: &[u8]) -> Result<Self, Odd> {
        match serde_json::Deserializer::from_slice(body).into_iter().next() {
            Some(Ok(Value::Object(members))) => Ok(Self(members)),
            _ => Err(Odd::Shape),
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A member that becomes a secret: moved, not copied.
    fn secret(&mut self, name: &str) -> Option<Secret> {
        match self.0.remove(name)? {
            Value::String(text) => Some(Secret::new(text)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn seconds(&self, name: &str) -> Option<i64> {
        seconds(self.0.get(name)?)
    }

    fn scopes(&self) -> Option<Vec<String>> {
        let scopes = match self.0.get("scope")? {
            Value::String(text) => scopes(text.split_ascii_whitespace()),
            Value::Array(values) => scopes(values.iter().filter_map(Value::as_str)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
        };
        Some(scopes).filter(|scopes| !scopes.is_empty())
    }

    fn identity(&self, asked: Asked<'_>) -> Identity {
        let client_info = self.text("client_info").filter(|_| asked.client_info);
        Identity::new(self.text("id_token"), client_info)
    }

    /// The shortest life that is stated, from `started` on.
    fn life(&self, started: Time) -> i64 {
        let until = |end: Option<i64>| end.map(|end| Time(end).since(started));
        let lives = [
            self.seconds("expires_in"),
            until(self.0.get("expires_on").and_then(moment)),
            until(self.text("access_token").and_then(expiry)),
        ];
        let shortest = lives.into_iter().flatten().min();
        shortest.unwrap_or(LIFE_UNTOLD).min(LIFE_MAX)
    }
}

/// Reads a 2xx body: the tokens, and what is odd about the access token if they are kept for the refresh token's sake.
pub(super) fn read(body: &[u8], started: Started, asked: Asked<'_>) -> Result<(Tokens, Option<Odd>), Odd> {
    let mut body = Body::read(body)?;
    let life = body.life(started.at);
    let identity = body.identity(asked);
    let refresh_token = body.secret("refresh_token").filter(|t| is_vschar(t.expose()));
    let granted = Granted {
        issued_at: started.at,
        expires_at: started.at.plus(life.max(0)),
        refresh_at: body
            .seconds("refresh_in")
            .filter(|s| (1..life).contains(s))
            .map(|s| started.at.plus(s)),
        answered_at: identity.issued_at().unwrap_or(started.answered_at),
        scopes: body.scopes().unwrap_or_else(|| asked.scopes.to_vec()),
        account: identity.account(),
        has_refresh_token: refresh_token.is_some(),
        unusable: None,
        refresh_token_life: body
            .seconds("refresh_token_expires_in")
            .filter(|s| *s > 0)
            .map(|s| s.min(REFRESH_TOKEN_LIFE_MAX)),
        redeemed_stays_valid: false,
        checked_by: None,
    };
    let (access_token, odd) = match access_token(&mut body, life) {
        Ok(token) => (token, None),
        Err(odd) if refresh_token.is_some() => (Secret::new(String::new()), Some(odd)),
        Err(odd) => return Err(odd),
    };
    let tokens = Tokens {
        granted,
        access_token,
        refresh_token,
    };
    Ok((tokens, odd))
}

fn access_token(body: &mut Body, life: i64) -> Result<Secret, Odd> {
    let token = body.secret("access_token").filter(|t| is_b64token(t.expose()));
    let token = token.ok_or(Odd::AccessToken)?;
    let bearer = body
        .text("token_type")
        .is_some_and(|t| t.trim().eq_ignore_ascii_case("bearer"));
    match (bearer, life) {
        (false, _) => Err(Odd::TokenType),
        (true, ..=0) => Err(Odd::Life),
        (true, _) => Ok(token),
    }
}

/// `exp` of an access token that is a JWT. That of Entra ID is opaque to clients by contract, but a token that says of
/// itself that it is over is over.
fn expiry(token: &str) -> Option<i64> {
    seconds(payload(token)?.get("exp")?)
}

/// A number in any form: whole, broken, with an exponent, or the text of one (v1 endpoints, B2C and AD FS send text).
fn seconds(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| whole(text.parse().ok()?))
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Largest number of seconds that is told apart from larger ones; some thirty million years.
const SECONDS_MAX: f64 = 1e15;

/// Without its fraction; infinity and what is no number count as nothing told.
fn whole(number: f64) -> Option<i64> {
    let bounded = number
        .is_finite()
        .then(|| number.clamp(-SECONDS_MAX, SECONDS_MAX))?;
    format!("{:.0}", bounded.trunc()).parse().ok()
}

/// A point in time: Unix seconds in any form, or RFC 3339 (MSAL Go meets both in `expires_on`).
fn moment(value: &Value) -> Option<i64> {
    seconds(value).or_else(|| Some(value.as_str()?.trim().parse::<Timestamp>().ok()?.as_second()))
}

fn scopes<'t>(names: impl Iterator<Item = &'t str>) -> Vec<String> {
    names
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
mod tests;
