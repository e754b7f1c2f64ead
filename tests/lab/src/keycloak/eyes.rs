//! What is seen on the API server, told as it happens and remembered.

use std::collections::BTreeMap;
use std::time::Duration;

use entra_operator::api::{
    EntraCredentialStatus, LOGIN_TYPE, REFRESH_TOKEN_TYPE, Reason, refresh_token_secret,
};
use futures::StreamExt as _;
use jiff::Timestamp;
use kube::Client;

use super::Error;
use super::cast::{NAMESPACE, Role};
use crate::demo::narrator;
use crate::demo::screen::{Paint, Screen};
use crate::demo::watch::{Change, Changes, SecretFacts, changes};

/// All that was seen.
pub(super) struct Eyes<'a> {
    screen: &'a Screen,
    changes: Changes,
    secrets: BTreeMap<String, SecretFacts>,
    statuses: BTreeMap<String, EntraCredentialStatus>,
    /// Every value that a token Secret or refresh-token Secret ever had, in order.
    history: BTreeMap<String, Vec<String>>,
}

impl<'a> Eyes<'a> {
    pub(super) fn open(screen: &'a Screen, client: &Client) -> Self {
        Self {
            screen,
            changes: changes(client, NAMESPACE),
            secrets: BTreeMap::new(),
            statuses: BTreeMap::new(),
            history: BTreeMap::new(),
        }
    }

    /// Looks on until that holds.
    pub(super) async fn until(
        &mut self,
        what: &str,
        within: Duration,
        holds: impl Fn(&Self) -> bool,
    ) -> Result<(), Error> {
        let seen = tokio::time::timeout(within, async {
            while !holds(self) {
                let change = self.changes.next().await.ok_or(Error::WatchEnded)?;
                self.see(change)?;
            }
            Ok(())
        })
        .await;
        seen.unwrap_or_else(|_| {
            Err(Error::Late {
                what: what.to_owned(),
                within,
                last: self.last(),
            })
        })
    }

    /// Looks on for a while.
    pub(super) async fn stay(&mut self, time: Duration) -> Result<(), Error> {
        match self.until("", time, |_| false).await {
            Err(Error::Late { .. }) => Ok(()),
            other => other,
        }
    }

    pub(super) fn is_ready(&self, role: &Role) -> bool {
        self.is(role, "Ready") && !self.has_login(role)
    }

    pub(super) fn is(&self, role: &Role, condition: &str) -> bool {
        self.statuses
            .get(role.name)
            .is_some_and(|status| narrator::is(status, condition))
    }

    /// Why it does not go on.
    pub(super) fn reason(&self, role: &Role) -> Option<Reason> {
        Some(self.statuses.get(role.name)?.failure.as_ref()?.reason)
    }

    /// Reason of its condition `Ready`.
    pub(super) fn readiness(&self, role: &Role) -> &str {
        let status = self.statuses.get(role.name);
        let ready = status.and_then(|status| status.conditions.iter().find(|c| c.type_ == "Ready"));
        ready.map_or("", |ready| ready.reason.as_str())
    }

    /// How often in a row.
    pub(super) fn failures(&self, role: &Role) -> i32 {
        let failure = self
            .statuses
            .get(role.name)
            .and_then(|status| status.failure.as_ref());
        failure.map_or(0, |failure| failure.consecutive)
    }

    /// Whether its password is still in the cluster.
    pub(super) fn has_login(&self, role: &Role) -> bool {
        self.secrets.contains_key(&role.login())
    }

    /// Access tokens that were published for it.
    pub(super) fn tokens(&self, role: &Role) -> &[String] {
        self.history.get(&role.token()).map_or(&[], Vec::as_slice)
    }

    /// Sealed refresh tokens that were stored for it.
    pub(super) fn sealed(&self, role: &Role) -> &[String] {
        self.history
            .get(&refresh_token_secret(role.name))
            .map_or(&[], Vec::as_slice)
    }

    fn see(&mut self, change: Change) -> Result<(), Error> {
        match change {
            Change::Secret(secret) => self.secret(secret),
            Change::SecretGone(last) => {
                self.secrets.remove(&last.name);
                let (text, paint) = narrator::secret_gone(&last);
                self.tell(&format!("Secret {}", last.name), &text, paint)
            }
            Change::Credential(name, status) => {
                let sentence = narrator::credential(self.statuses.get(&name), &status);
                self.statuses.insert(name.clone(), *status);
                sentence.map_or(Ok(()), |(text, paint)| {
                    self.tell(&format!("EntraCredential {name}"), &text, paint)
                })
            }
            Change::CredentialGone(_) => Ok(()),
        }
    }

    /// The Secrets of clients are not told.
    fn secret(&mut self, after: SecretFacts) -> Result<(), Error> {
        let value = if after.kind == REFRESH_TOKEN_TYPE {
            &after.sealed
        } else {
            &after.token
        };
        if value.is_none() && ![LOGIN_TYPE, REFRESH_TOKEN_TYPE].contains(&after.kind.as_str()) {
            return Ok(());
        }
        let history = self.history.entry(after.name.clone()).or_default();
        history.extend(value.clone().filter(|value| history.last() != Some(value)));
        let renewals = history.len().saturating_sub(1);
        let before = self.secrets.get(&after.name);
        let sentence = narrator::secret(before, &after, renewals, Timestamp::now());
        let name = after.name.clone();
        self.secrets.insert(name.clone(), after);
        sentence.map_or(Ok(()), |(text, paint)| {
            self.tell(&format!("Secret {name}"), &text, paint)
        })
    }

    fn tell(&self, subject: &str, text: &str, paint: Paint) -> Result<(), Error> {
        Ok(self.screen.change(subject, text, paint)?)
    }

    fn last(&self) -> String {
        let state = |(name, status)| format!("{name} {}", narrator::columns(status).unwrap_or_default());
        self.statuses.iter().map(state).collect::<Vec<_>>().join(", ")
    }
}
