//! The operator under demonstration: built with the same features as everything else, so that nothing is
//! compiled twice.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use tokio::process::Command;

use super::{Error, Paint, Screen};
use crate::stage::repository;

const NAME: &str = "entra-operator";

/// One line of `cargo build --message-format=json`.
#[derive(Debug, Deserialize)]
struct Message {
    #[serde(default)]
    target: Target,
    executable: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
struct Target {
    name: String,
}

/// The operator that was given, or the one that is built.
pub(crate) async fn chosen(given: Option<&Path>, screen: &Screen) -> Result<PathBuf, Error> {
    match given {
        Some(path) => found(path),
        None => built(screen).await,
    }
}

/// Where a program is, for whoever works in another directory.
pub(crate) fn found(path: &Path) -> Result<PathBuf, Error> {
    let absolute = path.canonicalize();
    absolute.map_err(Error::io(format!("find {}", path.display())))
}

/// Builds the operator as cargo built this program, and says where it is. cargo's progress goes to stderr.
async fn built(screen: &Screen) -> Result<PathBuf, Error> {
    screen.change("operator", "cargo build --workspace --bins", Paint::Dim)?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--workspace", "--bins"])
        .arg("--message-format=json-render-diagnostics")
        .args(profile())
        .current_dir(repository())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(Error::io("start cargo"))?;
    if !output.status.success() {
        return Err(Error::Build(output.status.to_string()));
    }
    executable(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| Error::Build(format!("it names no executable {NAME}")))
}

/// The profile of this program: cargo puts it into a directory of that name, `debug` for `dev`.
fn profile() -> Vec<String> {
    let program = env::current_exe().unwrap_or_default();
    let directory = program.parent().and_then(|directory| directory.file_name());
    match directory.and_then(|name| name.to_str()) {
        Some("debug") | None => Vec::new(),
        Some(name) => vec!["--profile".to_owned(), name.to_owned()],
    }
}

fn executable(messages: &str) -> Option<PathBuf> {
    let read = |line: &str| serde_json::from_str::<Message>(line).ok();
    let of_operator = |message: Message| message.executable.filter(|_| message.target.name == NAME);
    messages.lines().filter_map(read).find_map(of_operator)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_executable_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"entra-operator","kind":["lib"]},"executable":null}
{"reason":"compiler-artifact","target":{"name":"entra-lab","kind":["bin"]},"executable":"/t/entra-lab"}
{"reason":"compiler-artifact","target":{"name":"entra-operator","kind":["bin"]},"executable":"/t/entra-operator"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(
            executable(messages).as_deref(),
            Some(Path::new("/t/entra-operator"))
        );
        assert_eq!(executable("no json"), None);
    }
}
