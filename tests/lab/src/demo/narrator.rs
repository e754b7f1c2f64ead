//! Turns two states of an object into the sentence that tells the difference. Pure.

use entra_operator::api::{EntraCredentialStatus, LOGIN_TYPE, REFRESH_TOKEN_TYPE};
use jiff::Timestamp;

use super::screen::Paint;
use super::watch::SecretFacts;

/// A sentence and its colour; nothing if there is nothing to tell.
pub(crate) type Sentence = Option<(String, Paint)>;

/// What happened to a Secret. `renewals` counts this one, if it is one.
pub(crate) fn secret(
    before: Option<&SecretFacts>,
    after: &SecretFacts,
    renewals: usize,
    now: Timestamp,
) -> Sentence {
    match after.kind.as_str() {
        LOGIN_TYPE => login(before, after),
        REFRESH_TOKEN_TYPE => refresh_token(before, after),
        _ => token(before, after, renewals, now),
    }
}

/// The end of a Secret.
pub(crate) fn secret_gone(last: &SecretFacts) -> (String, Paint) {
    if last.kind == LOGIN_TYPE {
        return ("DELETED, and the password with it".to_owned(), Paint::Strong);
    }
    ("deleted".to_owned(), Paint::Bad)
}

fn login(before: Option<&SecretFacts>, after: &SecretFacts) -> Sentence {
    let claimed = before.and_then(|before| before.claimed_by.as_ref());
    match (before, &after.claimed_by) {
        (None, _) => Some((format!("created by the user, type {LOGIN_TYPE}"), Paint::Plain)),
        (Some(_), Some(name)) if claimed.is_none() => Some((format!("claimed for {name}"), Paint::Plain)),
        _ => None,
    }
}

fn refresh_token(before: Option<&SecretFacts>, after: &SecretFacts) -> Sentence {
    let stored = before.and_then(|before| before.sealed.as_ref());
    let (text, paint) = match (before, stored, &after.sealed) {
        (None, _, None) => ("created: the coming sign-in is recorded, sealed", Paint::Plain),
        (_, None, Some(_)) => ("the refresh token is stored, sealed", Paint::Good),
        (_, Some(old), Some(new)) if old != new => ("a newer refresh token is stored, sealed", Paint::Dim),
        (_, Some(_), None) => ("the refresh token was removed", Paint::Bad),
        _ => return None,
    };
    Some((text.to_owned(), paint))
}

fn token(before: Option<&SecretFacts>, after: &SecretFacts, renewals: usize, now: Timestamp) -> Sentence {
    let new = after.expires_at?;
    let Some(old) = before.and_then(|before| before.expires_at) else {
        let text = format!(
            "created: expires {}, renewal due {}",
            clock(Some(new)),
            clock(after.refresh_at)
        );
        return Some((text, Paint::Good));
    };
    let left = old.duration_since(now).as_secs();
    let renewed = || {
        let times = (clock(Some(old)), clock(Some(new)));
        format!(
            "renewal {renewals}: expiry {} -> {}, {left} s before the old one",
            times.0, times.1
        )
    };
    (old != new).then(|| (renewed(), Paint::Good))
}

/// What changed for the credential: only what its columns show, as routine renewals change nothing there.
pub(crate) fn credential(before: Option<&EntraCredentialStatus>, after: &EntraCredentialStatus) -> Sentence {
    let Some(text) = columns(after) else {
        return before
            .is_none()
            .then(|| ("created by the user".to_owned(), Paint::Plain));
    };
    (before.and_then(columns).as_ref() != Some(&text)).then(|| {
        let paint = if is(after, "Ready") {
            Paint::Good
        } else {
            Paint::Plain
        };
        (text, paint)
    })
}

/// `Ready=True Fresh, LoggedIn=True`, and the message of a failure.
pub(crate) fn columns(status: &EntraCredentialStatus) -> Option<String> {
    let ready = status.conditions.iter().find(|c| c.type_ == "Ready")?;
    let logged_in = if is(status, "LoggedIn") { "True" } else { "False" };
    let failure = status.failure.as_ref().map(|f| format!(": {}", f.message));
    let failure = failure.unwrap_or_default();
    Some(format!(
        "Ready={} {}, LoggedIn={logged_in}{failure}",
        ready.status, ready.reason
    ))
}

/// Whether a condition is true.
pub(crate) fn is(status: &EntraCredentialStatus, condition: &str) -> bool {
    let mut conditions = status.conditions.iter();
    conditions.any(|c| c.type_ == condition && c.status == "True")
}

fn clock(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.strftime("%H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn facts(kind: &str) -> SecretFacts {
        SecretFacts {
            kind: kind.to_owned(),
            ..SecretFacts::default()
        }
    }

    fn told(before: Option<&SecretFacts>, after: &SecretFacts) -> String {
        secret(before, after, 1, at(10)).map_or_else(String::new, |(text, _)| text)
    }

    #[test]
    fn a_login_is_created_and_claimed_once() {
        let new = facts(LOGIN_TYPE);
        let claimed = SecretFacts {
            claimed_by: Some("reporting".to_owned()),
            ..new.clone()
        };
        assert_eq!(
            told(None, &new),
            "created by the user, type entra-operator.dev/login"
        );
        assert_eq!(told(Some(&new), &claimed), "claimed for reporting");
        assert_eq!(told(Some(&claimed), &claimed), "");
    }

    #[test]
    fn a_refresh_token_is_told_when_it_changes() {
        let recorded = facts(REFRESH_TOKEN_TYPE);
        let sealed = |text: &str| SecretFacts {
            sealed: Some(text.to_owned()),
            ..recorded.clone()
        };
        assert!(told(None, &recorded).contains("recorded"));
        assert_eq!(
            told(Some(&recorded), &sealed("a")),
            "the refresh token is stored, sealed"
        );
        assert_eq!(told(Some(&sealed("a")), &sealed("a")), "");
        assert!(told(Some(&sealed("a")), &sealed("b")).contains("newer"));
    }

    #[test]
    fn a_renewal_names_both_expiries() {
        let until = |second: i64| SecretFacts {
            expires_at: Some(at(second)),
            refresh_at: Some(at(second - 12)),
            ..facts("Opaque")
        };
        assert_eq!(
            told(None, &until(24)),
            "created: expires 00:00:24, renewal due 00:00:12"
        );
        assert_eq!(
            told(Some(&until(24)), &until(36)),
            "renewal 1: expiry 00:00:24 -> 00:00:36, 14 s before the old one"
        );
        assert_eq!(told(Some(&until(24)), &until(24)), "");
        assert_eq!(told(None, &facts("Opaque")), "");
    }
}
