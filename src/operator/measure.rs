//! What the process tells its metrics: hears what passes, requests and writes do, and reads the credentials at a scrape.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::controller::Controller;
use super::known::Seen;
use crate::api::{Reason, annotation, refresh_token_secret};
use crate::cluster::{self, SecretStore, Selects};
use crate::entra;
use crate::plan::Time;
use crate::plan::answer::Effect;
use crate::plan::snapshot::Token;
use crate::reconcile::audit::Audited;
use crate::reconcile::ports::{Clock, ClusterError, Key, Ports};
use crate::reconcile::{Observer, stamp};
use crate::secrets::Keyring;
use crate::telemetry::audit::Audit;
use crate::telemetry::credentials::{Observed, Row, SealedRow, TokenRow};
use crate::telemetry::labels::{Grant, Object, Pass, Refresh, Verb};
use crate::telemetry::metrics::Metrics;

/// Passes what happens on to the metrics, and what auditors want to know to the log.
#[derive(Debug)]
pub(super) struct Measure {
    pub(super) metrics: Arc<Metrics>,
    pub(super) audit: Audit,
}

impl Observer for Measure {
    fn published(&self, token: &Token, now: Time) {
        self.metrics.refresh(Refresh::Renewed, Reason::Fresh);
        if let Some(p) = token.published.as_ref().filter(|p| token.answers(p)) {
            let late = u64::try_from(now.since(p.refresh_at)).unwrap_or_default();
            self.metrics.late(Duration::from_secs(late));
        }
    }

    fn failed(&self, reason: Reason) {
        self.metrics.refresh(Refresh::Failed, reason);
    }

    fn passed(&self, step: &crate::plan::Step, took: Duration) {
        if let Some(outcome) = Pass::of(step) {
            self.metrics.pass(outcome, took);
        }
    }

    fn audited(&self, whose: &Key, what: Audited<'_>) {
        self.audit.tell(whose, what);
    }
}

impl entra::Observer for Measure {
    fn on_request(&self, grant: entra::Grant, result: Result<(), Effect>, seconds: f64) {
        let grant = match grant {
            entra::Grant::Password => Grant::Password,
            entra::Grant::WsTrust => Grant::WsTrust,
            entra::Grant::Saml11 | entra::Grant::Saml20 => Grant::Saml,
            entra::Grant::Refresh => Grant::RefreshToken,
            entra::Grant::Discovery => return,
        };
        self.metrics.token_request(
            grant,
            result.into(),
            Duration::try_from_secs_f64(seconds).unwrap_or_default(),
        );
    }

    fn on_held_back(&self, reason: Reason) {
        self.metrics.held_back(reason);
    }
}

impl cluster::Observer for Measure {
    fn on_write(
        &self,
        resource: cluster::Resource,
        write: cluster::Write,
        result: Result<(), &ClusterError>,
    ) {
        let object = match resource {
            cluster::Resource::Secret => Object::Secret,
            cluster::Resource::Status => Object::Status,
            cluster::Resource::Event => Object::Event,
        };
        let verb = match write {
            cluster::Write::Create => Verb::Create,
            cluster::Write::Update => Verb::Update,
            cluster::Write::Delete => Verb::Delete,
        };
        self.metrics.write(object, verb, result.into());
    }
}

/// The state of all credentials, for a scrape.
pub(super) fn observed<P: Ports>(
    controller: &Controller<P>,
    store: &SecretStore,
    keys: &Keyring,
    clock: &dyn Clock,
) -> Observed {
    let (now, monotonic) = (clock.now(), clock.monotonic());
    let (mut rows, mut longest_pass) = (Vec::new(), Duration::ZERO);
    controller.for_each_seen(|seen| {
        let running = seen.passing_since.map(|since| monotonic.saturating_sub(since));
        longest_pass = longest_pass.max(running.unwrap_or_default());
        rows.extend(row(&seen, store, now));
    });
    Observed {
        now,
        longest_pass,
        rows,
        not_understood: controller.count_not_understood(),
        sealed: sealed(&controller.suspended(), store),
        sealing_keys: keys.keys().ids().map(ToString::to_string).collect(),
    }
}

/// The store tells more than the credentials: a key that a Secret without one needs is needed, too.
fn sealed(suspended: &BTreeSet<Key>, store: &SecretStore) -> BTreeMap<SealedRow, i64> {
    let mut counts = BTreeMap::new();
    store.for_each(Selects::RefreshTokens, |key, meta| {
        let key_id = meta.annotations.get(annotation::KEY_ID);
        let row = SealedRow {
            key_id: key_id.cloned().unwrap_or_default(),
            suspended: suspended.contains(key),
        };
        *counts.entry(row).or_default() += 1;
    });
    counts
}

fn row(seen: &Seen, store: &SecretStore, now: Time) -> Option<Row> {
    let condition = |kind: &str| {
        let found = seen.status.conditions.iter().find(|c| c.type_ == kind)?;
        Some((found.status == "True", found.reason.parse().ok()?))
    };
    let ready = condition("Ready")?;
    let session = store.get(&seen.key.sibling(refresh_token_secret(&seen.key.name)));
    let text = |name: &str| session.as_ref().and_then(|m| m.annotations.get(name)).cloned();
    let time = |name: &str| text(name).as_deref().and_then(stamp::from_text);
    let tokens: Vec<_> = seen.status.tokens.iter().map(token_row).collect();
    let ran_out = tokens.iter().any(|t| t.expires_at.is_some_and(|at| at <= now));
    let (ready, reason) = ready_now(ready, ran_out);
    Some(Row {
        ready,
        reason,
        logged_in: condition("LoggedIn")?,
        refresh_token_issued_at: time(annotation::ISSUED_AT),
        refresh_token_expires_at: time(annotation::EXPIRES_AT),
        login_waiting_since: seen.login_waiting_since,
        certificate_expires_at: seen.certificate_expires_at,
        tokens,
        namespace: Arc::clone(&seen.key.namespace),
        name: Arc::clone(&seen.key.name),
    })
}

/// A status that was decided before the token ran out says what was true then. Of a suspended one it was meant to.
fn ready_now((said, reason): (bool, Reason), ran_out: bool) -> (bool, Reason) {
    let expired = said && ran_out && reason != Reason::Suspended;
    (said && !ran_out, if expired { Reason::Expired } else { reason })
}

fn token_row(token: &crate::api::TokenStatus) -> TokenRow {
    TokenRow {
        secret: token.secret_name.clone(),
        issued_at: token.refreshed_at.as_ref().map(stamp::from_kube),
        expires_at: token.expires_at.as_ref().map(stamp::from_kube),
        refresh_at: token.refresh_at.as_ref().map(stamp::from_kube),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_ran_out_since_the_last_pass_is_not_ready() {
        let now = |reason, ran_out| ready_now((true, reason), ran_out);
        assert_eq!(now(Reason::Fresh, false), (true, Reason::Fresh));
        assert_eq!(now(Reason::Fresh, true), (false, Reason::Expired));
        assert_eq!(now(Reason::Suspended, true), (false, Reason::Suspended));
        let said = (false, Reason::LoginRequired);
        assert_eq!(ready_now(said, true), said);
    }
}
