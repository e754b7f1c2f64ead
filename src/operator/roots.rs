//! Certificates of declared authorities: whoever mounts the files renews them, and the operator follows.
//!
//! A file that is gone or broken changes nothing: what was trusted before stays trusted, and the log says so once.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::config::Authority;
use crate::entra::BuildError;

/// How often the files are looked at: the sweep's pace.
const LOOK: Duration = Duration::from_secs(30);

/// Looks at the files for ever, and hands what changed to `trust`, with the name of the authority.
pub(super) async fn follow(
    authorities: Vec<Authority>,
    trust: impl Fn(&str, &[u8]) -> Result<(), BuildError>,
) {
    let mut bundles: Vec<Bundle> = authorities.into_iter().filter_map(Bundle::of).collect();
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

/// The file of one authority.
#[derive(Debug)]
struct Bundle {
    authority: String,
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
    fn of(authority: Authority) -> Option<Self> {
        let ca = authority.ca?;
        Some(Self {
            authority: authority.name,
            file: ca.file,
            seen: Some(ca.pem),
        })
    }

    async fn look(&mut self, trust: &impl Fn(&str, &[u8]) -> Result<(), BuildError>) -> News {
        let found = tokio::fs::read(&self.file).await.ok();
        if found == self.seen {
            return News::Nothing;
        }
        let trusted = found.as_ref().map(|pem| trust(&self.authority, pem));
        self.seen = found;
        match trusted {
            Some(Ok(())) => News::Trusted,
            Some(Err(error)) => News::Broken(error),
            None => News::Unreadable,
        }
    }

    fn tell(&self, news: &News) {
        let (authority, file) = (&self.authority, self.file.display());
        match news {
            News::Nothing => {}
            News::Trusted => {
                tracing::info!(authority, %file, "the file has changed; its certificates are trusted now");
            }
            News::Unreadable => {
                tracing::error!(authority, %file, "the file is gone; the certificates that it held stay trusted");
            }
            News::Broken(error) => {
                tracing::error!(authority, %file, %error, "the certificates that were trusted before stay trusted");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn refuse_empty(_: &str, pem: &[u8]) -> Result<(), BuildError> {
        if pem.is_empty() { Err(broken()) } else { Ok(()) }
    }

    fn broken() -> BuildError {
        BuildError::Certificates("lab".to_owned())
    }

    fn bundle(file: &std::path::Path) -> Bundle {
        std::fs::write(file, "first").unwrap();
        Bundle {
            authority: "lab".to_owned(),
            file: file.to_owned(),
            seen: Some(b"first".to_vec()),
        }
    }

    #[tokio::test]
    async fn a_changed_file_is_handed_on_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let mut bundle = bundle(&file);
        let handed = RefCell::new(Vec::new());
        let trust = |authority: &str, pem: &[u8]| {
            handed.borrow_mut().push((authority.to_owned(), pem.to_vec()));
            Ok(())
        };
        assert_eq!(bundle.look(&trust).await, News::Nothing);
        std::fs::write(&file, "second").unwrap();
        assert_eq!(bundle.look(&trust).await, News::Trusted);
        assert_eq!(bundle.look(&trust).await, News::Nothing);
        assert_eq!(*handed.borrow(), [("lab".to_owned(), b"second".to_vec())]);
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
