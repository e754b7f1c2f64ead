//! What must hold: every query finds what it asks for, and alerts fire for what is wrong and for nothing else.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use super::alerts::alerts;
use super::dashboard::panels;
use super::names::names;
use super::prometheus::{Alert, Prometheus};
use super::scene::{FAILING, NAMESPACE, Scene, strike};
use super::{Error, picture};
use crate::demo::screen::{Paint, Screen};

/// Longest for anything that is waited for.
const PATIENCE: Duration = Duration::from_secs(200);

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(2);

/// What a picture shows at least: some lives of a token.
const PICTURED: Duration = Duration::from_mins(2);

/// In place of Grafana's window for rates.
pub(super) const WINDOW: &str = "20s";

/// What is wrong on the scene.
const MUST_FIRE: [&str; 5] = [
    "EntraTokenExpiring",
    "EntraTokenExpired",
    "EntraRenewalFailing",
    "EntraLoginRequired",
    "EntraNamespacesUnserved",
];

/// What is not.
const MUST_NOT_FIRE: [&str; 7] = [
    "EntraOperatorDown",
    "EntraPassStuck",
    "EntraLoginWaiting",
    "EntraRefreshTokenIdle",
    "EntraCredentialsNotUnderstood",
    "EntraWritesRefused",
    "EntraClockSkew",
];

/// Says what does not hold; nothing, if all does.
pub(super) async fn judge(
    screen: &Screen,
    scene: Scene,
    drawing: Option<&Path>,
) -> Result<Vec<String>, Error> {
    let begun = Instant::now();
    let mut broken = waited(screen, "signed in", signed_in(&scene.prometheus).await?)?;
    scene.make_trouble()?;
    screen.change("lane", "one fails, one is revoked, one suspended", Paint::Dim)?;
    let missing = lasting(async || fired_of(&scene.prometheus).await).await?;
    broken.extend(waited(screen, "alerts fire", missing)?);
    let unanswered = lasting(async || unanswered(&scene.prometheus).await).await?;
    broken.extend(waited(screen, "queries find data", unanswered)?);
    let unknown = unknown_names(&scene.prometheus).await?;
    broken.extend(waited(screen, "names exist", unknown)?);
    let untold = untold(&scene.prometheus).await?;
    broken.extend(waited(screen, "alerts name the credential", untold)?);
    let wrong = wrong(&scene.prometheus).await?;
    broken.extend(waited(screen, "nothing else fires", wrong)?);
    if let Some(file) = drawing {
        tokio::time::sleep(PICTURED.saturating_sub(begun.elapsed())).await;
        picture::draw(&scene.prometheus, begun.elapsed(), file).await?;
        screen.change("picture", &file.display().to_string(), Paint::Plain)?;
    }
    if !broken.is_empty() {
        screen.plain(&scene.log_end())?;
    }
    let (prometheus, stage) = scene.end_of_operator().await?;
    let down = fired(&prometheus, "10s").await?.contains("EntraOperatorDown");
    let late = Some("EntraOperatorDown does not fire".to_owned()).filter(|_| !down);
    broken.extend(waited(screen, "the end is noticed", late.into_iter().collect())?);
    drop(prometheus);
    strike(stage).await;
    Ok(broken)
}

/// Tells what was found, and passes it on.
fn waited(screen: &Screen, what: &str, missing: Vec<String>) -> Result<Vec<String>, Error> {
    let found = if missing.is_empty() {
        "all".to_owned()
    } else {
        missing.join("; ")
    };
    screen.verdict(missing.is_empty(), what, &found)?;
    Ok(missing)
}

/// What is still missing when patience ends.
async fn lasting(look: impl AsyncFn() -> Result<Vec<String>, Error>) -> Result<Vec<String>, Error> {
    let begun = Instant::now();
    loop {
        let missing = look().await?;
        if missing.is_empty() || begun.elapsed() > PATIENCE {
            return Ok(missing);
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn signed_in(prometheus: &Prometheus) -> Result<Vec<String>, Error> {
    lasting(async || {
        let ready = prometheus.query("entra_credential_ready == 1").await?.len();
        let all = Scene::can_be_ready();
        Ok((ready < all)
            .then(|| format!("{ready} of {all} are ready"))
            .into_iter()
            .collect())
    })
    .await
}

/// Alerts that fired at some moment of this time.
async fn fired(prometheus: &Prometheus, time: &str) -> Result<BTreeSet<String>, Error> {
    let fired = format!("max_over_time(ALERTS{{alertstate=\"firing\"}}[{time}])");
    let found = prometheus
        .query(&format!("count by (alertname) ({fired})"))
        .await?;
    Ok(found
        .iter()
        .map(|series| series.label("alertname").to_owned())
        .collect())
}

async fn fired_of(prometheus: &Prometheus) -> Result<Vec<String>, Error> {
    let fired = fired(prometheus, "30m").await?;
    let missing = MUST_FIRE.into_iter().filter(|alert| !fired.contains(*alert));
    Ok(missing.map(str::to_owned).collect())
}

async fn wrong(prometheus: &Prometheus) -> Result<Vec<String>, Error> {
    // Before Prometheus read it for the first time, the operator was away.
    let fired = fired(prometheus, "30s").await?;
    let wrong = MUST_NOT_FIRE.into_iter().filter(|alert| fired.contains(*alert));
    Ok(wrong.map(|alert| format!("{alert} fires")).collect())
}

/// Panels with a query that finds nothing.
async fn unanswered(prometheus: &Prometheus) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for panel in panels()? {
        for target in &panel.targets {
            let series = prometheus.query(&target.query(WINDOW)).await?;
            if series.iter().all(|series| series.points().is_empty()) {
                found.push(format!("{}: {}", panel.title, target.expr));
            }
        }
    }
    Ok(found)
}

/// Metrics that alerts or panels name and that the operator does not have.
async fn unknown_names(prometheus: &Prometheus) -> Result<Vec<String>, Error> {
    let known: BTreeSet<_> = prometheus.names().await?.into_iter().collect();
    let of_alerts = alerts()?.into_iter().map(|alert| alert.expr);
    let of_panels = panels()?.into_iter().flat_map(|panel| panel.targets);
    let asked = of_alerts.chain(of_panels.map(|target| target.expr));
    let asked: BTreeSet<_> = asked.flat_map(|query| names(&query)).collect();
    Ok(asked.difference(&known).cloned().collect())
}

/// The expired token's alert says whose it is, and where to read on.
async fn untold(prometheus: &Prometheus) -> Result<Vec<String>, Error> {
    let alerts = prometheus.alerts().await?;
    let whose = format!("{NAMESPACE}/{FAILING}");
    let says = |alert: &Alert, name: &str, text: &str| {
        let said = alert.annotations.get(name);
        said.is_some_and(|said| said.contains(text))
    };
    let told = alerts
        .iter()
        .any(|alert| says(alert, "summary", &whose) && says(alert, "runbook_url", "docs/alerts.md#entra"));
    Ok(Some(format!("no alert tells of {whose}"))
        .filter(|_| !told)
        .into_iter()
        .collect())
}
