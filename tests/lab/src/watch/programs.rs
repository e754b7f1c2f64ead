//! Prometheus and promtool: installed, or taken from Debian's package without installing it, which would start a service.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Error;
use crate::cache;

/// Debian's package.
const PACKAGE: &str = "prometheus";

/// Both programs.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    pub(super) prometheus: PathBuf,
    pub(super) promtool: PathBuf,
}

/// Those of the search path, or the cached ones, fetched if they are not there yet. Blocks.
pub(super) fn installed() -> Result<Programs, Error> {
    if is_there("prometheus") && is_there("promtool") {
        return Ok(Programs {
            prometheus: PACKAGE.into(),
            promtool: "promtool".into(),
        });
    }
    let directory = cache::directory()?.join("prometheus").join("bin");
    cache::ensure(&directory, fetch)?;
    Ok(Programs {
        prometheus: directory.join(PACKAGE),
        promtool: directory.join("promtool"),
    })
}

fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    let quiet = command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

fn fetch(target: &Path) -> Result<(), Error> {
    cache::report("fetching Debian's package prometheus, once; or install it");
    let parent = target.parent().unwrap_or(target);
    let package = parent.join("package");
    fs::create_dir_all(&package).map_err(Error::io("make a directory"))?;
    output(
        Command::new("apt-get")
            .args(["download", PACKAGE])
            .current_dir(&package),
    )?;
    let found = fs::read_dir(&package)
        .map_err(Error::io("read a directory"))?
        .next();
    let file = found
        .and_then(Result::ok)
        .ok_or_else(|| Error::io("find the package")(std::io::ErrorKind::NotFound.into()))?;
    let tree = parent.join("tree");
    output(Command::new("dpkg-deb").arg("-x").arg(file.path()).arg(&tree))?;
    fs::rename(tree.join("usr/bin"), target).map_err(Error::io("keep the programs"))
}

/// What a program prints, which must succeed.
pub(super) fn output(command: &mut Command) -> Result<String, Error> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let name = words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ");
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io(format!("run {name}: install {PACKAGE}")))?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() {
        Ok(text)
    } else {
        Err(Error::Program(name, text))
    }
}
