//! Where images are built: buildah with a storage, a configuration and caches of its own, without an engine and without
//! a registry.
//!
//! # Guarantees
//! - The Dockerfile is the shipped one, unchanged.
//! - The build is offline: cargo runs with `CARGO_NET_OFFLINE`, and no image is pulled.
//!
//! # Caveats
//! The official Rust image stands for itself nowhere here: under its name there is an image of empty directories, onto
//! which the build binds this machine's tool chain and C compiler, read-only. So it is less strict than the real one: any
//! program of the machine is visible in it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Error;
use crate::stage::repository;
use crate::tool;

/// Directories of this machine that the stand-in shows.
const SHOWN: [&str; 7] = ["bin", "sbin", "lib", "lib64", "include", "libexec", "share"];

/// A place to build in.
#[derive(Debug)]
pub struct Workshop {
    directory: PathBuf,
    /// Where cargo's target directory is kept between builds: see `TMPDIR` in buildah's documentation of cache mounts.
    caches: PathBuf,
}

impl Workshop {
    /// The one of this checkout, whose caches stay.
    ///
    /// # Errors
    /// It cannot be set up.
    pub fn kept() -> Result<Self, Error> {
        let directory = repository().join("target/image");
        let caches = directory.join("caches");
        Self::at(directory, caches)
    }

    /// The same without anything that was compiled before, until the returned directory is dropped.
    ///
    /// # Errors
    /// It cannot be set up.
    pub fn fresh() -> Result<(Self, tempfile::TempDir), Error> {
        let directory = repository().join("target/image");
        fs::create_dir_all(&directory).map_err(Error::io("create target/image"))?;
        let caches = tempfile::tempdir_in(&directory).map_err(Error::io("create a directory"))?;
        Ok((Self::at(directory, caches.path().to_owned())?, caches))
    }

    fn at(directory: PathBuf, caches: PathBuf) -> Result<Self, Error> {
        fs::create_dir_all(&caches).map_err(Error::io("create a directory for caches"))?;
        let workshop = Self { directory, caches };
        let (storage, state) = (workshop.path("storage"), workshop.path("state"));
        let storage = format!(
            "[storage]\ndriver = \"overlay\"\ngraphroot = \"{}\"\nrunroot = \"{}\"\n",
            storage.display(),
            state.display(),
        );
        workshop.write("storage.conf", &storage)?;
        workshop.write(
            "policy.json",
            r#"{"default": [{"type": "insecureAcceptAnything"}]}"#,
        )?;
        workshop.write("registries.conf", "unqualified-search-registries = []\n")?;
        Ok(workshop)
    }

    /// A file of it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        fs::write(self.path(name), text).map_err(Error::io(format!("write {name}")))
    }

    /// buildah, with nothing of the machine's configuration.
    pub fn buildah(&self) -> Command {
        let mut command = Command::new("buildah");
        command
            .env("CONTAINERS_STORAGE_CONF", self.path("storage.conf"))
            .env("CONTAINERS_CONF", "/dev/null")
            .env("TMPDIR", &self.caches)
            .arg("--registries-conf")
            .arg(self.path("registries.conf"));
        command
    }

    /// `buildah build` as it is needed everywhere.
    fn build(&self) -> Command {
        let mut command = self.buildah();
        command
            .args([
                "build",
                "--isolation",
                "chroot",
                "--pull-never",
                "--timestamp",
                "0",
            ])
            .args(["--no-cache", "--signature-policy"])
            .arg(self.path("policy.json"));
        command
    }

    /// Builds an image without a line that runs, from a directory with a Dockerfile.
    ///
    /// # Errors
    /// buildah fails.
    pub fn assemble(&self, tag: &str, directory: &Path) -> Result<(), Error> {
        Ok(tool::run(self.build().args(["--tag", tag]).arg(directory)).map(drop)?)
    }

    /// Builds the operator's image. Takes minutes without caches.
    ///
    /// # Errors
    /// buildah, or the build within it, fails.
    pub fn operator(&self, tag: &str, revision: &str) -> Result<(), Error> {
        let tree = repository();
        tool::run(
            Command::new("cargo")
                .args(["fetch", "--locked"])
                .current_dir(&tree),
        )?;
        self.stand_in()?;
        let mut command = self.build();
        for name in SHOWN {
            let path = format!("/usr/{name}");
            if Path::new(&path).exists() {
                command.args(["--volume", &format!("{path}:{path}:ro")]);
            }
        }
        let sysroot = tool::call("rustc", &["--print", "sysroot"])?;
        let (sysroot, home) = (sysroot.trim(), cargo_home()?);
        command
            .args(["--volume", &format!("{sysroot}:/opt/rust:ro")])
            .args(["--volume", &format!("{}:/opt/cargo:ro", home.display())])
            .args(["--build-arg", &format!("REVISION={revision}")])
            .args(["--tag", tag])
            .arg(&tree);
        Ok(tool::run(&mut command).map(drop)?)
    }

    /// The image that the Dockerfile builds in, under the name that it has there.
    fn stand_in(&self) -> Result<(), Error> {
        let directory = tempfile::tempdir_in(&self.directory).map_err(Error::io("create a directory"))?;
        let root = directory.path().join("root");
        let make = |path: &str| fs::create_dir_all(root.join(path)).map_err(Error::io("create a directory"));
        for path in ["etc/ssl/certs", "tmp", "opt/cargo", "opt/rust"] {
            make(path)?;
        }
        for name in SHOWN {
            make(&format!("usr/{name}"))?;
        }
        for name in ["bin", "sbin", "lib", "lib64"] {
            symlink(format!("usr/{name}"), root.join(name)).map_err(Error::io("link a directory"))?;
        }
        let certificates = "etc/ssl/certs/ca-certificates.crt";
        fs::copy(Path::new("/").join(certificates), root.join(certificates))
            .map_err(Error::io("copy the certificates of the system"))?;
        // The C compiler is called by a name that leads through here.
        let alternatives = Path::new("/etc/alternatives");
        if alternatives.exists() {
            tool::call(
                "cp",
                &["-a", "/etc/alternatives", &root.join("etc").display().to_string()],
            )?;
        }
        let text = "FROM scratch\nCOPY root/ /\n\
            ENV PATH=/opt/rust/bin:/usr/bin CARGO_HOME=/opt/cargo CARGO_NET_OFFLINE=true\n";
        fs::write(directory.path().join("Dockerfile"), text).map_err(Error::io("write a Dockerfile"))?;
        self.assemble(&build_image()?, directory.path())
    }
}

/// The default of `BUILD_IMAGE`, as buildah resolves it.
fn build_image() -> Result<String, Error> {
    let text =
        fs::read_to_string(repository().join("Dockerfile")).map_err(Error::io("read the Dockerfile"))?;
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("ARG BUILD_IMAGE="));
    let name = name.ok_or_else(|| Error::Broken(vec!["the Dockerfile names a BUILD_IMAGE".to_owned()]))?;
    Ok(format!("docker.io/library/{name}"))
}

/// What cargo fetched is there.
fn cargo_home() -> Result<PathBuf, Error> {
    let named = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let usual = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    named
        .or_else(usual)
        .ok_or_else(|| Error::Broken(vec!["CARGO_HOME or HOME is set".to_owned()]))
}
