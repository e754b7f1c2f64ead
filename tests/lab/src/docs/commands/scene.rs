//! What the commands meet: two clusters, an identity provider, the operator, and a directory with the files that they name.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::process::Command;

use super::pages::Page;
use super::table::{Before, Cluster};
use super::{Error, shell};
use crate::chart::helm::Helm;
use crate::controlplane::{Binaries, ControlPlane, Options};
use crate::simulator::world::{Application, User, World};
use crate::simulator::{self, Event, Simulator};
use crate::stage::{AUTHORITY, OPERATOR, Operator, OperatorOptions, repository};
use crate::tool;

/// The account of the pages, and two more.
const ACCOUNT: &str = "svc-reporting@contoso.example";
const OTHERS: [&str; 2] = ["svc-drill@contoso.example", "svc-other@contoso.example"];

/// The application of the pages.
const CLIENT: &str = "3f0c1a52-0000-4000-8000-000000000001";

const FIRST_PASSWORD: &str = "correct horse & battery=staple+%";
/// After its change; the other accounts have it from the start.
const SECOND_PASSWORD: &str = "incorrect horse & battery=staple+%";

/// Life of the operator's token, in seconds.
const OPERATOR_TOKEN: u32 = 3600;

/// What the commands take from the directory in which they are typed.
const TREES: [&str; 2] = ["deploy", "crds"];

/// All of it; dropped from top to bottom.
pub(super) struct Scene {
    operator: Option<Operator>,
    simulator: Simulator,
    here: ControlPlane,
    elsewhere: ControlPlane,
    directory: TempDir,
    program: PathBuf,
    password: &'static str,
}

impl Scene {
    /// Without the operator, which is not installed yet.
    pub(super) async fn set(program: PathBuf, pages: &[Page]) -> Result<Self, Error> {
        let directory = tempfile::tempdir().map_err(Error::io("make a directory"))?;
        let (path, of_operator) = (directory.path().to_owned(), program.clone());
        blocking(move || programs(&path, &of_operator)).await?;
        write(&directory.path().join("credential.yaml"), &credential(pages)?)?;
        let here = ControlPlane::start(Options::default()).await?;
        let elsewhere = ControlPlane::start(Options::default()).await?;
        let users = OTHERS.iter().fold(World::contoso(), |world, name| {
            world.user(User::new(name, SECOND_PASSWORD))
        });
        let world = users
            .user(User::new(ACCOUNT, FIRST_PASSWORD))
            .application(Application::public(CLIENT));
        let simulator = Simulator::start(simulator::Options::new(world)).await?;
        write(&directory.path().join("lab.pem"), &simulator.ca_pem())?;
        Ok(Self {
            operator: None,
            simulator,
            here,
            elsewhere,
            directory,
            program,
            password: FIRST_PASSWORD,
        })
    }

    /// Ends everything.
    pub(super) async fn strike(self) {
        drop(self.operator);
        self.simulator.shutdown().await;
        self.here.shutdown().await;
        self.elsewhere.shutdown().await;
    }

    /// Does what must have happened before a block, or gives what is typed for it.
    pub(super) async fn before(&mut self, before: Before, pages: &[Page]) -> Result<String, Error> {
        match before {
            Before::Operator => self.start_operator().await?,
            Before::NewPassword => {
                self.password = SECOND_PASSWORD;
                let event = Event::PasswordChanged;
                self.simulator.change_password(ACCOUNT, self.password, event);
            }
            Before::Revoked => self.simulator.revoke_sessions(ACCOUNT),
            Before::Block(path, starts) => {
                let page = pages.iter().find(|page| page.path == path);
                let page = page.ok_or_else(|| Error::Table(format!("{path} is no page")))?;
                return page.block(starts);
            }
            Before::Typed(script) => return Ok(format!("{script}\n")),
        }
        Ok(String::new())
    }

    async fn start_operator(&mut self) -> Result<(), Error> {
        let token = self
            .here
            .service_account_token(OPERATOR, OPERATOR, OPERATOR_TOKEN)
            .await?;
        let kubeconfig = self.here.kubeconfig_for_token("operator", &token, None, None)?;
        let kubeconfig = fs::read_to_string(kubeconfig).map_err(Error::io("read the kubeconfig"))?;
        let entra = (self.simulator.url(), self.simulator.ca_pem());
        let options = OperatorOptions::default();
        self.operator = Some(Operator::outside(&self.program, &kubeconfig, entra, options).await?);
        Ok(())
    }

    /// What a script prints, typed before one of the clusters.
    pub(super) async fn shell(&self, place: &str, cluster: Cluster, script: &str) -> Result<String, Error> {
        let control = match cluster {
            Cluster::Here => &self.here,
            Cluster::Elsewhere => &self.elsewhere,
        };
        let directory = self.directory.path();
        let log = self
            .operator
            .as_ref()
            .map(|operator| operator.log_file().to_owned());
        shell::run(place, script, self.password, |command: &mut Command| {
            command
                .current_dir(directory)
                .env("PATH", path(directory))
                .env("HOME", directory)
                .env("KUBECONFIG", control.admin_kubeconfig())
                .env("OPERATOR_LOG", log.unwrap_or_default())
                .env("ENTRA_URL", self.simulator.url());
        })
        .await
    }
}

/// Their directory, before all others.
fn bin(directory: &Path) -> PathBuf {
    directory.join("bin")
}

fn path(directory: &Path) -> std::ffi::OsString {
    let mut path = bin(directory).into_os_string();
    if let Some(rest) = std::env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    path
}

/// kubectl, Helm and the operator under their names, and the files of the repository.
fn programs(directory: &Path, operator: &Path) -> Result<(), Error> {
    let bin = bin(directory);
    fs::create_dir(&bin).map_err(Error::io("make a directory"))?;
    let programs = [
        ("kubectl", Binaries::kubectl()?),
        ("helm", Helm::V4.program()?),
        ("entra-operator", operator.to_owned()),
    ];
    for (name, program) in programs {
        symlink(program, bin.join(name)).map_err(Error::io(format!("link {name}")))?;
    }
    for tree in TREES {
        let tree = repository().join(tree).display().to_string();
        tool::call("cp", &["-R", &tree, &directory.display().to_string()])?;
    }
    Ok(())
}

/// The credential of the README, at the simulator.
fn credential(pages: &[Page]) -> Result<String, Error> {
    let page = pages.iter().find(|page| page.path == "README.md");
    let page = page.ok_or_else(|| Error::Table("README.md is no page".to_owned()))?;
    let text = page.block("apiVersion: entra-operator.dev/v1alpha1\nkind: EntraCredential\n")?;
    Ok(text.replacen("spec:\n", &format!("spec:\n  authority: {AUTHORITY}\n"), 1))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::io(format!("write {}", path.display())))
}

async fn blocking(work: impl FnOnce() -> Result<(), Error> + Send + 'static) -> Result<(), Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Io("prepare the programs".to_owned(), std::io::Error::other(error)))?
}
