//! Series that describe the state of the credentials, computed from the caches when they are scraped.
//!
//! Sums are always there; series per object carry names as labels and can be switched off.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::api::Reason;
use crate::plan::Time;

/// One credential at the moment of a scrape.
#[derive(Clone, Debug)]
pub struct Row {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Whether its condition `Ready` is true now.
    pub ready: bool,
    /// Reason of that condition.
    pub reason: Reason,
    /// Whether its condition `LoggedIn` is true, and the reason.
    pub logged_in: (bool, Reason),
    /// When the stored refresh token was issued.
    pub refresh_token_issued_at: Option<Time>,
    /// Until when it is good, if the provider said so.
    pub refresh_token_expires_at: Option<Time>,
    /// Since when its login Secret has been waiting, if there is one.
    pub login_waiting_since: Option<Time>,
    /// When its client certificate ends; `None` if it has none, or none was read yet.
    pub certificate_expires_at: Option<Time>,
    /// Its token Secrets.
    pub tokens: Vec<TokenRow>,
}

/// One token Secret at the moment of a scrape.
#[derive(Clone, Debug)]
pub struct TokenRow {
    /// Name of the Secret.
    pub secret: String,
    /// When the published token was issued.
    pub issued_at: Option<Time>,
    /// When the published token expires; `None` if none is published.
    pub expires_at: Option<Time>,
    /// When its renewal is due.
    pub refresh_at: Option<Time>,
}

/// Refresh-token Secrets that are alike at the moment of a scrape.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SealedRow {
    /// Id of the oldest key that they need; empty if they do not say so.
    pub key_id: String,
    /// Their credentials are suspended: they are sealed anew when those are resumed.
    pub suspended: bool,
}

/// Everything that a scrape reports.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Wall-clock time of the scrape.
    pub now: Time,
    /// The credentials.
    pub rows: Vec<Row>,
    /// How long the pass has been running that runs longest now; zero if none runs.
    pub longest_pass: Duration,
    /// How many more exist that this version does not understand, or not any more.
    pub not_understood: usize,
    /// How many refresh-token Secrets there are of each kind, also of those that no credential has.
    pub sealed: BTreeMap<SealedRow, i64>,
    /// Ids of all sealing keys that the process holds, so that an unused one shows as 0.
    pub sealing_keys: Vec<String>,
}

/// Where a scrape looks. It must be quick: it runs on the scrape's thread.
pub type Source = Box<dyn Fn() -> Observed + Send + Sync>;

/// Computes the series from a [`Source`] that the wiring sets once its caches exist. Before that it reports nothing.
pub(super) struct Credentials {
    pub(super) source: Arc<OnceLock<Source>>,
    pub(super) per_object: bool,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("per_object", &self.per_object)
            .finish_non_exhaustive()
    }
}

impl Collector for Credentials {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(source) = self.source.get() else {
            return Ok(());
        };
        let observed = source();
        encode_sums(&mut encoder, &observed)?;
        if self.per_object {
            encode_objects(&mut encoder, &observed.rows)?;
        }
        Ok(())
    }
}

fn encode_sums(encoder: &mut DescriptorEncoder<'_>, observed: &Observed) -> fmt::Result {
    gauges(
        encoder,
        "credentials",
        "Credentials by the Ready condition and its reason. If ready=false grows, look up the reason in the troubleshooting guide.",
        by(&observed.rows, "ready", |row| (row.ready, row.reason)),
    )?;
    gauges(
        encoder,
        "credentials_logged_in",
        "Credentials by the LoggedIn condition and its reason. If logged_in=false grows, look up the reason in the troubleshooting guide: a new login may be needed before the token runs out.",
        by(&observed.rows, "logged_in", |row| row.logged_in),
    )?;
    gauge(
        encoder,
        "credentials_not_understood",
        "Credentials that this version does not understand. It goes on with what it understood of them last, if it did. Above 0: finish the upgrade, or take back what it brought; the log names them.",
        i64::try_from(observed.not_understood).ok(),
    )?;
    gauges(
        encoder,
        "sealed_secrets",
        "Refresh-token Secrets by the oldest key that they need; those of suspended credentials apart, which are sealed anew when they are resumed. After a rotation a key may be removed once it shows 0 in both.",
        by_sealing_key(observed),
    )?;
    gauge(
        encoder,
        "login_waiting_seconds",
        "Age of the oldest login Secret that was not exchanged yet, 0 if none waits. Above 900: run kubectl get entracredentials -A and read REASON of those not ready.",
        Some(longest_wait(observed)),
    )?;
    gauge(
        encoder,
        "min_remaining_life_seconds",
        "Remaining life of the published token that expires next; negative after it expired. Those of suspended credentials do not count. Below 600: renewals fail, look at entra_refresh_total by reason.",
        shortest_life(observed),
    )?;
    gauge(
        encoder,
        "longest_pass_seconds",
        "How long the pass over a credential has been running that runs longest now, 0 if none runs. Above 120: it hangs, read the log, and restart the pod.",
        Some(observed.longest_pass.as_secs_f64()),
    )
}

fn encode_objects(encoder: &mut DescriptorEncoder<'_>, rows: &[Row]) -> fmt::Result {
    gauges(
        encoder,
        "credential_ready",
        "1 if every token of the credential is valid now and answers its spec. If 0: kubectl describe entracredential says what to do.",
        rows.iter()
            .map(|row| (with_reason(row, row.reason), i64::from(row.ready))),
    )?;
    gauges(
        encoder,
        "credential_logged_in",
        "1 if a refresh token is stored that can be redeemed. If 0: kubectl describe entracredential says what to do; a published token lives on until it expires.",
        rows.iter()
            .map(|row| (with_reason(row, row.logged_in.1), i64::from(row.logged_in.0))),
    )?;
    gauges(
        encoder,
        "credential_token_expiry_timestamp_seconds",
        "When the published token expires, in Unix seconds. If it is in the past, pods hold a dead token: look at the credential's status.",
        of_tokens(rows, |token| token.expires_at),
    )?;
    gauges(
        encoder,
        "credential_token_issued_timestamp_seconds",
        "When the published token was issued, in Unix seconds. Compare it with its expiry: of a token that lives long enough, 990 seconds or more are left when its renewal is due.",
        of_tokens(rows, |token| token.issued_at),
    )?;
    gauges(
        encoder,
        "credential_next_refresh_timestamp_seconds",
        "When the next renewal of the token is planned, pauses after failures included, in Unix seconds. If it is long past, look at entra_refresh_total by reason and at the operator's log.",
        of_tokens(rows, |token| token.refresh_at),
    )?;
    gauges(
        encoder,
        "credential_refresh_token_issued_timestamp_seconds",
        "When the stored refresh token was issued, in Unix seconds. Entra ID lets it die after 90 idle days: lift spec.suspend, or repair the renewal, before that.",
        rows.iter()
            .filter_map(|row| Some((object(row), row.refresh_token_issued_at?.0))),
    )?;
    gauges(
        encoder,
        "credential_refresh_token_expiry_timestamp_seconds",
        "Until when the stored refresh token is good, in Unix seconds, where the provider says so: AD FS and B2C do, Entra ID does not. Close to it: lift spec.suspend, repair the renewal, or make a new login Secret.",
        rows.iter()
            .filter_map(|row| Some((object(row), row.refresh_token_expires_at?.0))),
    )?;
    gauges(
        encoder,
        "credential_client_certificate_expiry_timestamp_seconds",
        "When the client certificate ends, in Unix seconds, as it was read last. Less than 30 days away: upload a new one to the app registration, then replace the Secret.",
        rows.iter()
            .filter_map(|row| Some((object(row), row.certificate_expires_at?.0))),
    )
}

type Labels<'a, const N: usize> = [(&'static str, Cow<'a, str>); N];

fn object(row: &Row) -> Labels<'_, 2> {
    [
        ("namespace", Cow::Borrowed(&row.namespace)),
        ("name", Cow::Borrowed(&row.name)),
    ]
}

fn with_reason(row: &Row, reason: Reason) -> Labels<'_, 3> {
    let [namespace, name] = object(row);
    [namespace, name, ("reason", reason.to_string().into())]
}

fn of_tokens(
    rows: &[Row],
    time: impl Fn(&TokenRow) -> Option<Time>,
) -> impl Iterator<Item = (Labels<'_, 3>, i64)> {
    let tokens = rows
        .iter()
        .flat_map(|row| row.tokens.iter().map(move |token| (row, token)));
    tokens.filter_map(move |(row, token)| Some((of_token(row, token), time(token)?.0)))
}

fn of_token<'a>(row: &'a Row, token: &'a TokenRow) -> Labels<'a, 3> {
    let [namespace, name] = object(row);
    [namespace, name, ("secret", Cow::Borrowed(&token.secret))]
}

/// How many have a condition so, for this reason.
fn by(
    rows: &[Row],
    name: &'static str,
    condition: impl Fn(&Row) -> (bool, Reason),
) -> Vec<(Labels<'static, 2>, i64)> {
    let mut sums = BTreeMap::new();
    for row in rows {
        *sums.entry(condition(row)).or_insert(0) += 1;
    }
    let labels = |is: bool, reason: Reason| {
        [
            (name, is.to_string().into()),
            ("reason", reason.to_string().into()),
        ]
    };
    sums.into_iter()
        .map(|((is, reason), sum)| (labels(is, reason), sum))
        .collect()
}

fn by_sealing_key(observed: &Observed) -> Vec<(Labels<'_, 2>, i64)> {
    let held = observed.sealing_keys.iter();
    let mut sums: BTreeMap<(&str, bool), i64> = held
        .flat_map(|id| [false, true].map(|suspended| ((id.as_str(), suspended), 0)))
        .collect();
    for (sealed, count) in &observed.sealed {
        sums.insert((&sealed.key_id, sealed.suspended), *count);
    }
    let labels = |id, suspended: bool| {
        [
            ("key_id", Cow::Borrowed(id)),
            ("suspended", suspended.to_string().into()),
        ]
    };
    sums.into_iter()
        .map(|((id, suspended), sum)| (labels(id, suspended), sum))
        .collect()
}

fn longest_wait(observed: &Observed) -> i64 {
    let since = observed.rows.iter().filter_map(|row| row.login_waiting_since);
    since.map(|since| observed.now.since(since)).fold(0, i64::max)
}

fn shortest_life(observed: &Observed) -> Option<i64> {
    let renewed = observed.rows.iter().filter(|row| row.reason != Reason::Suspended);
    let tokens = renewed.flat_map(|row| &row.tokens);
    tokens
        .filter_map(|token| Some(token.expires_at?.since(observed.now)))
        .min()
}

fn gauge<V: EncodeGaugeValue + Copy>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: Option<V>,
) -> fmt::Result {
    let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    value.map_or(Ok(()), |value| ConstGauge::new(value).encode(metric))
}

fn gauges<L: EncodeLabelSet, V: EncodeGaugeValue + Copy>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    series: impl IntoIterator<Item = (L, V)>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in series {
        ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
