//! A shell in which the blocks of a page are typed: strict, so that no failure is passed over.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::Error;

/// Longest for one block; those that wait say themselves for how long, and that is less.
const PATIENCE: Duration = Duration::from_mins(5);

/// What a script prints; `typed` is what somebody types meanwhile.
pub(super) async fn run(
    place: &str,
    script: &str,
    typed: &str,
    prepare: impl FnOnce(&mut Command),
) -> Result<String, Error> {
    let mut command = Command::new("bash");
    // What is traced shows which line failed.
    command.args(["-euxo", "pipefail", "-c", script]);
    prepare(&mut command);
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = child.map_err(Error::io("run bash"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A script that reads nothing may have ended before.
        let _closed = stdin.write_all(format!("{typed}\n").as_bytes()).await;
    }
    let failed = |said: String| Error::Failed {
        place: place.to_owned(),
        said,
    };
    let Ok(ended) = tokio::time::timeout(PATIENCE, child.wait_with_output()).await else {
        return Err(failed(format!("it did not end within {} s", PATIENCE.as_secs())));
    };
    let output = ended.map_err(Error::io("wait for bash"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(failed(format!(
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn said(script: &str) -> Result<String, Error> {
        run("p:1", script, "secret", |_| {}).await
    }

    #[tokio::test]
    async fn what_is_typed_is_read_and_what_is_printed_is_told() {
        let text = said("read -rs WORD\nprintf %s \"$WORD\" | tr a-z A-Z")
            .await
            .unwrap();
        assert_eq!(text, "SECRET");
    }

    #[tokio::test]
    async fn every_failure_counts() {
        for script in ["false\ntrue", "false | cat", "echo $NOT_SET_ANYWHERE"] {
            assert!(
                matches!(said(script).await, Err(Error::Failed { .. })),
                "{script}"
            );
        }
    }
}
