//! The pod that uses the token, and what it saw.
//!
//! Each second it writes the time and the digest of the token that it finds in its file. That digest leads to the token
//! itself, as [`super::watch`] met it, and so to the expiry within it: neither side has to be believed.

use std::collections::BTreeMap;
use std::path::Path;

use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;

use super::node::TOOLS_IMAGE;
use super::watch::Token;
use super::{Error, NAMESPACE};

/// Its name.
pub(super) const READER: &str = "reader";
/// That of the example as it is shipped.
pub(super) const EXAMPLE: &str = "example";

/// Where it is in the repository.
pub(super) const EXAMPLE_FILE: &str = "deploy/examples/pod.yaml";

/// PID 1 has no default for SIGTERM: without the trap, the pod would take its whole grace period to end.
pub(super) const SCRIPT: &str = r#"
trap 'exit 0' TERM
while :; do
    digest=$(sha256sum </var/run/entra/access_token)
    echo "$(date +%s) ${digest%% *}"
    sleep 1 &
    wait $!
done
"#;

/// The shipped example, as kubectl reads it, with an image that is there, under this name, and maybe with another script.
pub(super) fn pod(example: &str, name: &str, script: Option<&str>) -> Result<Value, Error> {
    let unlike = |_| Error::Broken(vec![format!("{EXAMPLE_FILE} is a pod")]);
    let mut pod: Pod = serde_json::from_str(example).map_err(unlike)?;
    pod.metadata.name = Some(name.to_owned());
    for container in pod.spec.iter_mut().flat_map(|spec| &mut spec.containers) {
        container.image = Some(TOOLS_IMAGE.to_owned());
        container.image_pull_policy = Some("Never".to_owned());
        if let Some(script) = script {
            container.args = Some(vec![script.to_owned()]);
        }
    }
    serde_json::to_value(pod).map_err(unlike)
}

/// One look of the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    /// Unix seconds.
    pub(super) at: i64,
    /// SHA-256 of what it read.
    pub(super) digest: String,
}

/// What the pod wrote so far, as the kubelet keeps it.
pub(super) fn looks(logs: &Path) -> Result<Vec<Look>, Error> {
    let mut looks = Vec::new();
    for pod in directories(logs)? {
        let name = pod.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(&format!("{NAMESPACE}_{READER}_")) {
            for file in directories(&pod.join(READER))? {
                let text = std::fs::read_to_string(&file).map_err(Error::io("read the pod's log"))?;
                looks.extend(text.lines().filter_map(look));
            }
        }
    }
    looks.sort_by_key(|look| look.at);
    Ok(looks)
}

fn directories(of: &Path) -> Result<Vec<std::path::PathBuf>, Error> {
    let Ok(entries) = std::fs::read_dir(of) else {
        return Ok(Vec::new());
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths
        .collect::<Result<_, _>>()
        .map_err(Error::io("read the pods' logs"))
}

/// A line such as `2026-01-01T00:00:00.0Z stdout F 1767225600 0123abcd…`.
fn look(line: &str) -> Option<Look> {
    let mut words = line.split_whitespace().skip(3);
    Some(Look {
        at: words.next()?.parse().ok()?,
        digest: words.next()?.to_owned(),
    })
}

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Looks that found a token.
    pub(super) looks: usize,
    /// Seconds that the oldest token had left when it was read.
    pub(super) lowest: Option<i64>,
    /// Seconds from each renewal to the first look that found its token.
    pub(super) late: Vec<i64>,
    /// What does not hold.
    pub(super) broken: Vec<String>,
}

/// Judges the looks by the tokens, in the order in which these were written.
pub(super) fn judge(looks: &[Look], tokens: &[Token]) -> Verdict {
    let known: BTreeMap<_, _> = tokens
        .iter()
        .map(|token| (token.digest.as_str(), token))
        .collect();
    let mut verdict = Verdict {
        looks: looks.len(),
        ..Verdict::default()
    };
    for look in looks {
        match known.get(look.digest.as_str()) {
            None => verdict
                .broken
                .push(format!("at {} the pod read what is no token", look.at)),
            Some(token) => {
                let left = token.expires - look.at;
                verdict.lowest = Some(verdict.lowest.map_or(left, |lowest| lowest.min(left)));
                if left <= 0 {
                    verdict.broken.push(format!(
                        "at {} the token that the pod read had {left} s left",
                        look.at
                    ));
                }
            }
        }
    }
    for (number, token) in tokens.iter().enumerate().skip(1) {
        match looks.iter().find(|look| look.digest == token.digest) {
            Some(look) => verdict.late.push((look.at - token.written).max(0)),
            None => verdict
                .broken
                .push(format!("the pod never read the token of renewal {number}")),
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(digest: &str, written: i64, expires: i64) -> Token {
        Token {
            digest: digest.to_owned(),
            written,
            expires,
        }
    }

    fn seen(at: i64, digest: &str) -> Look {
        Look {
            at,
            digest: digest.to_owned(),
        }
    }

    #[test]
    fn a_line_of_the_kubelet_is_a_look() {
        let line = "2026-01-01T00:00:00.0Z stdout F 1767225600 0123abcd";
        assert_eq!(look(line), Some(seen(1_767_225_600, "0123abcd")));
        assert_eq!(look("2026-01-01T00:00:00.0Z stderr F cat: no such file"), None);
    }

    #[test]
    fn late_is_from_the_write_to_the_first_look() {
        let tokens = [token("a", 0, 60), token("b", 35, 95)];
        let verdict = judge(
            &[seen(10, "a"), seen(44, "a"), seen(45, "b"), seen(46, "b")],
            &tokens,
        );
        assert_eq!(verdict.broken, Vec::<String>::new());
        assert_eq!((verdict.lowest, verdict.late), (Some(16), vec![10]));
    }

    #[test]
    fn an_expired_a_missed_and_an_unknown_token_are_told() {
        let tokens = [token("a", 0, 60), token("b", 35, 95)];
        let verdict = judge(&[seen(10, "a"), seen(61, "a"), seen(62, "empty")], &tokens);
        assert_eq!(verdict.broken.len(), 3, "{:?}", verdict.broken);
    }
}
