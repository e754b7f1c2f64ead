//! Programs of the system that run to their end, such as `buildah` and `ip`.

use std::io;
use std::process::{Command, Stdio};

/// It could not be run, or it failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such program.
    #[error("cannot run {0}: on Debian, apt-get install --no-install-recommends {PACKAGES}")]
    Missing(String, #[source] io::Error),
    /// It says no.
    #[error("{0} failed:\n{1}")]
    Failed(String, String),
}

/// Debian's packages for the lanes that need more than Rust.
const PACKAGES: &str = "golang-go python3-pip nodejs default-jdk-headless curl jq \
     buildah containerd runc containernetworking-plugins busybox-static iproute2";

/// How much of its output explains a failure.
const EXPLANATION_LINES: usize = 25;

/// What it prints on standard output. Blocks.
///
/// # Errors
/// See [`Error`].
pub fn run(command: &mut Command) -> Result<String, Error> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => return Err(Error::Missing(name, error)),
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
    let line = std::iter::once(name).chain(words).collect::<Vec<_>>().join(" ");
    Err(Error::Failed(line, end(&[output.stdout, output.stderr].concat())))
}

/// The same for a program and words. Blocks.
///
/// # Errors
/// See [`Error`].
pub fn call(program: &str, words: &[&str]) -> Result<String, Error> {
    run(Command::new(program).args(words))
}

/// The last lines of a text.
pub fn end(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let skipped = text.lines().count().saturating_sub(EXPLANATION_LINES);
    text.lines().skip(skipped).collect::<Vec<_>>().join("\n")
}
