//! One Keycloak process. It dies with the harness, even by SIGKILL, and everything that it writes goes with it.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::admin::{Admin, USER};
use super::{Error, distribution};
use crate::controlplane::flags::free_port;
use crate::controlplane::guard::{DIRECTORY_PREFIX, Guard};
use crate::simulator::{Authority, StartError};

/// Longest for a start; on two idle cores it takes some 20 s.
const PATIENCE: Duration = Duration::from_mins(4);

/// What a server reads of its distribution; all else it writes itself.
const READ_ONLY: [&str; 4] = ["lib", "conf", "providers", "themes"];

/// Files in its directory.
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const CA_FILE: &str = "ca.pem";

/// A running Keycloak.
pub(super) struct Server {
    child: Child,
    url: String,
    directory: PathBuf,
    _guard: Guard,
}

impl Server {
    /// Starts one and waits until it answers. It has an administrator of the master realm, whose client is returned.
    pub(super) async fn start() -> Result<(Self, Admin), Error> {
        let home = tokio::task::spawn_blocking(distribution::installed).await;
        let home = home.map_err(|error| Error::io("install Keycloak")(error.into()))??;
        let directory = tempfile::Builder::new().prefix(DIRECTORY_PREFIX).tempdir();
        let directory = directory.map_err(Error::io("make a directory"))?.keep();
        let mut guard = Guard::over(&directory)?;
        let ca_pem = furnish(&directory, &home)?;
        let url = format!("https://localhost:{}", free_port()?);
        let admin = Admin::new(&url, &ca_pem)?;
        let child = spawn(&directory, &url, &admin)?;
        guard.watch(child.id())?;
        let mut server = Self {
            child,
            url,
            directory,
            _guard: guard,
        };
        server.ready(&admin).await?;
        Ok((server, admin))
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Its release.
    pub(super) fn version() -> &'static str {
        distribution::VERSION
    }

    /// The certificate of its authority.
    pub(super) fn ca_file(&self) -> PathBuf {
        self.directory.join(CA_FILE)
    }

    async fn ready(&mut self, admin: &Admin) -> Result<(), Error> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(Error::Server(format!("ended: {status}"), self.log_end()));
            }
            if admin.answers().await {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Err(Error::Server("does not answer".to_owned(), self.log_end()))
    }

    fn log_end(&self) -> String {
        let log = fs::read_to_string(self.directory.join("keycloak.log")).unwrap_or_default();
        let skip = log.lines().count().saturating_sub(25);
        log.lines().skip(skip).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A home of its own around the files of the distribution, and a certificate of a new authority.
fn furnish(directory: &Path, home: &Path) -> Result<String, Error> {
    let authority = Authority::new("entra-lab keycloak").map_err(StartError::from)?;
    let (certificate, key) = authority.server_pem().map_err(StartError::from)?;
    for (name, text) in [(CERTIFICATE, certificate), (KEY, key), (CA_FILE, authority.pem())] {
        fs::write(directory.join(name), text).map_err(Error::io(format!("write {name}")))?;
    }
    for name in READ_ONLY {
        symlink(home.join(name), directory.join(name)).map_err(Error::io(format!("link {name}")))?;
    }
    Ok(authority.pem())
}

fn spawn(directory: &Path, url: &str, admin: &Admin) -> Result<Child, Error> {
    let log = File::create(directory.join("keycloak.log")).map_err(Error::io("create the log"))?;
    let at = |name: &str| directory.join(name).display().to_string();
    Command::new("java")
        // Compiling hot code would cost more than it saves in minutes of life.
        .args([
            "-Xmx512m",
            "-XX:TieredStopAtLevel=1",
            "--add-opens=java.base/java.util=ALL-UNNAMED",
        ])
        .args([
            format!("-Dkc.home.dir={}", directory.display()),
            format!("-Djava.io.tmpdir={}", directory.display()),
        ])
        .args([
            "-classpath",
            &distribution::classes(directory),
            distribution::MAIN,
        ])
        .args(["start", "--optimized", "--cache=local", "--http-host=127.0.0.1"])
        .arg(format!("--hostname={url}"))
        .arg(format!(
            "--https-port={}",
            url.rsplit(':').next().unwrap_or_default()
        ))
        .arg(format!("--https-certificate-file={}", at(CERTIFICATE)))
        .arg(format!("--https-certificate-key-file={}", at(KEY)))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("KC_BOOTSTRAP_ADMIN_USERNAME", USER)
        .env("KC_BOOTSTRAP_ADMIN_PASSWORD", admin.password())
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(Error::io("share the log"))?)
        .stderr(log)
        .spawn()
        .map_err(Error::io("start java: install default-jdk-headless"))
}
