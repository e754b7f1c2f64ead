//! `entra-lab simulator`: the token service alone, for whoever wants to test against it.
//!
//! Prints its URL and CA file on standard output and runs until it is interrupted.

use std::io::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;

use super::{Lifetime, Options, Simulator, StartError, World, YamlError};

const EXAMPLE: &str = "\
Examples:
  entra-lab simulator --port 8443
  entra-lab simulator --port 8443 --control-port 8444 --world world.yaml --token-lifetime 600
  entra-lab simulator --address 127.0.0.2 --port 443 --alias login.contoso.example

It prints `url:`, `ca:` and, with --control-port, `control:`, and runs until Ctrl-C. Without --world there is one user,
user0@contoso.example with the password 'PWMARK-0-correct horse & battery=staple+%', and the public client
aaaaaaaa-0000-4000-8000-000000000001. World file, control port and limits: tests/lab/src/simulator/README.md";

/// Options of `entra-lab simulator`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    /// Address to listen on; another one than 127.0.0.1, such as 127.0.0.2, stands in the URL instead of localhost.
    #[arg(long, default_value = "127.0.0.1")]
    pub address: IpAddr,
    /// Port of the token service and of everything beside it; 0 takes any free one.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Port of the control interface below /_sim/, with the same certificate authority; 0 takes any free one, without
    /// the option there is none.
    #[arg(long, value_name = "PORT")]
    pub control_port: Option<u16>,
    /// World file in YAML: users, and optionally tenants, applications, resources, issuers and switches.
    #[arg(long, alias = "users", value_name = "FILE")]
    pub world: Option<PathBuf>,
    /// Life of access tokens; without it as the world file says, or 60 to 90 minutes by chance.
    #[arg(long, value_name = "SECONDS")]
    pub token_lifetime: Option<u64>,
    /// Where to write the certificate that clients must trust; a new one each time.
    #[arg(long, value_name = "FILE", default_value = "simulator-ca.pem")]
    pub ca_file: PathBuf,
    /// Further host name for the certificate; may be repeated.
    #[arg(long = "alias", value_name = "HOST")]
    pub aliases: Vec<String>,
}

/// Why the command ended.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The world file cannot be read, or the CA file cannot be written.
    #[error("cannot use {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The world file does not describe a world.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// The service did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Standard output or the signal handler failed.
    #[error("cannot talk to the terminal")]
    Terminal(#[from] std::io::Error),
}

/// Runs until Ctrl-C.
pub async fn run(args: Args) -> Result<(), CliError> {
    let (simulator, control) = start(&args).await?;
    announce(&simulator, control.as_deref(), &args)?;
    tokio::signal::ctrl_c().await?;
    simulator.shutdown().await;
    Ok(())
}

/// Starts the service as the options say, and returns it with the URL of its control interface.
pub async fn start(args: &Args) -> Result<(Simulator, Option<String>), CliError> {
    let simulator = Simulator::start(options(args)?).await?;
    write_file(&args.ca_file, &simulator.ca_pem())?;
    let control = match args.control_port {
        Some(port) => Some(simulator.open_control(port).await?),
        None => None,
    };
    Ok((simulator, control))
}

fn options(args: &Args) -> Result<Options, CliError> {
    let mut options = world(args)?;
    (options.address, options.port) = (args.address, args.port);
    options.aliases.clone_from(&args.aliases);
    options.keep_secrets = false;
    if let Some(seconds) = args.token_lifetime {
        options.behaviour.lifetime = Lifetime::Seconds(seconds);
    }
    Ok(options)
}

fn world(args: &Args) -> Result<Options, CliError> {
    let Some(path) = &args.world else {
        return Ok(Options::new(World::with_users(1)));
    };
    let text = std::fs::read_to_string(path).map_err(|source| CliError::File {
        path: path.clone(),
        source,
    })?;
    Ok(Options::from_yaml(&text)?)
}

fn write_file(path: &PathBuf, text: &str) -> Result<(), CliError> {
    std::fs::write(path, text).map_err(|source| CliError::File {
        path: path.clone(),
        source,
    })
}

fn announce(simulator: &Simulator, control: Option<&str>, args: &Args) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "url: {}", simulator.url())?;
    writeln!(out, "ca: {}", args.ca_file.display())?;
    if let Some(control) = control {
        writeln!(out, "control: {control}/_sim/journal")?;
    }
    out.flush()
}
