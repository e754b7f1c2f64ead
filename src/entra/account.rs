//! Whose token an answer brings: `client_info` and the payload of the id_token.
//!
//! The id_token's signature is not checked: it comes straight from the token endpoint over TLS (OpenID Connect Core
//! 1.0 §3.1.3.7 item 6), as in every MSAL.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use crate::plan::Time;
use crate::plan::answer::Account;

/// base64url with or without padding: JWTs have none (RFC 7515 §2), some issuers add it.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Longest identifier that is believed: GUIDs have 36 characters, pairwise subjects 43.
const IDENTIFIER_MAX: usize = 128;

/// Longest `sub` (OpenID Connect Core 1.0 §2).
const SUBJECT_MAX: usize = 255;

/// Longest user name that is kept: the directory's limit for a UPN is 113 characters, an address has 254.
const USERNAME_MAX: usize = 256;

/// Claims of an id_token and of `client_info`; absent or damaged ones count as empty.
#[derive(Debug, Default)]
pub(super) struct Identity {
    id_token: Value,
    client_info: Value,
}

/// Longest `iss` that is believed: a URL (OpenID Connect Core 1.0 §2).
const ISSUER_MAX: usize = 512;

impl Identity {
    /// Decodes both; neither is required. `client_info` is to be given only where it was asked for: elsewhere nobody
    /// says what it means.
    pub(super) fn new(id_token: Option<&str>, client_info: Option<&str>) -> Self {
        Self {
            id_token: id_token.and_then(payload).unwrap_or_default(),
            client_info: client_info.and_then(json).unwrap_or_default(),
        }
    }

    /// `iat` of the id_token.
    pub(super) fn issued_at(&self) -> Option<Time> {
        self.id_token.get("iat").and_then(Value::as_i64).map(Time)
    }

    /// The account, by each kind of identifier that the answer gives; `None` if it gives none. No kind stands in for
    /// another: one answer has this, the next one that, and what is compared must mean the same.
    pub(super) fn account(&self) -> Option<Account> {
        let (home, user, subject) = (self.home(), self.user(), self.subject());
        if home.is_none() && user.is_none() && subject.is_none() {
            return None;
        }
        let (object_id, tenant_id) = user.unwrap_or_default();
        let (issuer, subject) = subject.unwrap_or_default();
        Some(Account {
            home_account_id: home.unwrap_or_default(),
            object_id,
            tenant_id,
            issuer,
            subject,
            username: self.username(),
        })
    }

    /// `uid.utid`, MSAL's account key. For a guest both differ from `oid` and `tid`.
    fn home(&self) -> Option<String> {
        Some(format!("{}.{}", self.info("uid")?, self.info("utid")?))
    }

    /// `oid` and `tid`: the user in the tenant that issued the token.
    fn user(&self) -> Option<(String, String)> {
        Some((self.claim("oid")?, self.claim("tid")?))
    }

    /// `iss` and `sub`: a subject is unique at its issuer only (OpenID Connect Core 1.0 §2).
    fn subject(&self) -> Option<(String, String)> {
        let issuer = visible(self.id_token.get("iss")?, ISSUER_MAX)?;
        Some((issuer, visible(self.id_token.get("sub")?, SUBJECT_MAX)?))
    }

    fn username(&self) -> String {
        ["preferred_username", "upn", "email", "name"]
            .iter()
            .find_map(|claim| self.id_token.get(claim)?.as_str().filter(|text| !text.is_empty()))
            .map(printable)
            .unwrap_or_default()
    }

    fn claim(&self, name: &str) -> Option<String> {
        identifier(self.id_token.get(name)?)
    }

    fn info(&self, name: &str) -> Option<String> {
        identifier(self.client_info.get(name)?)
    }
}

/// Payload of a JWT in compact form.
pub(super) fn payload(jwt: &str) -> Option<Value> {
    json(jwt.split('.').nth(1)?)
}

fn json(base64url: &str) -> Option<Value> {
    serde_json::from_slice(&BASE64URL.decode(base64url).ok()?).ok()
}

/// Any visible ASCII: as subjects, AD FS writes base64, other providers a name of the user's source before it.
fn visible(value: &Value, most: usize) -> Option<String> {
    let text = value.as_str()?;
    let well_formed = (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    well_formed.then(|| text.to_owned())
}

/// A GUID or its like; anything else is not an identifier of Entra ID.
fn identifier(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let well_formed = (1..=IDENTIFIER_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    well_formed.then(|| text.to_owned())
}

fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(USERNAME_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn encoded(value: &Value) -> String {
        BASE64URL.encode(value.to_string())
    }

    fn jwt(claims: &Value) -> String {
        format!("e30.{}.sig", encoded(claims))
    }

    #[test]
    fn a_guests_home_account_differs_from_oid_and_tid() {
        let id_token = jwt(&json!({"oid": "o-1", "sub": "s", "tid": "t-1", "upn": "u@x", "iat": 7}));
        let client_info = encoded(&json!({"uid": "u-2", "utid": "t-2"}));
        let identity = Identity::new(Some(&id_token), Some(&client_info));
        let account = identity.account().unwrap();
        assert_eq!(account.home_account_id, "u-2.t-2");
        assert_eq!(
            (account.object_id.as_str(), account.tenant_id.as_str()),
            ("o-1", "t-1")
        );
        assert_eq!(account.username, "u@x");
        assert_eq!(identity.issued_at(), Some(Time(7)));
    }

    #[test]
    fn each_kind_of_identifier_stands_for_itself_alone() {
        let kinds = |id_token: Value, client_info: Value| {
            let identity = Identity::new(Some(&jwt(&id_token)), Some(&encoded(&client_info)));
            identity.account().map(|a| {
                let user = format!("{}/{}", a.object_id, a.tenant_id);
                (a.home_account_id, user, format!("{}/{}", a.issuer, a.subject))
            })
        };
        let some = |home: &str, user: &str, subject: &str| {
            Some((home.to_owned(), user.to_owned(), subject.to_owned()))
        };
        let (nothing, name) = (json!({}), json!({"upn": "u@x"}));
        let info = json!({"uid": "u", "utid": "t"});
        assert_eq!(kinds(nothing.clone(), info.clone()), some("u.t", "/", "/"));
        assert_eq!(
            kinds(json!({"oid": "o", "tid": "t"}), nothing.clone()),
            some("", "o/t", "/")
        );
        assert_eq!(
            kinds(json!({"iss": "i", "sub": "s"}), nothing),
            some("", "/", "i/s")
        );
        let all = json!({"oid": "o", "tid": "t", "iss": "i", "sub": "s"});
        assert_eq!(kinds(all, info), some("u.t", "o/t", "i/s"));
        for half in [
            json!({"oid": "o", "sub": "s"}),
            json!({"tid": "t", "iss": "i"}),
            name,
        ] {
            assert_eq!(kinds(half, json!({"uid": "u"})), None);
        }
        assert!(Identity::new(None, None).account().is_none());
    }

    #[test]
    fn display_name_falls_back_claim_by_claim() {
        let name = |claims: &Value| Identity::new(Some(&jwt(claims)), None).username();
        assert_eq!(
            name(&json!({"preferred_username": "p", "upn": "u", "email": "e", "name": "n"})),
            "p"
        );
        assert_eq!(
            name(&json!({"preferred_username": "", "email": "e", "name": "n"})),
            "e"
        );
        assert_eq!(name(&json!({"name": "n\n\u{7}"})), "n");
        assert_eq!(name(&json!({"name": 3})), "");
    }

    #[test]
    fn texts_that_are_no_identifiers_are_ignored() {
        for bad in [
            json!(""),
            json!("a b"),
            json!("a\nb"),
            json!("x".repeat(129)),
            json!(1),
            json!(null),
        ] {
            assert!(
                Identity::new(Some(&jwt(&json!({"oid": bad, "tid": "t"}))), None)
                    .account()
                    .is_none()
            );
        }
    }

    #[test]
    fn subjects_are_visible_and_short() {
        let account = |sub: &str| Identity::new(Some(&jwt(&json!({"iss": "i", "sub": sub}))), None).account();
        for good in ["4Rg+h/0bQ4Q5xA==", "auth0|a.b:c@d", &"x".repeat(255)] {
            assert_eq!(account(good).unwrap().subject, good);
        }
        for bad in ["", "a b", "a\nb", "\u{e4}", &"x".repeat(256)] {
            assert!(account(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn padding_is_tolerated() {
        assert_eq!(json("e30="), Some(json!({})));
        assert_eq!(json("e30"), Some(json!({})));
    }

    proptest! {
        #[test]
        fn never_panics(id_token in ".{0,80}", client_info in ".{0,80}") {
            let identity = Identity::new(Some(&id_token), Some(&client_info));
            let _seen = (identity.account(), identity.issued_at());
        }
    }
}
