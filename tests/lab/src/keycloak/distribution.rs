//! Keycloak's own distribution, from Maven's registry into the cache, and prepared for a start of half a minute.
//!
//! Guarantee: what runs is the file with this checksum.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use aws_lc_rs::digest::{SHA256, digest};

use crate::cache;

/// The release, and the checksum of its archive.
pub(super) const VERSION: &str = "26.4.7";
const SHA256_OF_ARCHIVE: &str = "dd9834c023460be856f731423d86228c23b5d002194a2064642bec0cc6573eaa";

/// The start that `bin/kc.sh` makes, without the shell that would outlive a SIGKILL of its parent.
pub(super) const MAIN: &str = "io.quarkus.bootstrap.runner.QuarkusEntryPoint";

/// Where its data is kept; chosen when it is prepared.
const DATABASE: &str = "dev-mem";

/// Packages of a Debian system.
const NEEDS: &str = "default-jdk-headless and maven";

/// What is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cache.
    #[error(transparent)]
    Cache(#[from] cache::Error),
    /// A program that is needed cannot be started.
    #[error("cannot run {0}: install {NEEDS}")]
    Missing(String, #[source] std::io::Error),
    /// It failed.
    #[error("{0} failed, it takes {NEEDS}:\n{1}")]
    Failed(String, String),
    /// The registry has another file.
    #[error("the archive of Keycloak {VERSION} has another checksum: {0}")]
    Checksum(String),
    /// The archive cannot be read.
    #[error("cannot read the archive")]
    Archive(#[source] std::io::Error),
}

/// The directory of the distribution, fetched and prepared if it is not there yet. Blocks.
pub(super) fn installed() -> Result<PathBuf, Error> {
    let key = cache::key([SHA256_OF_ARCHIVE, DATABASE]);
    let path = cache::directory()?.join(format!("keycloak-{key}")).join("home");
    cache::ensure(&path, install)?;
    Ok(path)
}

fn install(target: &Path) -> Result<(), Error> {
    cache::report(&format!(
        "installing Keycloak {VERSION}, once; 160 MB and about a minute on two cores"
    ));
    let started = Instant::now();
    let directory = target.parent().unwrap_or(target);
    fetch(directory)?;
    let archive = directory.join(format!("keycloak-quarkus-dist-{VERSION}.zip"));
    verify(&archive)?;
    let file = archive.display().to_string();
    run("jar", &["--extract", "--file", &file], directory)?;
    fs::rename(directory.join(format!("keycloak-{VERSION}")), target).map_err(Error::Archive)?;
    prepare(target)?;
    cache::report(&format!(
        "installed Keycloak in {} s",
        started.elapsed().as_secs()
    ));
    Ok(())
}

fn fetch(directory: &Path) -> Result<(), Error> {
    let artifact = format!("-Dartifact=org.keycloak:keycloak-quarkus-dist:{VERSION}:zip");
    let goal = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy";
    let quiet = ["--quiet", "--batch-mode", "--no-transfer-progress"];
    run(
        "mvn",
        &[&quiet[..], &[goal, &artifact, "-DoutputDirectory=."]].concat(),
        directory,
    )
}

fn verify(archive: &Path) -> Result<(), Error> {
    let bytes = fs::read(archive).map_err(Error::Archive)?;
    let digits = digest(&SHA256, &bytes)
        .as_ref()
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    if digits == SHA256_OF_ARCHIVE {
        Ok(())
    } else {
        Err(Error::Checksum(digits))
    }
}

/// Half of a first start, done once: Quarkus settles which parts there are.
fn prepare(home: &Path) -> Result<(), Error> {
    let [home_is, classes] = [format!("-Dkc.home.dir={}", home.display()), classes(home)];
    let arguments = [
        &home_is,
        "-classpath",
        &classes,
        MAIN,
        "build",
        &format!("--db={DATABASE}"),
    ];
    run("java", &arguments, home)
}

/// The class path.
pub(super) fn classes(home: &Path) -> String {
    home.join("lib/quarkus-run.jar").display().to_string()
}

fn run(program: &str, arguments: &[&str], directory: &Path) -> Result<(), Error> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::Missing(program.to_owned(), error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(Error::Failed(
        program.to_owned(),
        String::from_utf8_lossy(&said).into_owned(),
    ))
}
