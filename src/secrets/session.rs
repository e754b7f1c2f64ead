//! A session as it is sealed: the refresh token, whose it is and the answer's time, as versioned JSON.
//!
//! Unknown fields are ignored, so that a later release of the same version can add some and be rolled back.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::wiped::{Text, to_json};
use crate::plan::Time;
use crate::plan::answer::Account;
use crate::plan::identity::{AccountTag, Pin, one_name};
use crate::reconcile::material::{Secret, StoredSession};
use crate::reconcile::ports::OpenError;

const VERSION: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    refresh_token: &'a str,
    account: WrittenAccount<'a>,
    answered_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<i64>,
    user: &'a str,
    tag: &'a str,
}

/// The first two are as the first form has them, where one kind of identifier stands in for another: who knows that form only
/// compares them with what an answer gives, and throws away what comes for anybody else.
#[derive(Serialize)]
struct WrittenAccount<'a> {
    home_account_id: String,
    object_id: &'a str,
    tenant_id: &'a str,
    username: &'a str,
    issuer: &'a str,
    subject: &'a str,
    named_home: &'a str,
    named_object: &'a str,
}

#[derive(Deserialize)]
struct Read {
    version: u32,
    refresh_token: Text,
    account: ReadAccount,
    answered_at: i64,
    #[serde(default)]
    ends_at: Option<i64>,
    #[serde(default)]
    user: String,
    #[serde(default)]
    tag: String,
}

#[derive(Deserialize)]
struct ReadAccount {
    home_account_id: String,
    object_id: String,
    tenant_id: String,
    username: String,
    #[serde(default)]
    issuer: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    named_home: Option<String>,
    #[serde(default)]
    named_object: Option<String>,
}

/// `session` as JSON, in a buffer that is wiped on drop.
pub(super) fn write(session: &StoredSession) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    to_json(&Written {
        version: VERSION,
        refresh_token: session.refresh_token.expose(),
        account: WrittenAccount::from(&session.pin),
        answered_at: session.answered_at.0,
        ends_at: session.ends_at.map(|at| at.0),
        user: &session.pin.user,
        tag: &session.pin.tag.0,
    })
}

/// The session in `json`. The parser's message is dropped: it may quote the token.
pub(super) fn read(json: &[u8]) -> Result<StoredSession, OpenError> {
    let read: Read = serde_json::from_slice(json).map_err(|_| OpenError::UnknownForm)?;
    if read.version != VERSION {
        return Err(OpenError::UnknownForm);
    }
    Ok(StoredSession {
        refresh_token: Secret::new(read.refresh_token.take()),
        answered_at: Time(read.answered_at),
        ends_at: read.ends_at.map(Time),
        pin: pin(read.account, read.user, read.tag),
    })
}

/// Sessions that were sealed before pins had user names go by the name that the answer showed.
fn pin(account: ReadAccount, user: String, tag: String) -> Pin {
    let account = Account::from(account);
    Pin {
        user: if user.is_empty() {
            account.username.to_lowercase()
        } else {
            user
        },
        tag: AccountTag(tag),
        account,
    }
}

impl<'a> From<&'a Pin> for WrittenAccount<'a> {
    fn from(Pin { user, account, .. }: &'a Pin) -> Self {
        let object = [&account.object_id, &account.subject];
        Self {
            home_account_id: one_name(account, user),
            object_id: object.into_iter().find(|id| !id.is_empty()).map_or("", |id| id),
            named_home: &account.home_account_id,
            named_object: &account.object_id,
            tenant_id: &account.tenant_id,
            username: &account.username,
            issuer: &account.issuer,
            subject: &account.subject,
        }
    }
}

impl From<ReadAccount> for Account {
    fn from(read: ReadAccount) -> Self {
        Self {
            home_account_id: read.named_home.unwrap_or(read.home_account_id),
            object_id: read.named_object.unwrap_or(read.object_id),
            tenant_id: read.tenant_id,
            username: read.username,
            issuer: read.issuer,
            subject: read.subject,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    const STORED: &str = r#"{"version":1,"refresh_token":"r\"t","account":{"home_account_id":"u.t","object_id":"o","tenant_id":"t","username":"n","issuer":"i","subject":"s","named_home":"u.t","named_object":"o"},"answered_at":12,"ends_at":28812,"user":"svc","tag":"a"}"#;
    /// As it was written before pins had a user name.
    const EARLIER: &str = r#"{"version":1,"refresh_token":"r","account":{"home_account_id":"u.t","object_id":"o","tenant_id":"t","username":"Svc"},"answered_at":12}"#;

    fn session() -> StoredSession {
        let account = Account {
            home_account_id: "u.t".to_owned(),
            object_id: "o".to_owned(),
            tenant_id: "t".to_owned(),
            username: "n".to_owned(),
            issuer: "i".to_owned(),
            subject: "s".to_owned(),
        };
        StoredSession {
            refresh_token: Secret::new("r\"t".to_owned()),
            pin: Pin {
                user: "svc".to_owned(),
                account,
                tag: AccountTag("a".to_owned()),
            },
            answered_at: Time(12),
            ends_at: Some(Time(28_812)),
        }
    }

    #[test]
    fn the_stored_form_is_stable() {
        assert_eq!(write(&session()).unwrap().as_slice(), STORED.as_bytes());
    }

    #[test]
    fn a_session_survives() {
        let back = read(STORED.as_bytes()).unwrap();
        assert_eq!(back.refresh_token.expose(), "r\"t");
        assert_eq!(
            (back.pin, back.answered_at, back.ends_at),
            (session().pin, Time(12), Some(Time(28_812)))
        );
    }

    #[test]
    fn an_earlier_form_is_pinned_by_the_name_that_was_shown() {
        let pin = read(EARLIER.as_bytes()).unwrap().pin;
        assert_eq!((pin.user.as_str(), pin.tag.0.as_str()), ("svc", ""));
        assert_eq!(pin.account.home_account_id, "u.t");
    }

    #[test]
    fn a_version_that_knows_the_first_form_only_finds_whom_an_answer_names() {
        let first = |home: &str, object: &str, tenant: &str| {
            let mut session = session();
            session.pin.account = Account {
                home_account_id: home.to_owned(),
                object_id: object.to_owned(),
                tenant_id: tenant.to_owned(),
                ..session.pin.account
            };
            let written: serde_json::Value = serde_json::from_slice(&write(&session).unwrap()).unwrap();
            let back = read(&write(&session).unwrap()).unwrap();
            assert_eq!(
                back.pin, session.pin,
                "what stands in is not taken for what was named"
            );
            let text = |name: &str| written["account"][name].as_str().unwrap().to_owned();
            (text("home_account_id"), text("object_id"))
        };
        let expected = |home: &str, object: &str| (home.to_owned(), object.to_owned());
        assert_eq!(first("u.t", "o", "t"), expected("u.t", "o"));
        assert_eq!(first("", "o", "t"), expected("o.t", "o"));
        assert_eq!(first("", "", ""), expected("s", "s"));
    }

    #[test]
    fn later_fields_are_ignored_and_later_versions_refused() {
        let later = STORED.replace("\"account\":{", "\"more\":[1],\"account\":{\"also\":null,");
        assert!(read(later.as_bytes()).is_ok());
        let next = STORED.replace("\"version\":1", "\"version\":2");
        assert_eq!(read(next.as_bytes()).err(), Some(OpenError::UnknownForm));
    }

    #[test]
    fn a_missing_or_misplaced_field_is_refused_without_quoting_it() {
        for (from, to) in [
            (",\"answered_at\":12", ""),
            ("12,", "\"r-secret\","),
            ("\"r\\\"t\"", "7"),
        ] {
            let error = read(STORED.replace(from, to).as_bytes()).err().unwrap();
            assert!(error == OpenError::UnknownForm && !format!("{error} {error:?}").contains("secret"));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_quietly(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read(&bytes).is_err());
        }

        #[test]
        fn any_token_survives(token in ".*") {
            let session = StoredSession { refresh_token: Secret::new(token.clone()), ..session() };
            let back = read(&write(&session).unwrap()).unwrap();
            prop_assert_eq!(back.refresh_token.expose(), token);
        }
    }
}
