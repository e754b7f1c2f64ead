//! What was seen while one version ran, and whether it is what should be.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Error;
use super::cast::{Role, Stands};
use super::eyes::Token;
use super::fill::{is_fresh, stands};
use super::scene::{LIFE, Scene, Seen};
use crate::simulator::Entry;

/// A token is looked at after half of its life, and some seconds for a start on a busy machine.
const JUDGED_AFTER: Duration = Duration::from_secs(LIFE / 2 + 8);

/// Tokens that a watch of four lives sees at least, the first one included.
const TOKENS: usize = 3;

/// What was seen of one version.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// Requests to the provider before it started.
    mark: u64,
    start: Timestamp,
    end: Timestamp,
    before: BTreeMap<&'static str, Seen>,
    after: BTreeMap<&'static str, Seen>,
    tokens: BTreeMap<String, Token>,
    requests: Vec<Entry>,
}

/// A line of the table.
#[derive(Debug, Default)]
pub(super) struct Row {
    name: &'static str,
    before: String,
    after: String,
    sends: usize,
    redemptions: usize,
    tokens: usize,
    /// What does not hold.
    pub(super) broken: Vec<String>,
}

impl Evidence {
    /// How all stand before it starts.
    pub(super) async fn begin(scene: &Scene, roles: &[Role]) -> Result<Self, Error> {
        Ok(Self {
            mark: scene.stage.simulator.journal().mark(),
            start: Timestamp::now(),
            before: all(scene, roles).await?,
            ..Self::default()
        })
    }

    /// How all stand in the end.
    pub(super) async fn end(
        &mut self,
        scene: &Scene,
        roles: &[Role],
        tokens: BTreeMap<String, Token>,
    ) -> Result<(), Error> {
        self.end = Timestamp::now();
        self.after = all(scene, roles).await?;
        self.requests = scene.stage.simulator.journal().since(self.mark);
        self.tokens = tokens;
        Ok(())
    }

    /// Passwords that were sent for a credential since this began.
    pub(super) fn sends_until_now(&self, scene: &Scene, role: &Role) -> usize {
        sends(&scene.stage.simulator.journal().since(self.mark), role)
    }

    /// Digest of the first refresh token that was redeemed for it: the one that was stored before.
    pub(super) fn redeemed(&self, role: &Role) -> Option<String> {
        let first = self.requests.iter().find(|entry| redeems(entry, role))?;
        first.form.get("refresh_token").cloned()
    }

    /// How one credential fared.
    pub(super) fn row(&self, role: &Role) -> Row {
        let seen = |when: &BTreeMap<&'static str, Seen>| when.get(role.name).cloned().unwrap_or_default();
        let (before, after) = (seen(&self.before), seen(&self.after));
        let mut row = Row {
            name: role.name,
            before: before.ready.clone(),
            after: after.ready.clone(),
            sends: sends(&self.requests, role),
            redemptions: self.requests.iter().filter(|e| redeems(e, role)).count(),
            tokens: self.of(role).map(|token| token.issued.len()).sum(),
            broken: Vec::new(),
        };
        let holds = match role.stands {
            Stands::InFlight => is_fresh(&after),
            // That it waits is what counts: the first form of a status does not say for what. A suspended token expires.
            Stands::Waiting | Stands::Suspended => stands(role.stands, &after),
            Stands::Accepted
            | Stands::Condemned
            | Stands::Kept
            | Stands::Unknown
            | Stands::Awaiting
            | Stands::Dead => stands(role.stands, &after) && after.ready == before.ready,
        };
        // What was interrupted goes out once more: nobody knows the answer.
        let sends = usize::from(role.stands == Stands::InFlight);
        let silent = matches!(role.stands, Stands::Dead | Stands::Suspended);
        let fresh = role.stands == Stands::Accepted;
        for (held, what) in [
            (holds, format!("it stands as {after:?}")),
            (row.sends == sends, format!("{} passwords sent", row.sends)),
            (
                !silent || row.redemptions == 0,
                format!("{} redemptions", row.redemptions),
            ),
            (!fresh || self.is_fresh(role), self.staleness(role)),
        ] {
            if !held {
                row.broken.push(format!("{}: {what}", role.name));
            }
        }
        row
    }

    /// For people.
    pub(super) fn figures(&self) -> String {
        let count =
            |condition: &dyn Fn(&Entry) -> bool| self.requests.iter().filter(|e| condition(e)).count();
        let redeems = |e: &Entry| e.form.contains_key("refresh_token");
        format!(
            "{} s watched: {} redemptions, {} of them refused; {} passwords; {} of {} token Secrets renewed before they were due",
            self.end.duration_since(self.start).as_secs(),
            count(&redeems),
            count(&|e| redeems(e) && e.status() != Some(200)),
            count(&|e| e.form.contains_key("password")),
            self.tokens.values().filter(|token| token.was_early()).count(),
            self.tokens.len(),
        )
    }

    fn of<'s>(&'s self, role: &Role) -> impl Iterator<Item = &'s Token> + use<'s> {
        let names = role.tokens();
        names.into_iter().filter_map(|name| self.tokens.get(&name))
    }

    fn is_fresh(&self, role: &Role) -> bool {
        self.of(role).count() == role.tokens().len()
            && self.of(role).all(|token| token.issued.len() >= TOKENS)
            && self.expired(role) == 0
    }

    fn expired(&self, role: &Role) -> usize {
        let from = SignedDuration::try_from(JUDGED_AFTER).unwrap_or_default();
        let judged = |at: &&Timestamp| at.duration_since(self.start) > from;
        self.of(role)
            .map(|token| token.expired.iter().filter(judged).count())
            .sum()
    }

    fn staleness(&self, role: &Role) -> String {
        let issued: Vec<_> = self.of(role).map(|token| token.issued.len()).collect();
        format!("tokens {issued:?}, expired at {} looks", self.expired(role))
    }
}

impl Token {
    /// Its first renewal came more than two seconds before it was due.
    fn was_early(&self) -> bool {
        let due = self.first_due.zip(self.issued.get(1));
        due.is_some_and(|(due, renewed)| due.duration_since(*renewed).as_secs() > 2)
    }
}

impl Row {
    pub(super) const HEAD: &str = "\ncredential          before                       after                        passwords  redemptions  tokens";

    /// For people.
    pub(super) fn text(&self) -> String {
        let held = match self.broken.as_slice() {
            [] => String::new(),
            broken => format!("  BROKEN {}", broken.join("; ")),
        };
        format!(
            "{:<18}  {:<27}  {:<27}  {:>9}  {:>11}  {:>6}{held}",
            self.name, self.before, self.after, self.sends, self.redemptions, self.tokens
        )
    }
}

impl Role {
    /// How it stands once another version took it over.
    pub(super) fn taken_over(&self) -> Self {
        let done = self.stands == Stands::InFlight;
        let stands = if done { Stands::Accepted } else { self.stands };
        Self { stands, ..*self }
    }
}

async fn all(scene: &Scene, roles: &[Role]) -> Result<BTreeMap<&'static str, Seen>, Error> {
    let mut all = BTreeMap::new();
    for role in roles {
        all.insert(role.name, scene.seen(role).await?);
    }
    Ok(all)
}

fn sends(requests: &[Entry], role: &Role) -> usize {
    let contents = role.contents();
    let of_role = |user: &str| contents.iter().any(|content| content.user == user);
    requests
        .iter()
        .filter(|e| e.form.contains_key("password") && e.user.as_deref().is_some_and(of_role))
        .count()
}

fn redeems(entry: &Entry, role: &Role) -> bool {
    let of_role = |user: &str| role.content().user == user;
    entry.form.contains_key("refresh_token") && entry.user.as_deref().is_some_and(of_role)
}
