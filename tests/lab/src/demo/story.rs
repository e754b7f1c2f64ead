//! Follows what happens, tells it, and remembers what the summary needs.

use std::collections::BTreeMap;
use std::time::Duration;

use entra_operator::api::EntraCredentialStatus;
use futures::StreamExt as _;
use jiff::Timestamp;

use super::cast::{self, CAST, Role};
use super::narrator;
use super::scene::Scene;
use super::user::NAMESPACE;
use super::watch::{Change, Changes, SecretFacts, changes};
use super::{Error, Paint, Screen};

/// The life of one token Secret so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Renewals {
    /// When another token with a later expiry took the place of the one before.
    pub(super) at: Vec<Timestamp>,
    /// Least seconds that a replaced token still had to live.
    pub(super) least_left: Option<i64>,
}

/// All that was seen.
pub(super) struct Story<'a> {
    screen: &'a Screen,
    scene: &'a Scene,
    changes: Changes,
    secrets: BTreeMap<String, SecretFacts>,
    statuses: BTreeMap<String, EntraCredentialStatus>,
    renewals: BTreeMap<String, Renewals>,
}

impl<'a> Story<'a> {
    /// Begins to watch.
    pub(super) fn open(screen: &'a Screen, scene: &'a Scene) -> Self {
        Self {
            screen,
            scene,
            changes: changes(&scene.client, NAMESPACE),
            secrets: BTreeMap::new(),
            statuses: BTreeMap::new(),
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
    pub(super) fn renewals(&self) -> BTreeMap<&'static str, Renewals> {
        let of = |name| (name, self.renewals.get(name).cloned().unwrap_or_default());
        cast::tokens().map(of).collect()
    }

    async fn settle(&mut self, renewals: usize) -> Result<(), Error> {
        while !self.is_settled(renewals) {
            let change = self.changes.next().await.ok_or(Error::WatchEnded)?;
            self.tell(change)?;
        }
        Ok(())
    }

    fn is_settled(&self, renewals: usize) -> bool {
        let enough = self.renewals().values().all(|seen| seen.at.len() >= renewals);
        enough && CAST.iter().all(|role| self.is_at_rest(role))
    }

    fn is_at_rest(&self, role: &Role) -> bool {
        let mut tokens = role.token_names();
        !self.secrets.contains_key(role.login) && tokens.all(|token| self.is_reported(role.name, token))
    }

    /// Whether the status agrees with the token Secret: then the pass that wrote it is over.
    fn is_reported(&self, credential: &str, token: &str) -> bool {
        let written = self.secrets.get(token).and_then(|secret| secret.expires_at);
        let status = self.statuses.get(credential);
        let mut reported = status.into_iter().flat_map(|status| &status.tokens);
        let reported = reported.find(|reported| reported.secret_name == token);
        let reported = reported.and_then(|token| token.expires_at.as_ref());
        written.is_some() && written == reported.map(|time| time.0)
    }

    fn tell(&mut self, change: Change) -> Result<(), Error> {
        match change {
            Change::Secret(secret) => self.secret(secret),
            Change::SecretGone(last) => self.secret_gone(&last),
            Change::Credential(name, status) => self.credential(&name, *status),
            Change::CredentialGone(name) => self.say_credential(&name, "deleted", Paint::Bad),
        }
    }

    fn secret(&mut self, after: SecretFacts) -> Result<(), Error> {
        let now = Timestamp::now();
        let before = self.secrets.get(&after.name);
        let renewals = self.renewals.entry(after.name.clone()).or_default();
        renewals.count_one(before, &after, now);
        let sentence = narrator::secret(before, &after, renewals.at.len(), now);
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

    fn credential(&mut self, name: &str, status: EntraCredentialStatus) -> Result<(), Error> {
        let sentence = narrator::credential(self.statuses.get(name), &status);
        self.statuses.insert(name.to_owned(), status);
        sentence.map_or(Ok(()), |(text, paint)| self.say_credential(name, &text, paint))
    }

    fn say_credential(&self, name: &str, text: &str, paint: Paint) -> Result<(), Error> {
        self.screen
            .change(&format!("EntraCredential {name}"), text, paint)
    }

    fn last(&self) -> String {
        let columns = |role: &Role| self.statuses.get(role.name).and_then(narrator::columns);
        let state = |role: &Role| columns(role).unwrap_or_else(|| "no status".to_owned());
        let states = CAST.iter().map(|role| format!("{} {}", role.name, state(role)));
        let renewals = self.renewals().into_iter();
        let counts = renewals.map(|(name, seen)| format!("{name} renewed {} times", seen.at.len()));
        states.chain(counts).collect::<Vec<_>>().join(", ")
    }
}

impl Renewals {
    fn count_one(&mut self, before: Option<&SecretFacts>, after: &SecretFacts, now: Timestamp) {
        let Some((before, old)) = before.and_then(|before| Some((before, before.expires_at?))) else {
            return;
        };
        if after.expires_at.is_some_and(|new| new > old) && after.token != before.token {
            let left = old.duration_since(now).as_secs();
            self.at.push(now);
            self.least_left = Some(self.least_left.map_or(left, |least| least.min(left)));
        }
    }
}
