//! kube-score: pods, services, disruption budgets and network policies as one would want them. Guarantee: the sources are
//! exactly those of the committed `go.sum`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::exceptions::{self, Finding};
use super::{Error, Output, folder};
use crate::{cache, tool};

const PACKAGE: &str = "github.com/zegl/kube-score/cmd/kube-score";

/// Decides which versions of an API are out of date; the newest knows most.
const KUBERNETES: &str = "v1.37";

/// The grade of a check that found nothing.
const FLAWLESS: u8 = 10;

/// An object in kube-score's answer.
#[derive(Deserialize)]
struct Scored {
    object_name: String,
    checks: Vec<Score>,
}

#[derive(Deserialize)]
struct Score {
    check: Check,
    grade: u8,
    skipped: bool,
    comments: Option<Vec<Comment>>,
}

#[derive(Deserialize)]
struct Check {
    id: String,
}

#[derive(Deserialize)]
struct Comment {
    summary: String,
}

/// Says what was looked at, if nothing is wrong with it.
pub(super) fn judge(outputs: &[Output]) -> Result<String, Error> {
    let program = program()?;
    let rules = exceptions::rules()?;
    let (mut objects, mut findings) = (0, Vec::new());
    for output in outputs {
        let scored = scored(&program, &rules.optional, output)?;
        objects += scored.len();
        findings.extend(scored.iter().flat_map(|object| flaws(output.set, object)));
    }
    let sets: Vec<_> = outputs.iter().map(|output| output.set).collect();
    Error::found(&rules.complaints(&findings, &sets))?;
    Ok(format!(
        "kube-score: {objects} objects in {} sets; {} findings, each an exception with a reason",
        sets.len(),
        findings.len()
    ))
}

/// Annotations of the chart could switch checks off; the file of exceptions is the place for that.
fn scored(program: &Path, optional: &[String], output: &Output) -> Result<Vec<Scored>, Error> {
    let mut command = Command::new(program);
    command.args([
        "score",
        "--kubernetes-version",
        KUBERNETES,
        "--output-format",
        "json",
    ]);
    command.args([
        "--disable-ignore-checks-annotations",
        "--disable-optional-checks-annotations",
    ]);
    for check in optional {
        command.args(["--enable-optional-test", check]);
    }
    command.arg(&output.file).stdin(Stdio::null());
    // It fails when it finds something: what it says then is the answer all the same.
    let answer = command.output().map_err(Error::io("run kube-score"))?;
    let said = || String::from_utf8_lossy(&[&*answer.stdout, &*answer.stderr].concat()).into_owned();
    let scored: Vec<Scored> =
        serde_json::from_slice(&answer.stdout).map_err(|_| Error::Unclear("kube-score", said()))?;
    if scored.is_empty() {
        return Err(Error::Unclear(
            "kube-score",
            format!("sees nothing in {}", output.set),
        ));
    }
    Ok(scored)
}

fn flaws(set: &str, object: &Scored) -> Vec<Finding> {
    let failed = object
        .checks
        .iter()
        .filter(|score| !score.skipped && score.grade < FLAWLESS);
    let finding = |score: &Score| {
        let comments = score.comments.iter().flatten();
        let summaries: Vec<_> = comments.map(|comment| comment.summary.as_str()).collect();
        Finding {
            set: set.to_owned(),
            object: object.object_name.clone(),
            check: score.check.id.clone(),
            summary: summaries.join(", "),
        }
    };
    failed.map(finding).collect()
}

/// It, built if it is not there yet.
fn program() -> Result<PathBuf, Error> {
    let module = folder("go/kube-score");
    let sums = module.join("go.sum");
    let locked = fs::read(&sums).map_err(Error::io(format!("read {}", sums.display())))?;
    let version = tool::run(go(&module).arg("version"))?;
    let key = cache::key([&*locked, version.as_bytes()]);
    let path = cache::directory()?
        .join(format!("kube-score-{key}"))
        .join("kube-score");
    cache::ensure(&path, |target| {
        cache::report("building kube-score from Go modules, once; about a minute");
        let mut build = go(&module);
        build.args(["build", "-trimpath", "-ldflags", "-s -w", "-o"]);
        Ok::<_, Error>(tool::run(build.arg(target).arg(PACKAGE)).map(drop)?)
    })?;
    Ok(path)
}

/// The user's Go settings must not change what is built.
fn go(module: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(module)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-mod=readonly")
        .env("GOWORK", "off");
    command
}
