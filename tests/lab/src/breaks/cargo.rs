//! Builds tests in the copy and runs them, each within its time.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::Error;

/// Longest build: the first one compiles all dependencies, perhaps on a busy machine.
const BUILD: Duration = Duration::from_mins(30);
const POLL: Duration = Duration::from_millis(20);
/// How much of a compiler's complaint is shown.
const COMPLAINT_LINES: usize = 25;
/// Options of `cargo test` that are followed by a value.
const WITH_VALUE: [&str; 7] = [
    "--test",
    "--bin",
    "--package",
    "-p",
    "--features",
    "--example",
    "--profile",
];

/// Cargo in the copy, with build products of its own.
#[derive(Debug)]
pub(super) struct Cargo {
    tree: PathBuf,
    target: PathBuf,
    limit: Duration,
    histories: Option<u64>,
}

/// What the tests said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// How many passed.
    pub(super) passed: usize,
    /// Names of those that failed.
    pub(super) failed: BTreeSet<String>,
}

/// Why there is no verdict.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It does not compile.
    Compile(String),
    /// The tests did not end in time.
    Slow(Duration),
    /// A test program ended without saying which test failed.
    Silent(String),
}

/// A test program.
struct Program {
    path: PathBuf,
    folder: PathBuf,
}

impl Cargo {
    /// `limit` is for one run of the tests. The simulation plays so many `histories`, and says of each how it ended.
    pub(super) fn new(tree: &Path, target: &Path, limit: Duration, histories: Option<u64>) -> Self {
        Self {
            tree: tree.to_owned(),
            target: target.to_owned(),
            limit,
            histories,
        }
    }

    /// Builds and runs the tests that `arguments` of `cargo test` name.
    pub(super) fn test(&self, arguments: &str) -> Result<Result<Verdict, Trouble>, Error> {
        let selection = Selection::parse(arguments);
        let programs = match self.build(&selection)? {
            Ok(programs) => programs,
            Err(trouble) => return Ok(Err(trouble)),
        };
        let mut verdict = Verdict::default();
        let end = Instant::now() + self.limit;
        for program in &programs {
            if let Err(trouble) = self.run(program, &selection, end, &mut verdict)? {
                return Ok(Err(trouble));
            }
        }
        Ok(Ok(verdict))
    }

    fn build(&self, selection: &Selection) -> Result<Result<Vec<Program>, Trouble>, Error> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args([
                "test",
                "--no-run",
                "--quiet",
                "--message-format=json-render-diagnostics",
            ])
            .args(&selection.build)
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target);
        let (out, err) = (
            self.target.with_extension("out"),
            self.target.with_extension("err"),
        );
        Ok(
            match self.supervise(&mut cargo, &out, &err, Instant::now() + BUILD)? {
                None => Err(Trouble::Slow(BUILD)),
                Some(status) if status.success() => Ok(programs(&read(&out)?)),
                Some(_) => Err(Trouble::Compile(complaint(&read(&err)?))),
            },
        )
    }

    fn run(
        &self,
        program: &Program,
        selection: &Selection,
        end: Instant,
        verdict: &mut Verdict,
    ) -> Result<Result<(), Trouble>, Error> {
        let mut command = Command::new(&program.path);
        command
            .args(&selection.run)
            .current_dir(&program.folder)
            .env("CARGO_MANIFEST_DIR", &program.folder);
        if let Some(histories) = self.histories {
            command
                .env("SIMULATION_SEEDS", histories.to_string())
                .env("SIMULATION_EACH", "1");
        }
        let (out, err) = (
            self.target.with_extension("out"),
            self.target.with_extension("err"),
        );
        let Some(status) = self.supervise(&mut command, &out, &err, end)? else {
            return Ok(Err(Trouble::Slow(self.limit)));
        };
        let before = verdict.failed.len();
        verdict.take(&read(&out)?);
        if status.success() || verdict.failed.len() > before {
            return Ok(Ok(()));
        }
        Ok(Err(Trouble::Silent(complaint(&read(&err)?))))
    }

    /// Runs a program until it ends or has to; `None` if it had to. Its output goes to files, so that it never waits
    /// for a reader.
    fn supervise(
        &self,
        command: &mut Command,
        out: &Path,
        err: &Path,
        end: Instant,
    ) -> Result<Option<ExitStatus>, Error> {
        let create = |path: &Path| File::create(path).map_err(Error::io("create", path));
        command
            .stdin(Stdio::null())
            .stdout(create(out)?)
            .stderr(create(err)?);
        let mut child = command.spawn().map_err(Error::io("start cargo in", &self.tree))?;
        wait(&mut child, end).map_err(Error::io("wait for cargo in", &self.tree))
    }
}

fn wait(child: &mut Child, end: Instant) -> std::io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        sleep(POLL);
    }
}

fn read(path: &Path) -> Result<String, Error> {
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Arguments of `cargo test`, split into those that select what is built and those that select what is run.
#[derive(Debug, PartialEq, Eq)]
struct Selection {
    build: Vec<String>,
    run: Vec<String>,
}

impl Selection {
    fn parse(arguments: &str) -> Self {
        let (mut build, mut run) = (Vec::new(), Vec::new());
        let mut words = arguments.split_whitespace().map(str::to_owned);
        while let Some(word) = words.next() {
            if word == "--" {
                run.extend(words.by_ref());
            } else if WITH_VALUE.contains(&word.as_str()) {
                build.push(word);
                build.extend(words.next());
            } else if word.starts_with('-') {
                build.push(word);
            } else {
                run.push(word);
            }
        }
        if !build.iter().any(|word| word == "--package" || word == "-p") {
            build.extend(["--package", "entra-operator"].map(str::to_owned));
        }
        Self { build, run }
    }
}

/// What cargo says in one line of JSON.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Test programs among the products of a build.
fn programs(messages: &str) -> Vec<Program> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| message.profile.as_ref().is_some_and(|p| p.test))
        .filter_map(|message| {
            Some(Program {
                path: message.executable?,
                folder: message.manifest_path?.parent()?.to_owned(),
            })
        })
        .collect()
}

/// The errors in what a program wrote.
fn complaint(text: &str) -> String {
    let from = text
        .lines()
        .position(|line| line.starts_with("error"))
        .unwrap_or_default();
    let lines: Vec<_> = text.lines().skip(from).take(COMPLAINT_LINES).collect();
    lines.join("\n")
}

impl Verdict {
    /// Adds what a test program wrote: `test NAME ... ok` or `test NAME ... FAILED`.
    fn take(&mut self, output: &str) {
        for line in output.lines() {
            let Some((name, result)) = line.strip_prefix("test ").and_then(|l| l.rsplit_once(" ... ")) else {
                continue;
            };
            match result {
                "ok" => self.passed += 1,
                "FAILED" => drop(
                    self.failed
                        .insert(name.trim_end_matches(" - should panic").to_owned()),
                ),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    #[test]
    fn arguments_are_split_into_those_that_build_and_those_that_run() {
        let selection = Selection::parse("--lib --test plan cluster::patch -- --skip slow");
        let build = words(&["--lib", "--test", "plan", "--package", "entra-operator"]);
        assert_eq!(selection.build, build);
        assert_eq!(selection.run, words(&["cluster::patch", "--skip", "slow"]));
        assert_eq!(
            Selection::parse("-p entra-lab --lib").build,
            words(&["-p", "entra-lab", "--lib"])
        );
    }

    #[test]
    fn failing_tests_are_named() {
        let mut verdict = Verdict::default();
        verdict.take("running 3 tests\ntest a::b ... ok\ntest a::c ... FAILED\ntest d ... ignored\n\ntest result: FAILED. 1 passed");
        assert_eq!(verdict.passed, 1);
        assert_eq!(verdict.failed, ["a::c".to_owned()].into());
    }

    #[test]
    fn only_test_programs_are_run() {
        let lines = [
            r#"{"reason":"compiler-artifact","manifest_path":"/r/Cargo.toml","profile":{"test":true},"executable":"/t/plan-1"}"#,
            r#"{"reason":"compiler-artifact","manifest_path":"/r/Cargo.toml","profile":{"test":false},"executable":"/t/operator"}"#,
            r#"{"reason":"build-finished","success":true}"#,
        ];
        let found = programs(&lines.join("\n"));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, Path::new("/t/plan-1"));
        assert_eq!(found[0].folder, Path::new("/r"));
    }

    #[test]
    fn a_complaint_begins_with_the_error() {
        assert_eq!(
            complaint("warning: w\nerror[E1]: e\n  --> here"),
            "error[E1]: e\n  --> here"
        );
    }

    #[test]
    fn what_takes_too_long_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let cargo = Cargo::new(folder.path(), &folder.path().join("target"), Duration::ZERO, None);
        let (out, err) = (folder.path().join("out"), folder.path().join("err"));
        let mut sleeper = Command::new("sleep");
        sleeper.arg("60");
        let end = Instant::now() + Duration::from_millis(50);
        assert_eq!(cargo.supervise(&mut sleeper, &out, &err, end).unwrap(), None);
        assert!(end.elapsed() < Duration::from_secs(20));
    }
}
