//! Certificates of declared authorities and federation servers: whoever mounts the files renews them, and the operator
//! follows.
//!
//! # Guarantees
//!
//! - A file that is not there, or holds no certificate, costs whoever it is for and nobody else: nothing is sent there until
//!   the file has brought one.
//! - What was trusted before stays trusted when the file goes or breaks.
//! - Each of these is told once, with the path.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::config::Config;
use crate::entra::{BuildError, Peer};

/// How often the files are looked at: a file that comes is there before a sign-in is tried again.
const LOOK: Duration = Duration::from_secs(10);

/// The files of a configuration.
#[derive(Debug)]
pub(super) struct Roots(Vec<File>);

impl Roots {
    pub(super) fn of(config: &Config) -> Self {
        let authorities = config.authorities.iter();
        let of_authorities =
            authorities.filter_map(|a| Some(File::new(Peer::Authority(a.name.clone()), a.ca_file.clone()?)));
        let of_federation = config.federation.ca_file.clone();
        let all = of_authorities.chain(of_federation.map(|file| File::new(Peer::Federation, file)));
        Self(all.collect())
    }

    /// Looks at every file once, and hands what changed to `trust`.
    pub(super) async fn look(&mut self, trust: &impl Fn(&Peer, &[u8]) -> Result<(), BuildError>) {
        for file in &mut self.0 {
            let news = file.look(trust).await;
            file.tell(&news);
        }
    }

    /// Looks at them for ever.
    pub(super) async fn follow(mut self, trust: impl Fn(&Peer, &[u8]) -> Result<(), BuildError>) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            self.look(&trust).await;
        }
    }
}

/// One file.
#[derive(Debug)]
struct File {
    peer: Peer,
    path: PathBuf,
    /// What the last look found.
    seen: Seen,
    /// It has brought certificates once.
    trusted: bool,
}

/// What a look finds.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    Unreadable,
    Content(Vec<u8>),
}

/// What is new.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Nothing,
    Trusted,
    Unreadable,
    Broken(BuildError),
}

impl File {
    const fn new(peer: Peer, path: PathBuf) -> Self {
        Self {
            peer,
            path,
            seen: Seen::Nothing,
            trusted: false,
        }
    }

    async fn look(&mut self, trust: &impl Fn(&Peer, &[u8]) -> Result<(), BuildError>) -> News {
        let found = tokio::fs::read(&self.path).await;
        let found = found.map_or(Seen::Unreadable, Seen::Content);
        if found == self.seen {
            return News::Nothing;
        }
        self.seen = found;
        let Seen::Content(pem) = &self.seen else {
            return News::Unreadable;
        };
        match trust(&self.peer, pem) {
            Ok(()) => {
                self.trusted = true;
                News::Trusted
            }
            Err(error) => News::Broken(error),
        }
    }

    fn tell(&self, news: &News) {
        let (peer, file) = (&self.peer, self.path.display());
        let left = if self.trusted {
            "the certificates that it held before stay trusted"
        } else {
            "nothing is sent there until it holds a certificate"
        };
        match news {
            News::Nothing => {}
            News::Trusted => tracing::info!(%peer, %file, "the certificates of the file are trusted now"),
            News::Unreadable => tracing::error!(%peer, %file, "the file cannot be read; {left}"),
            News::Broken(error) => tracing::error!(%peer, %file, %error, "the file is of no use; {left}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn refuse_empty(_: &Peer, pem: &[u8]) -> Result<(), BuildError> {
        if pem.is_empty() { Err(broken()) } else { Ok(()) }
    }

    fn broken() -> BuildError {
        BuildError::Certificates(lab())
    }

    fn lab() -> Peer {
        Peer::Authority("lab".to_owned())
    }

    #[test]
    fn every_file_of_the_configuration_is_followed() {
        let roots = |text: &str| Roots::of(&Config::parse(text).unwrap());
        let none = "authorities: [{name: lab, kind: Entra, url: 'https://lab.example'}]";
        assert!(roots(none).0.is_empty());
        let both = "authorities: [{name: lab, kind: Entra, url: 'https://lab.example', caFile: /lab.pem}]
federation: {caFile: /federation.pem}";
        let followed: Vec<_> = roots(both).0.into_iter().map(|f| (f.peer, f.path)).collect();
        let expected = [
            (lab(), "/lab.pem".into()),
            (Peer::Federation, "/federation.pem".into()),
        ];
        assert_eq!(followed, expected);
    }

    #[tokio::test]
    async fn a_changed_file_is_handed_on_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let mut file = File::new(lab(), path.clone());
        let handed = RefCell::new(Vec::new());
        let trust = |peer: &Peer, pem: &[u8]| {
            handed.borrow_mut().push((peer.clone(), pem.to_vec()));
            Ok(())
        };
        for content in ["first", "second"] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(file.look(&trust).await, News::Trusted);
            assert_eq!(file.look(&trust).await, News::Nothing);
        }
        assert_eq!(
            *handed.borrow(),
            [(lab(), b"first".to_vec()), (lab(), b"second".to_vec())]
        );
    }

    #[tokio::test]
    async fn a_broken_or_missing_file_is_told_once_and_its_successor_is_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let mut file = File::new(lab(), path.clone());
        for trusted in [false, true] {
            assert_eq!(file.trusted, trusted);
            assert_eq!(file.look(&refuse_empty).await, News::Unreadable);
            assert_eq!(file.look(&refuse_empty).await, News::Nothing);
            std::fs::write(&path, "").unwrap();
            assert_eq!(file.look(&refuse_empty).await, News::Broken(broken()));
            assert_eq!(file.look(&refuse_empty).await, News::Nothing);
            assert_eq!(file.trusted, trusted);
            std::fs::write(&path, "first").unwrap();
            assert_eq!(file.look(&refuse_empty).await, News::Trusted);
            std::fs::remove_file(&path).unwrap();
        }
    }
}
