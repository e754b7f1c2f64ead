//! Follows what happens, tells it, and remembers what the summary needs.

use std::collections::BTreeMap;
use std::time::Duration;

use entra_operator::api::EntraCredentialStatus;
use futures::StreamExt as _;
use jiff::Timestamp;

use super::narrator;
use super::scene::Scene;
use super::user::{CREDENTIAL, LOGIN, NAMESPACE};
use super::watch::{Change, Changes, SecretFacts, changes};
use super::{Error, Paint, Screen};

/// The life of one token Secret so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Renewals {
    /// How often another token with a later expiry took the place of the one before.
    pub(super) count: usize,
    /// Least seconds that a replaced token still had to live.
    pub(super) least_left: Option<i64>,
}

/// All that was seen.
pub(super) struct Story<'a> {
    screen: &'a Screen,
    scene: &'a Scene,
    changes: Changes,
    tokens: &'static [&'static str],
    secrets: BTreeMap<String, SecretFacts>,
    status: Option<EntraCredentialStatus>,
    renewals: BTreeMap<String, Renewals>,
}

impl<'a> Story<'a> {
    /// Begins to watch for these token Secrets.
    pub(super) fn open(screen: &'a Screen, scene: &'a Scene, tokens: &'static [&'static str]) -> Self {
        Self {
            screen,
            scene,
            changes: changes(&scene.client, NAMESPACE),
            tokens,
            secrets: BTreeMap::new(),
            status: None,
            renewals: BTreeMap::new(),
        }
    }

    /// Tells what happens until every token Secret was renewed so often and the status says so too.
    pub(super) async fn until(&mut self, renewals: usize, what: &str, within: Duration) -> Result<(), Error> {
        let Ok(outcome) = tokio::time::timeout(within, self.settle(renewals)).await else {
            return Err(Error::Late {
                what: what.to_owned(),
                waited: within,
                last: self.last(),
                log: self.scene.log_end(),
            });
        };
        outcome
    }

    /// Tells what happens for as long as it happens.
    pub(super) async fn forever(&mut self) -> Result<(), Error> {
        while let Some(change) = self.changes.next().await {
            self.tell(change)?;
        }
        Err(Error::WatchEnded)
    }

    /// Renewals by name of the token Secret.
    pub(super) fn renewals(&self) -> Vec<(&'static str, Renewals)> {
        let of = |name: &&'static str| (*name, self.renewals.get(*name).copied().unwrap_or_default());
        self.tokens.iter().map(of).collect()
    }

    async fn settle(&mut self, renewals: usize) -> Result<(), Error> {
        while !self.is_settled(renewals) {
            let change = self.changes.next().await.ok_or(Error::WatchEnded)?;
            self.tell(change)?;
        }
        Ok(())
    }

    fn is_settled(&self, renewals: usize) -> bool {
        let enough = self.renewals().iter().all(|(_, seen)| seen.count >= renewals);
        enough && !self.secrets.contains_key(LOGIN) && self.tokens.iter().all(|name| self.is_reported(name))
    }

    /// Whether the status agrees with the token Secret: then the pass that wrote it is over.
    fn is_reported(&self, name: &str) -> bool {
        let written = self.secrets.get(name).and_then(|secret| secret.expires_at);
        let mut reported = self.status.iter().flat_map(|status| &status.tokens);
        let reported = reported.find(|token| token.secret_name == name);
        let reported = reported.and_then(|token| token.expires_at.as_ref());
        written.is_some() && written == reported.map(|time| time.0)
    }

    fn tell(&mut self, change: Change) -> Result<(), Error> {
        match change {
            Change::Secret(secret) => self.secret(secret),
            Change::SecretGone(last) => self.secret_gone(&last),
            Change::Credential(status) => self.credential(*status),
            Change::CredentialGone => self.say_credential("deleted", Paint::Bad),
        }
    }

    fn secret(&mut self, after: SecretFacts) -> Result<(), Error> {
        let now = Timestamp::now();
        let before = self.secrets.get(&after.name);
        let renewals = self.renewals.entry(after.name.clone()).or_default();
        renewals.count_one(before, &after, now);
        let sentence = narrator::secret(before, &after, renewals.count, now);
        if let Some((text, paint)) = sentence {
            self.screen
                .change(&format!("Secret {}", after.name), &text, paint)?;
        }
        self.secrets.insert(after.name.clone(), after);
        Ok(())
    }

    fn secret_gone(&mut self, last: &SecretFacts) -> Result<(), Error> {
        self.secrets.remove(&last.name);
        let (text, paint) = narrator::secret_gone(last);
        self.screen.change(&format!("Secret {}", last.name), &text, paint)
    }

    fn credential(&mut self, status: EntraCredentialStatus) -> Result<(), Error> {
        let sentence = narrator::credential(self.status.as_ref(), &status);
        self.status = Some(status);
        sentence.map_or(Ok(()), |(text, paint)| self.say_credential(&text, paint))
    }

    fn say_credential(&self, text: &str, paint: Paint) -> Result<(), Error> {
        self.screen
            .change(&format!("EntraCredential {CREDENTIAL}"), text, paint)
    }

    fn last(&self) -> String {
        let columns = self.status.as_ref().and_then(narrator::columns);
        let columns = columns.unwrap_or_else(|| "no status".to_owned());
        let count = |(name, seen): (&str, Renewals)| format!(", {name} renewed {} times", seen.count);
        let counts: String = self.renewals().into_iter().map(count).collect();
        format!("{columns}{counts}")
    }
}

impl Renewals {
    fn count_one(&mut self, before: Option<&SecretFacts>, after: &SecretFacts, now: Timestamp) {
        let Some((before, old)) = before.and_then(|before| Some((before, before.expires_at?))) else {
            return;
        };
        if after.expires_at.is_some_and(|new| new > old) && after.token != before.token {
            let left = old.duration_since(now).as_secs();
            self.count += 1;
            self.least_left = Some(self.least_left.map_or(left, |least| least.min(left)));
        }
    }
}
