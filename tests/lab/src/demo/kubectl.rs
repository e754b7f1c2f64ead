//! kubectl, as people use it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::Error;

/// kubectl with the cluster that it talks to.
#[derive(Debug)]
pub(super) struct Kubectl {
    program: PathBuf,
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
}

impl Kubectl {
    /// The one of this kubeconfig file.
    pub(super) fn with_kubeconfig(program: PathBuf, kubeconfig: &Path) -> Self {
        Self {
            program,
            kubeconfig: Some(kubeconfig.to_owned()),
            context: None,
        }
    }

    /// The one of this context of the user's own kubeconfig.
    pub(super) fn with_context(program: PathBuf, context: &str) -> Self {
        Self {
            program,
            kubeconfig: None,
            context: Some(context.to_owned()),
        }
    }

    /// Runs it and gives what it printed.
    pub(super) async fn run(&self, arguments: &[&str], input: &str) -> Result<String, Error> {
        let mut child = self
            .command(arguments)
            .spawn()
            .map_err(Error::io("start kubectl"))?;
        if let Some(mut stdin) = child.stdin.take() {
            let written = stdin.write_all(input.as_bytes()).await;
            written.map_err(Error::io("give kubectl its input"))?;
        }
        let output = child
            .wait_with_output()
            .await
            .map_err(Error::io("wait for kubectl"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Error::Kubectl {
            command: arguments.join(" "),
            output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(kubeconfig) = &self.kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        if let Some(context) = &self.context {
            command.args(["--context", context]);
        }
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}
