//! A session as it is sealed: the refresh token, the pinned account and the answer's time, as versioned JSON.
//!
//! Unknown fields are ignored, so that a later release of the same version can add some and be rolled back.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::wiped::{Text, to_json};
use crate::plan::Time;
use crate::plan::answer::Account;
use crate::reconcile::material::{Secret, StoredSession};
use crate::reconcile::ports::OpenError;

const VERSION: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    refresh_token: &'a str,
    account: WrittenAccount<'a>,
    answered_at: i64,
}

#[derive(Serialize)]
struct WrittenAccount<'a> {
    home_account_id: &'a str,
    object_id: &'a str,
    tenant_id: &'a str,
    username: &'a str,
}

#[derive(Deserialize)]
struct Read {
    version: u32,
    refresh_token: Text,
    account: ReadAccount,
    answered_at: i64,
}

#[derive(Deserialize)]
struct ReadAccount {
    home_account_id: String,
    object_id: String,
    tenant_id: String,
    username: String,
}

/// `session` as JSON, in a buffer that is wiped on drop.
pub(super) fn write(session: &StoredSession) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    to_json(&Written {
        version: VERSION,
        refresh_token: session.refresh_token.expose(),
        account: WrittenAccount::from(&session.account),
        answered_at: session.answered_at.0,
    })
}

/// The session in `json`. The parser's message is dropped: it may quote the token.
pub(super) fn read(json: &[u8]) -> Result<StoredSession, OpenError> {
    let read: Read = serde_json::from_slice(json).map_err(|_| OpenError::Broken)?;
    if read.version != VERSION {
        return Err(OpenError::Broken);
    }
    Ok(StoredSession {
        refresh_token: Secret::new(read.refresh_token.take()),
        account: Account::from(read.account),
        answered_at: Time(read.answered_at),
    })
}

impl<'a> From<&'a Account> for WrittenAccount<'a> {
    fn from(account: &'a Account) -> Self {
        Self {
            home_account_id: &account.home_account_id,
            object_id: &account.object_id,
            tenant_id: &account.tenant_id,
            username: &account.username,
        }
    }
}

impl From<ReadAccount> for Account {
    fn from(read: ReadAccount) -> Self {
        Self {
            home_account_id: read.home_account_id,
            object_id: read.object_id,
            tenant_id: read.tenant_id,
            username: read.username,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    const STORED: &str = r#"{"version":1,"refresh_token":"r\"t","account":{"home_account_id":"u.t","object_id":"o","tenant_id":"t","username":"n"},"answered_at":12}"#;

    fn session() -> StoredSession {
        let account = Account {
            home_account_id: "u.t".to_owned(),
            object_id: "o".to_owned(),
            tenant_id: "t".to_owned(),
            username: "n".to_owned(),
            ..Account::default()
        };
        StoredSession {
            refresh_token: Secret::new("r\"t".to_owned()),
            account,
            answered_at: Time(12),
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
        assert_eq!((back.account, back.answered_at), (session().account, Time(12)));
    }

    #[test]
    fn later_fields_are_ignored_and_later_versions_refused() {
        let later = STORED.replace("\"account\":{", "\"more\":[1],\"account\":{\"also\":null,");
        assert!(read(later.as_bytes()).is_ok());
        let next = STORED.replace("\"version\":1", "\"version\":2");
        assert_eq!(read(next.as_bytes()).err(), Some(OpenError::Broken));
    }

    #[test]
    fn a_missing_or_misplaced_field_is_refused_without_quoting_it() {
        for (from, to) in [
            (",\"answered_at\":12", ""),
            ("12}", "\"r-secret\"}"),
            ("\"r\\\"t\"", "7"),
        ] {
            let error = read(STORED.replace(from, to).as_bytes()).err().unwrap();
            assert!(error == OpenError::Broken && !format!("{error} {error:?}").contains("secret"));
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
