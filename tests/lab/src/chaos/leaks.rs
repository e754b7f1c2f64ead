//! Looks for secrets everywhere that people read, again and again while the run lasts.
//!
//! Secrets are known by marks: what stands at the head of each password and refresh token, the client secret, and the header
//! of the JSON Web Tokens, which all access tokens share. In etcd a mark may be where it belongs only.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use super::cast::{NAMESPACES, PASSWORD_MARK};
use super::plan::REPLICAS;
use super::replicas::Replica;
use crate::search::{Place, holding};
use crate::simulator::REFRESH_TOKEN_MARK;
use crate::simulator::world::CLIENT_SECRET;
use crate::stage::Stage;

/// Longest for the metrics of one process, which may stand still.
const SCRAPE: Duration = Duration::from_secs(5);

/// Lines of a log that show a crash.
const CRASH: &str = "panicked at";

/// What was searched and found.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// Bytes searched.
    pub(super) bytes: usize,
    /// Texts searched.
    pub(super) places: usize,
    /// Logs of ended processes among them.
    pub(super) logs: usize,
    /// Whether each mark was found where it belongs.
    pub(super) at_home: BTreeSet<&'static str>,
    /// Marks where they must not be, and crashes.
    pub(super) leaks: BTreeSet<String>,
}

/// All searches of a run.
#[derive(Debug, Default)]
pub(super) struct Searches {
    header: OnceLock<String>,
    found: Arc<Mutex<Found>>,
    tasks: Mutex<JoinSet<()>>,
    /// Where logs are kept, if they are.
    keep: Option<PathBuf>,
}

/// One kind of secret.
#[derive(Clone, Debug)]
struct Kind {
    name: &'static str,
    mark: String,
    /// Ends of the keys of etcd where it belongs.
    home: &'static [&'static str],
}

impl Searches {
    /// Keeps the logs in this directory.
    pub(super) fn keeping(keep: Option<PathBuf>) -> Self {
        Self {
            keep,
            ..Self::default()
        }
    }

    /// Tells what access tokens begin with; known once the first was issued.
    pub(super) fn tell_header(&self, issued: &[String]) {
        let token = issued.iter().find(|token| token.starts_with("eyJ"));
        if let Some(header) = token.and_then(|token| token.split('.').next()) {
            self.header.get_or_init(|| header.to_owned());
        }
    }

    /// What is counted in a process's memory.
    pub(super) fn marks(&self) -> Vec<(&'static str, String)> {
        let kinds = self.kinds().into_iter();
        kinds.map(|kind| (kind.name, kind.mark)).collect()
    }

    fn kinds(&self) -> Vec<Kind> {
        let kind = |name, mark: &str, home| Kind {
            name,
            mark: mark.to_owned(),
            home,
        };
        let mut kinds = vec![
            kind("a password", PASSWORD_MARK, &["-login"]),
            kind("a refresh token", REFRESH_TOKEN_MARK, &[]),
            kind("the client secret", CLIENT_SECRET, &["/app"]),
        ];
        let header = self.header.get();
        kinds.extend(header.map(|header| kind("an access token", header, &["-api", "-graph"])));
        kinds
    }

    /// Searches the log of a process that has ended.
    pub(super) fn log(&self, name: &str, text: String) {
        let number = {
            let mut found = self.lock();
            found.logs += 1;
            found.logs
        };
        if let Some(keep) = &self.keep {
            let file = format!("{number:04}-{}.log", name.rsplit(' ').next().unwrap_or_default());
            // Only for people: a run does not fail for it.
            drop(std::fs::write(keep.join(file), &text));
        }
        if text.contains(CRASH) {
            let line = text.lines().find(|line| line.contains(CRASH)).unwrap_or_default();
            self.lock().leaks.insert(format!("{name}: {line}"));
        }
        self.search(vec![Place::new(name, text)]);
    }

    /// Searches in the background.
    pub(super) fn search(&self, places: Vec<Place>) {
        let (kinds, found) = (self.kinds(), Arc::clone(&self.found));
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn_blocking(move || search(&kinds, &places, &found));
    }

    /// What was found, once all searches have ended.
    pub(super) async fn found(&self) -> Found {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        while tasks.join_next().await.is_some() {}
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Searches etcd as it is now, the audit log, and what the running processes show.
    pub(super) async fn look_around(&self, stage: &Stage, replicas: &[Replica; REPLICAS]) {
        if self.header.get().is_none() {
            self.tell_header(&stage.simulator.secrets_issued());
        }
        let mut places = Vec::new();
        if let Ok(pairs) = stage.plane.etcd_dump().await {
            places.extend(pairs.into_iter().map(Place::of_etcd));
        }
        for replica in replicas {
            if let Some((pid, metrics)) = replica.process().await {
                places.extend(shown(pid, metrics).await);
            }
        }
        self.search(places);
    }
}

/// What a running process shows of itself; nothing if it was killed meanwhile.
async fn shown(pid: u32, metrics: Option<String>) -> Vec<Place> {
    let file = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let text = |name: &str| String::from_utf8_lossy(&file(name)).into_owned();
    let mut places = vec![
        Place::new("a command line", text("cmdline")),
        Place::new("an environment", text("environ")),
    ];
    if let Some(metrics) = metrics {
        let scrape = tokio::time::timeout(SCRAPE, reqwest::get(format!("{metrics}/metrics"))).await;
        if let Ok(Ok(scrape)) = scrape {
            places.extend(scrape.text().await.map(|text| Place::new("the metrics", text)));
        }
    }
    places
}

fn search(kinds: &[Kind], places: &[Place], found: &Mutex<Found>) {
    let bytes = places.iter().map(Place::len).sum::<usize>();
    let mut hits = Vec::new();
    for kind in kinds {
        let holding = holding(places, std::slice::from_ref(&kind.mark));
        hits.extend(holding.into_iter().map(|place| (kind, place)));
    }
    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
    found.bytes += bytes;
    found.places += places.len();
    for (kind, place) in hits {
        if kind.is_home(&place) {
            found.at_home.insert(kind.name);
        } else {
            found.leaks.insert(format!("{} in {place}", kind.name));
        }
    }
}

impl Kind {
    fn is_home(&self, place: &str) -> bool {
        let ours = place.starts_with(&format!("/registry/secrets/{NAMESPACES}"));
        ours && self.home.iter().any(|end| place.ends_with(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_at_home_in_its_own_secret_only() {
        let searches = Searches::default();
        searches.tell_header(&["eyJhbGciOiJub25lIn0.e30.c2ln".to_owned()]);
        let password = format!("{PASSWORD_MARK}1-0-x");
        let access = "eyJhbGciOiJub25lIn0.e30.bm8".to_owned();
        let places = [
            Place::new("/registry/secrets/chaos-0/c1-login", password.clone()),
            Place::new("/registry/secrets/chaos-0/c1-api", access.clone()),
        ];
        let found = Mutex::default();
        search(&searches.kinds(), &places, &found);
        assert!(found.lock().unwrap().leaks.is_empty());
        assert_eq!(found.lock().unwrap().at_home.len(), 2);
        let places = [
            Place::new("/registry/secrets/chaos-0/c1-api", password),
            Place::new("the metrics", access),
            Place::new(
                "/registry/secrets/chaos-0/c1.refresh-token",
                format!("{REFRESH_TOKEN_MARK}x"),
            ),
        ];
        search(&searches.kinds(), &places, &found);
        assert_eq!(found.lock().unwrap().leaks.len(), 3);
    }
}
