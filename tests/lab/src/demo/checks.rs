//! The summary: what was promised, what was measured, and whether it holds.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use super::leaks::{self, Findings};
use super::scene::Scene;
use super::story::{Renewals, Story};
use super::usage::{self, Usage};
use super::user::{ACCOUNT, LOGIN, NAMESPACE};
use super::{Error, RENEWALS, Screen};
use crate::audit::Mark;

/// Seconds that a replaced token must still have: a quarter of its life (short lives have no room for more).
const LEAST_LEFT: i64 = super::LIFE.cast_signed() / 4;

/// All that was measured.
#[derive(Debug, Clone, Default)]
pub(super) struct Measured {
    password_sends: usize,
    redemptions: usize,
    other_requests: usize,
    renewals: Vec<(&'static str, Renewals)>,
    login_is_there: bool,
    usage: Option<Usage>,
    leaks: Option<Findings>,
}

/// One line of the summary.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Check {
    holds: bool,
    what: &'static str,
    found: String,
}

/// Measures; `settled` is the moment in the audit log at which the first tokens were out.
pub(super) async fn measure(
    scene: &Scene,
    story: &Story<'_>,
    settled: Option<Mark>,
) -> Result<Measured, Error> {
    let usage = usage::since(scene, settled).await?;
    let journal = scene.simulator.journal();
    let secrets = Api::<Secret>::namespaced(scene.client.clone(), NAMESPACE);
    let refused = journal.matching(|entry| entry.grant().is_some() && entry.status() != Some(200));
    Ok(Measured {
        password_sends: journal.password_sends(ACCOUNT),
        redemptions: journal.redemptions(ACCOUNT),
        other_requests: refused.len(),
        renewals: story.renewals(),
        login_is_there: secrets.get_opt(LOGIN).await?.is_some(),
        usage,
        leaks: leaks::search(scene).await?,
    })
}

/// Prints the summary.
///
/// # Errors
/// [`Error::Broken`] with every promise that does not hold.
pub(super) fn report(screen: &Screen, measured: &Measured) -> Result<(), Error> {
    screen.plain("\nMeasured:")?;
    let checks = measured.checks();
    for check in &checks {
        screen.verdict(check.holds, check.what, &check.found)?;
    }
    if measured.usage.is_none() {
        screen.plain("  -    API use, leaks               not measured: they need the audit log and etcd")?;
    }
    let broken = checks.iter().filter(|check| !check.holds);
    let broken: Vec<_> = broken
        .map(|check| format!("{}: {}", check.what, check.found))
        .collect();
    if broken.is_empty() {
        return screen.plain(&format!("Everything held. {:.0} s in all.", screen.seconds()));
    }
    Err(Error::Broken(broken))
}

impl Measured {
    fn checks(&self) -> Vec<Check> {
        let mut checks = vec![
            self.password(),
            self.login(),
            self.renewed(),
            self.margin(),
            self.redeemed(),
            self.refused(),
        ];
        checks.extend(self.usage.iter().flat_map(|usage| self.api(usage)));
        checks.extend(self.leaks.iter().flat_map(Findings::checks));
        checks
    }

    fn password(&self) -> Check {
        let found = format!("{} x, by the simulator's journal", self.password_sends);
        Check::new(self.password_sends == 1, "password sent", found)
    }

    fn login(&self) -> Check {
        let found = if self.login_is_there {
            "still there"
        } else {
            "gone"
        };
        Check::new(!self.login_is_there, "login Secret", found.to_owned())
    }

    fn renewed(&self) -> Check {
        let counts = self
            .renewals
            .iter()
            .map(|(name, seen)| format!("{name} {}", seen.count));
        let counts: Vec<_> = counts.collect();
        let enough = self.renewals.iter().all(|(_, seen)| seen.count >= RENEWALS);
        Check::new(enough, "renewals", counts.join(", "))
    }

    fn margin(&self) -> Check {
        let least = self.renewals.iter().filter_map(|(_, seen)| seen.least_left).min();
        let found = format!(
            "{} s before expiry, at the latest; at least {LEAST_LEFT} s are promised",
            least.unwrap_or(0)
        );
        Check::new(
            least.is_some_and(|left| left >= LEAST_LEFT),
            "a token was replaced",
            found,
        )
    }

    /// The password's answer serves the first token Secret; every other token is one redemption.
    fn redeemed(&self) -> Check {
        let at_login = self.renewals.len().saturating_sub(1);
        let renewals = self.total();
        let found = format!("{}: {at_login} at the sign-in, 1 per renewal", self.redemptions);
        Check::new(
            self.redemptions == at_login + renewals,
            "refresh token redeemed",
            found,
        )
    }

    fn refused(&self) -> Check {
        let found = format!("{} of all token requests", self.other_requests);
        Check::new(self.other_requests == 0, "refused or unanswered", found)
    }

    /// k tokens that fall due together cost at most k + 2 writes and one read.
    fn api(&self, usage: &Usage) -> [Check; 2] {
        let (renewals, rounds) = (self.total(), self.rounds());
        let (writes, reads) = (renewals + 2 * rounds, rounds);
        let text = |count: usize, most: usize| {
            let each = tenths(count, renewals);
            format!("{each} per renewal: {count} in {rounds} rounds, at most {most} are promised")
        };
        let own = format!("; Lease, keys: {}", usage.own);
        [
            Check::new(usage.writes <= writes, "API writes", text(usage.writes, writes)),
            Check::new(usage.reads <= reads, "API reads", text(usage.reads, reads) + &own),
        ]
    }

    fn total(&self) -> usize {
        self.renewals.iter().map(|(_, seen)| seen.count).sum()
    }

    /// How often tokens fell due together.
    fn rounds(&self) -> usize {
        self.renewals
            .iter()
            .map(|(_, seen)| seen.count)
            .max()
            .unwrap_or(0)
    }
}

impl Findings {
    fn checks(&self) -> Vec<Check> {
        let refresh = format!(
            "{} issued, searched plain, base64, URL-encoded",
            self.refresh_tokens
        );
        let scope = format!("{} values, the whole history of etcd, and both logs", self.values);
        let mut checks = vec![
            Check::found(
                "refresh tokens in the clear",
                &self.refresh_token_in,
                &format!("none of {refresh}"),
            ),
            Check::found(
                "access tokens",
                &self.access_token_in,
                &format!("{} issued, only in their token Secrets", self.access_tokens),
            ),
            Check::found(
                "password",
                &self.password_in,
                "only in the history of the login Secret",
            ),
            Check::new(true, "searched", scope),
        ];
        if !self.missed.is_empty() {
            checks.push(Check::new(false, "search missed", list(&self.missed)));
        }
        checks
    }
}

impl Check {
    fn new(holds: bool, what: &'static str, found: String) -> Self {
        Self { holds, what, found }
    }

    fn found(what: &'static str, places: &BTreeSet<String>, otherwise: &str) -> Self {
        if places.is_empty() {
            return Self::new(true, what, otherwise.to_owned());
        }
        Self::new(false, what, format!("found in {}", list(places)))
    }
}

fn list(places: &BTreeSet<String>) -> String {
    places.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// A ratio with one decimal.
fn tenths(count: usize, of: usize) -> String {
    let tenths = (count * 10 + of / 2).checked_div(of).unwrap_or(0);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Measured {
        let renewals = Renewals {
            count: 3,
            least_left: Some(11),
        };
        Measured {
            password_sends: 1,
            redemptions: 7,
            renewals: vec![("a", renewals), ("b", renewals)],
            usage: Some(Usage {
                writes: 12,
                reads: 3,
                own: 40,
                watches: 0,
            }),
            leaks: Some(Findings::default()),
            ..Measured::default()
        }
    }

    fn broken(change: impl FnOnce(&mut Measured)) -> Vec<&'static str> {
        let mut measured = good();
        change(&mut measured);
        let checks = measured.checks();
        checks.iter().filter(|c| !c.holds).map(|c| c.what).collect()
    }

    fn leak(change: impl FnOnce(&mut Findings)) -> Vec<&'static str> {
        broken(|m| change(m.leaks.as_mut().unwrap()))
    }

    #[test]
    fn each_promise_is_noticed_when_it_breaks() {
        assert_eq!(broken(|_| ()), Vec::<&str>::new());
        assert_eq!(broken(|m| m.password_sends = 2), ["password sent"]);
        assert_eq!(broken(|m| m.password_sends = 0), ["password sent"]);
        assert_eq!(broken(|m| m.login_is_there = true), ["login Secret"]);
        assert_eq!(broken(|m| m.redemptions = 8), ["refresh token redeemed"]);
        assert_eq!(broken(|m| m.other_requests = 1), ["refused or unanswered"]);
        assert_eq!(broken(|m| m.usage.as_mut().unwrap().writes = 13), ["API writes"]);
        assert_eq!(broken(|m| m.usage.as_mut().unwrap().reads = 4), ["API reads"]);
        assert_eq!(
            broken(|m| m
                .renewals
                .iter_mut()
                .for_each(|(_, seen)| seen.least_left = Some(5))),
            ["a token was replaced"]
        );
        let place = || BTreeSet::from(["/registry/x".to_owned()]);
        assert_eq!(
            leak(|f| f.refresh_token_in = place()),
            ["refresh tokens in the clear"]
        );
        assert_eq!(leak(|f| f.access_token_in = place()), ["access tokens"]);
        assert_eq!(leak(|f| f.password_in = place()), ["password"]);
        assert_eq!(leak(|f| f.missed = place()), ["search missed"]);
    }

    #[test]
    fn ratios_are_rounded() {
        assert_eq!(tenths(12, 6), "2.0");
        assert_eq!(tenths(3, 6), "0.5");
        assert_eq!(tenths(1, 0), "0.0");
    }
}
