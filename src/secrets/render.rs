//! Renders the keys of a token Secret in the formats of the spec. There is no template language.
//!
//! JSON is made by a serializer, times are UTC, and every buffer that held a token is wiped.

use serde::Serialize;
use zeroize::Zeroizing;

use super::moment::timestamp;
use super::wiped::to_json;
use crate::api::{KeyFormat, TokenKey};
use crate::plan::answer::Granted;
use crate::reconcile::material::{Secret, SecretData};

/// The only token type that the operator accepts.
const BEARER: &str = "Bearer";

/// Data of a token Secret: one entry for each of `keys`. It fails only for what JSON cannot express, so never.
pub(super) fn render(keys: &[TokenKey], granted: &Granted, token: &Secret) -> serde_json::Result<SecretData> {
    let mut data = SecretData::default();
    for key in keys {
        let mut value = value(key.format, granted, token)?;
        data.insert(key.name.as_str(), std::mem::take(&mut *value));
    }
    Ok(data)
}

fn value(format: KeyFormat, granted: &Granted, token: &Secret) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    let plain = match format {
        KeyFormat::AccessToken => token.expose().as_bytes().to_vec(),
        KeyFormat::ExpiresOn => granted.expires_at.0.to_string().into_bytes(),
        KeyFormat::ExpiresAt => timestamp(granted.expires_at).to_string().into_bytes(),
        KeyFormat::AuthorizationHeader => [BEARER, " ", token.expose()].concat().into_bytes(),
        KeyFormat::TokenJson => return to_json(&TokenJson::new(granted, token)),
        KeyFormat::AzureCliJson => return to_json(&AzureCliJson::new(granted, token)),
    };
    Ok(Zeroizing::new(plain))
}

/// Names of RFC 6749 §5.1, with the expiry as a moment: a mounted file has no time of its own.
#[derive(Serialize)]
struct TokenJson<'a> {
    token_type: &'a str,
    access_token: &'a str,
    expires_on: i64,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
}

impl<'a> TokenJson<'a> {
    fn new(granted: &'a Granted, token: &'a Secret) -> Self {
        Self {
            token_type: BEARER,
            access_token: token.expose(),
            expires_on: granted.expires_at.0,
            scope: granted.scopes.join(" "),
            tenant: tenant(granted),
        }
    }
}

/// What `az account get-access-token --tenant` prints, in its order: a tenant-level account has no `subscription`.
///
/// The CLI gives `expiresOn` in the local time of its machine; this is UTC, which is local time in nearly every
/// container. Since CLI 2.54 `expires_on`, in Unix seconds, says the same without doubt.
#[derive(Serialize)]
struct AzureCliJson<'a> {
    #[serde(rename = "accessToken")]
    access_token: &'a str,
    #[serde(rename = "expiresOn")]
    expires_on_text: String,
    expires_on: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(rename = "tokenType")]
    token_type: &'a str,
}

impl<'a> AzureCliJson<'a> {
    fn new(granted: &'a Granted, token: &'a Secret) -> Self {
        Self {
            access_token: token.expose(),
            expires_on_text: timestamp(granted.expires_at)
                .strftime("%Y-%m-%d %H:%M:%S.000000")
                .to_string(),
            expires_on: granted.expires_at.0,
            tenant: tenant(granted),
            token_type: BEARER,
        }
    }
}

/// GUID of the tenant that issued the token, if the answer named it.
fn tenant(granted: &Granted) -> Option<&str> {
    granted.account.as_ref().map(|a| a.tenant_id.as_str())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::plan::Time;
    use crate::plan::answer::Account;

    fn granted() -> Granted {
        Granted {
            issued_at: Time(1_795_328_677),
            expires_at: Time(1_795_332_277),
            refresh_at: None,
            answered_at: Time(1_795_328_677),
            scopes: vec!["User.Read".to_owned(), "Mail.Read".to_owned()],
            account: Some(Account {
                tenant_id: "t-1".to_owned(),
                ..Account::default()
            }),
            has_refresh_token: true,
            clock_skew: None,
            unusable: None,
            refresh_token_life: None,
        }
    }

    fn rendered(format: KeyFormat, granted: &Granted) -> String {
        let keys = [TokenKey {
            name: "key".to_owned(),
            format,
        }];
        let data = render(&keys, granted, &Secret::new("a.b\"c".to_owned())).unwrap();
        String::from_utf8(data.get("key").unwrap().to_vec()).unwrap()
    }

    #[test]
    fn each_format_has_its_golden_value() {
        for (format, expected) in [
            (KeyFormat::AccessToken, "a.b\"c"),
            (KeyFormat::ExpiresOn, "1795332277"),
            (KeyFormat::ExpiresAt, "2026-11-22T07:24:37Z"),
            (KeyFormat::AuthorizationHeader, "Bearer a.b\"c"),
            (
                KeyFormat::TokenJson,
                r#"{"token_type":"Bearer","access_token":"a.b\"c","expires_on":1795332277,"scope":"User.Read Mail.Read","tenant":"t-1"}"#,
            ),
            (
                KeyFormat::AzureCliJson,
                r#"{"accessToken":"a.b\"c","expiresOn":"2026-11-22 07:24:37.000000","expires_on":1795332277,"tenant":"t-1","tokenType":"Bearer"}"#,
            ),
        ] {
            assert_eq!(rendered(format, &granted()), expected, "{format:?}");
        }
    }

    #[test]
    fn an_unknown_tenant_is_left_out() {
        let nameless = Granted {
            account: None,
            ..granted()
        };
        for format in [KeyFormat::TokenJson, KeyFormat::AzureCliJson] {
            let json: serde_json::Value = serde_json::from_str(&rendered(format, &nameless)).unwrap();
            assert!(json.get("tenant").is_none() && json.get("expires_on").is_some());
        }
    }

    #[test]
    fn every_key_is_written_and_no_other() {
        let keys = [("token", KeyFormat::AccessToken), ("until", KeyFormat::ExpiresAt)];
        let keys = keys.map(|(name, format)| TokenKey {
            name: name.to_owned(),
            format,
        });
        let data = render(&keys, &granted(), &Secret::new("q7Zk".to_owned())).unwrap();
        assert_eq!(
            data.iter().map(|(key, _)| key).collect::<Vec<_>>(),
            ["token", "until"]
        );
        assert!(!format!("{data:?}").contains("q7Zk"));
    }
}
