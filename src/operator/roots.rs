//! Certificates of declared authorities and federation servers: whoever mounts the files renews them, and the operator
//! follows.
//!
//! A file that is gone or broken changes nothing: what was trusted before stays trusted, and the log says so once.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::config::{CaBundle, Config};
use crate::entra::{BuildError, Peer};

/// How often the files are looked at: the sweep's pace.
const LOOK: Duration = Duration::from_secs(30);

/// Looks at the files of this configuration for ever, and hands what changed to `trust`.
pub(super) async fn follow(config: Config, trust: impl Fn(&Peer, &[u8]) -> Result<(), BuildError>) {
    let mut bundles = bundles(config);
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        for bundle in &mut bundles {
            let news = bundle.look(&trust).await;
            bundle.tell(&news);
        }
    }
}

fn bundles(config: Config) -> Vec<Bundle> {
    let authorities = config.authorities.into_iter();
    let of_authorities = authorities.filter_map(|a| Some(Bundle::new(Peer::Authority(a.name), a.ca?)));
    let of_federation = config.federation.ca;
    of_authorities
        .chain(of_federation.map(|ca| Bundle::new(Peer::Federation, ca)))
        .collect()
}

/// One file.
#[derive(Debug)]
struct Bundle {
    peer: Peer,
    file: PathBuf,
    /// What was in it; `None`: it could not be read.
    seen: Option<Vec<u8>>,
}

/// What a look found.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Nothing,
    Trusted,
    Unreadable,
    Broken(BuildError),
}

impl Bundle {
    fn new(peer: Peer, ca: CaBundle) -> Self {
        Self {
            peer,
            file: ca.file,
            seen: Some(ca.pem),
        }
    }

    async fn look(&mut self, trust: &impl Fn(&Peer, &[u8]) -> Result<(), BuildError>) -> News {
        let found = tokio::fs::read(&self.file).await.ok();
        if found == self.seen {
            return News::Nothing;
        }
        let trusted = found.as_ref().map(|pem| trust(&self.peer, pem));
        self.seen = found;
        match trusted {
            Some(Ok(())) => News::Trusted,
            Some(Err(error)) => News::Broken(error),
            None => News::Unreadable,
        }
    }

    fn tell(&self, news: &News) {
        let (peer, file) = (&self.peer, self.file.display());
        match news {
            News::Nothing => {}
            News::Trusted => {
                tracing::info!(%peer, %file, "the file has changed; its certificates are trusted now");
            }
            News::Unreadable => {
                tracing::error!(%peer, %file, "the file is gone; the certificates that it held stay trusted");
            }
            News::Broken(error) => {
                tracing::error!(%peer, %file, %error, "the certificates that were trusted before stay trusted");
            }
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
        BuildError::Certificates("lab".to_owned())
    }

    fn lab() -> Peer {
        Peer::Authority("lab".to_owned())
    }

    fn bundle(file: &std::path::Path) -> Bundle {
        std::fs::write(file, "first").unwrap();
        Bundle {
            peer: lab(),
            file: file.to_owned(),
            seen: Some(b"first".to_vec()),
        }
    }

    #[test]
    fn every_file_of_the_configuration_is_followed() {
        let ca = |file: &str| CaBundle {
            file: file.into(),
            pem: Vec::new(),
        };
        let text = "authorities: [{name: lab, kind: Entra, url: 'https://lab.example'}]";
        let mut config = Config::parse(text, &|_| Err(std::io::ErrorKind::NotFound.into())).unwrap();
        assert!(bundles(config.clone()).is_empty());
        config.authorities[0].ca = Some(ca("/lab.pem"));
        config.federation.ca = Some(ca("/federation.pem"));
        let followed: Vec<_> = bundles(config).into_iter().map(|b| (b.peer, b.file)).collect();
        let expected = [
            (lab(), "/lab.pem".into()),
            (Peer::Federation, "/federation.pem".into()),
        ];
        assert_eq!(followed, expected);
    }

    #[tokio::test]
    async fn a_changed_file_is_handed_on_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let mut bundle = bundle(&file);
        let handed = RefCell::new(Vec::new());
        let trust = |peer: &Peer, pem: &[u8]| {
            handed.borrow_mut().push((peer.clone(), pem.to_vec()));
            Ok(())
        };
        assert_eq!(bundle.look(&trust).await, News::Nothing);
        std::fs::write(&file, "second").unwrap();
        assert_eq!(bundle.look(&trust).await, News::Trusted);
        assert_eq!(bundle.look(&trust).await, News::Nothing);
        assert_eq!(*handed.borrow(), [(lab(), b"second".to_vec())]);
    }

    #[tokio::test]
    async fn a_broken_or_missing_file_is_told_once_and_its_successor_is_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let mut bundle = bundle(&file);
        std::fs::write(&file, "").unwrap();
        assert_eq!(bundle.look(&refuse_empty).await, News::Broken(broken()));
        assert_eq!(bundle.look(&refuse_empty).await, News::Nothing);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(bundle.look(&refuse_empty).await, News::Unreadable);
        assert_eq!(bundle.look(&refuse_empty).await, News::Nothing);
        std::fs::write(&file, "first").unwrap();
        assert_eq!(bundle.look(&refuse_empty).await, News::Trusted);
    }
}
