//! The summary: what was promised, what was measured, and whether it holds.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use super::cast::{CAST, Role};
use super::leaks::{self, Findings};
use super::scene::Scene;
use super::story::{Renewals, Story};
use super::usage::{self, Usage};
use super::user::NAMESPACE;
use super::{Error, RENEWALS, Screen};
use crate::audit::Mark;

/// Seconds that a replaced token must still have: a quarter of its life (short lives have no room for more).
const LEAST_LEFT: i64 = super::LIFE.cast_signed() / 4;

/// Renewals that are further apart were not due together: half a second beyond the edge of one is another second.
const ONE_ROUND: SignedDuration = SignedDuration::from_millis(500);

/// All that was measured.
#[derive(Debug, Clone, Default)]
pub(super) struct Measured {
    /// By credential.
    password_sends: BTreeMap<&'static str, usize>,
    redemptions: usize,
    other_requests: usize,
    /// By token Secret.
    renewals: BTreeMap<&'static str, Renewals>,
    logins_left: BTreeSet<&'static str>,
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
        password_sends: each(|role| journal.password_sends(&role.account())),
        redemptions: CAST.iter().map(|role| journal.redemptions(&role.account())).sum(),
        other_requests: refused.len(),
        renewals: story.renewals(),
        logins_left: logins_left(&secrets).await?,
        usage,
        leaks: leaks::search(scene).await?,
    })
}

fn each(count: impl Fn(&Role) -> usize) -> BTreeMap<&'static str, usize> {
    CAST.iter().map(|role| (role.name, count(role))).collect()
}

async fn logins_left(secrets: &Api<Secret>) -> Result<BTreeSet<&'static str>, Error> {
    let mut left = BTreeSet::new();
    for role in &CAST {
        if secrets.get_opt(role.login).await?.is_some() {
            left.insert(role.login);
        }
    }
    Ok(left)
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
            self.logins(),
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
        let once = CAST
            .iter()
            .all(|role| self.password_sends.get(role.name) == Some(&1));
        let each = self.password_sends.iter();
        let each: Vec<_> = each.map(|(name, sends)| format!("{name} {sends} x")).collect();
        let found = format!("{}, by the simulator's journal", each.join(", "));
        Check::new(once, "password sent", found)
    }

    fn logins(&self) -> Check {
        let left: Vec<_> = self.logins_left.iter().copied().collect();
        let found = if left.is_empty() {
            "gone".to_owned()
        } else {
            format!("still there: {}", left.join(", "))
        };
        Check::new(left.is_empty(), "login Secrets", found)
    }

    fn renewed(&self) -> Check {
        let counts = self
            .renewals
            .iter()
            .map(|(name, seen)| format!("{name} {}", seen.at.len()));
        let counts: Vec<_> = counts.collect();
        let enough = self.renewals.values().all(|seen| seen.at.len() >= RENEWALS);
        Check::new(enough, "renewals", counts.join(", "))
    }

    fn margin(&self) -> Check {
        let least = self.renewals.values().filter_map(|seen| seen.least_left).min();
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

    /// The password's answer serves the first token Secret of a credential; every other token is one redemption.
    fn redeemed(&self) -> Check {
        let at_login = self.renewals.len().saturating_sub(CAST.len());
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

    /// k tokens that fall due together cost at most k + 2 writes and one read, and one more for a certificate.
    fn api(&self, usage: &Usage) -> [Check; 2] {
        let renewals = self.total();
        let rounds: usize = CAST.iter().map(|role| self.rounds(role)).sum();
        let writes = renewals + 2 * rounds;
        let reads = CAST.iter().map(|role| role.reads() * self.rounds(role)).sum();
        let text = |count: usize, most: usize| {
            let each = tenths(count, renewals);
            format!("{each} per renewal: {count} in {rounds} rounds, at most {most} are promised")
        };
        let own = format!("; Lease, keys, looks at etcd: {}", usage.own);
        [
            Check::new(usage.writes <= writes, "API writes", text(usage.writes, writes)),
            Check::new(usage.reads <= reads, "API reads", text(usage.reads, reads) + &own),
        ]
    }

    fn total(&self) -> usize {
        self.renewals.values().map(|seen| seen.at.len()).sum()
    }

    /// How often this credential was worked for: tokens that fall due together are renewed together.
    fn rounds(&self, role: &Role) -> usize {
        let renewals = role.token_names().filter_map(|name| self.renewals.get(name));
        let mut at: Vec<_> = renewals.flat_map(|seen| &seen.at).collect();
        at.sort_unstable();
        at.chunk_by(|a, b| b.duration_since(**a) < ONE_ROUND).count()
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
                "only in the history of the login Secrets",
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
    use jiff::Timestamp;

    use super::super::cast;
    use super::*;

    fn good() -> Measured {
        let renewals = Renewals {
            at: [12, 24, 36]
                .map(|second| Timestamp::from_second(second).unwrap())
                .to_vec(),
            least_left: Some(11),
        };
        Measured {
            password_sends: each(|_| 1),
            redemptions: 13,
            renewals: cast::tokens().map(|name| (name, renewals.clone())).collect(),
            usage: Some(Usage {
                writes: 30,
                reads: 12,
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
        assert_eq!(broken(|m| m.password_sends = each(|_| 2)), ["password sent"]);
        assert_eq!(broken(|m| m.password_sends.clear()), ["password sent"]);
        assert_eq!(
            broken(|m| m.logins_left = BTreeSet::from(["reporting-login"])),
            ["login Secrets"]
        );
        assert_eq!(broken(|m| m.redemptions = 14), ["refresh token redeemed"]);
        assert_eq!(broken(|m| m.other_requests = 1), ["refused or unanswered"]);
        assert_eq!(broken(|m| m.usage.as_mut().unwrap().writes = 31), ["API writes"]);
        assert_eq!(broken(|m| m.usage.as_mut().unwrap().reads = 13), ["API reads"]);
        assert_eq!(
            broken(|m| m.renewals.values_mut().for_each(|seen| seen.least_left = Some(5))),
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
