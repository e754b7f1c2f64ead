//! Looks for secrets where they must not be: in everything that etcd ever held, and in the logs.
//!
//! Guarantee: it also looks where they must be. A search that does not find those is broken, and says so.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

use super::Error;
use super::scene::Scene;
use super::user::{LOGIN, NAMESPACE, TOKENS};
use crate::simulator::REFRESH_TOKEN_MARK;

/// What was searched and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// Values in the history of etcd.
    pub(super) values: usize,
    /// Refresh tokens that were issued.
    pub(super) refresh_tokens: usize,
    /// Access tokens that were issued.
    pub(super) access_tokens: usize,
    /// Where a refresh token is.
    pub(super) refresh_token_in: BTreeSet<String>,
    /// Where an access token is, except in the token Secrets.
    pub(super) access_token_in: BTreeSet<String>,
    /// Where the password is, except in the login Secret.
    pub(super) password_in: BTreeSet<String>,
    /// Where a search must find something and did not.
    pub(super) missed: BTreeSet<String>,
}

/// A name and what is there.
struct Place {
    name: String,
    text: String,
}

/// Searches; nothing without a control plane of ours.
pub(super) async fn search(scene: &Scene) -> Result<Option<Findings>, Error> {
    let Some(plane) = scene.plane() else {
        return Ok(None);
    };
    let mut places: Vec<_> = plane
        .etcd_history()
        .await?
        .into_iter()
        .map(Place::of_etcd)
        .collect();
    let values = places.len();
    places.push(Place::new("the operator's log", scene.operator.log()));
    let audit = std::fs::read_to_string(plane.audit_log_path());
    places.push(Place::new(
        "the audit log",
        audit.map_err(Error::io("read the audit log"))?,
    ));
    let (refresh, access): (Vec<_>, Vec<_>) = scene
        .simulator
        .secrets_issued()
        .into_iter()
        .partition(|secret| secret.starts_with(REFRESH_TOKEN_MARK));
    Ok(Some(Findings {
        values,
        ..findings(&places, &refresh, &access, &scene.password)
    }))
}

fn findings(places: &[Place], refresh: &[String], access: &[String], password: &str) -> Findings {
    let login = BTreeSet::from([key_of(LOGIN)]);
    let tokens: BTreeSet<_> = TOKENS.iter().map(|name| key_of(name)).collect();
    let password_in = holding(places, std::slice::from_ref(&password.to_owned()));
    let access_token_in = holding(places, access);
    let missed = [
        login.difference(&password_in),
        tokens.difference(&access_token_in),
    ];
    Findings {
        values: places.len(),
        refresh_tokens: refresh.len(),
        access_tokens: access.len(),
        refresh_token_in: holding(places, refresh),
        missed: missed.into_iter().flatten().cloned().collect(),
        access_token_in: access_token_in.difference(&tokens).cloned().collect(),
        password_in: password_in.difference(&login).cloned().collect(),
    }
}

/// Names of the places that hold any of these secrets in any form.
fn holding(places: &[Place], secrets: &[String]) -> BTreeSet<String> {
    let forms: BTreeSet<_> = secrets.iter().flat_map(|secret| forms(secret)).collect();
    let holds = |place: &&Place| forms.iter().any(|form| place.text.contains(form.as_str()));
    places
        .iter()
        .filter(holds)
        .map(|place| place.name.clone())
        .collect()
}

/// Plain, URL-encoded with `+` or `%20`, and in both alphabets of base64 at each of the three positions that it
/// can have in a longer text.
fn forms(secret: &str) -> BTreeSet<String> {
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let percent = form.replace('+', "%20");
    let encoded = (0..3).flat_map(|shift| {
        let engines = [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD];
        engines.map(|engine| inside(&engine.encode(shifted(secret, shift)), secret.len(), shift))
    });
    encoded.chain([secret.to_owned(), form, percent]).collect()
}

fn shifted(secret: &str, shift: usize) -> Vec<u8> {
    [&[0; 3], secret.as_bytes()]
        .concat()
        .split_off(3_usize.saturating_sub(shift))
}

/// The characters that depend on the secret alone, and not on what stands before or behind it.
fn inside(encoded: &str, length: usize, shift: usize) -> String {
    let (from, to) = ((shift * 8).div_ceil(6), (shift + length) * 8 / 6);
    encoded.get(from..to).unwrap_or_default().to_owned()
}

fn key_of(secret: &str) -> String {
    format!("/registry/secrets/{NAMESPACE}/{secret}")
}

impl Place {
    fn new(name: &str, text: String) -> Self {
        Self {
            name: name.to_owned(),
            text,
        }
    }

    /// Secrets are ASCII, so that they survive in what is no text.
    fn of_etcd((key, value): (String, Vec<u8>)) -> Self {
        Self {
            name: key,
            text: String::from_utf8_lossy(&value).into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};

    use super::*;

    const SECRET: &str = "PWMARK-1-horse & battery=staple+%";

    fn is_found_in(text: &str) -> bool {
        let places = [Place::new("here", text.to_owned())];
        !holding(&places, &[SECRET.to_owned()]).is_empty()
    }

    #[test]
    fn a_secret_is_found_in_every_form() {
        let url: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        for text in [SECRET, &url, &url.replace('+', "%20")] {
            assert!(is_found_in(&format!("before {text} behind")), "{text}");
        }
        for before in ["", "a", "ab", "abc", "user:abcd"] {
            for behind in ["", "x", "xy", "xyz"] {
                let text = format!("{before}{SECRET}{behind}");
                assert!(is_found_in(&BASE64_STANDARD.encode(&text)), "{text}");
                assert!(is_found_in(&BASE64_URL_SAFE.encode(&text)), "{text}");
            }
        }
        assert!(!is_found_in("PWMARK-2-horse & battery=staple+%"));
    }

    #[test]
    fn secrets_may_be_where_they_belong_only() {
        let places = [
            Place::new(&key_of(LOGIN), SECRET.to_owned()),
            Place::new(&key_of("reporting-graph"), "access-1".to_owned()),
            Place::new("/registry/events/e", "access-1 refresh-1".to_owned()),
        ];
        let found = findings(
            &places,
            &["refresh-1".to_owned()],
            &["access-1".to_owned()],
            SECRET,
        );
        let event = BTreeSet::from(["/registry/events/e".to_owned()]);
        assert_eq!(found.refresh_token_in, event);
        assert_eq!(found.access_token_in, event);
        assert!(found.password_in.is_empty());
        assert_eq!(found.missed, BTreeSet::from([key_of("reporting-orders")]));
    }
}
