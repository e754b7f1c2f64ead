//! Looks for secrets where they must not be: in everything that etcd ever held, and in the logs.
//!
//! Guarantee: it also looks where they must be. A search that does not find those is broken, and says so.

use std::collections::BTreeSet;

use super::Error;
use super::cast::{self, CAST};
use super::scene::Scene;
use super::user::NAMESPACE;
use crate::search::{Place, holding};
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
    /// Where the password is, except in the login Secrets.
    pub(super) password_in: BTreeSet<String>,
    /// Where a search must find something and did not.
    pub(super) missed: BTreeSet<String>,
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
    let logins: BTreeSet<_> = CAST.iter().map(|role| key_of(role.login)).collect();
    let tokens: BTreeSet<_> = cast::tokens().map(key_of).collect();
    let password_in = holding(places, std::slice::from_ref(&password.to_owned()));
    let access_token_in = holding(places, access);
    let missed = [
        logins.difference(&password_in),
        tokens.difference(&access_token_in),
    ];
    Findings {
        values: places.len(),
        refresh_tokens: refresh.len(),
        access_tokens: access.len(),
        refresh_token_in: holding(places, refresh),
        missed: missed.into_iter().flatten().cloned().collect(),
        access_token_in: access_token_in.difference(&tokens).cloned().collect(),
        password_in: password_in.difference(&logins).cloned().collect(),
    }
}

fn key_of(secret: &str) -> String {
    format!("/registry/secrets/{NAMESPACE}/{secret}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_may_be_where_they_belong_only() {
        let places = [
            Place::new("/registry/events/e", "access-1 refresh-1".to_owned()),
            Place::new(&key_of("reporting-graph"), "access-1".to_owned()),
            Place::new(&key_of("reporting-login"), "password".to_owned()),
        ];
        let found = findings(
            &places,
            &["refresh-1".to_owned()],
            &["access-1".to_owned()],
            "password",
        );
        let event = BTreeSet::from(["/registry/events/e".to_owned()]);
        assert_eq!(found.refresh_token_in, event);
        assert_eq!(found.access_token_in, event);
        assert!(found.password_in.is_empty());
        assert!(
            found.missed.contains(&key_of("reporting-orders"))
                && found.missed.contains(&key_of("payroll-login"))
        );
        assert!(!found.missed.contains(&key_of("reporting-graph")));
    }
}
