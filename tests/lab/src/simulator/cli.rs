//! `entra-lab simulator`: the token service alone, for whoever wants to test against it.
//!
//! Prints its URL and CA file on standard output and runs until it is interrupted.

use std::io::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;

use super::{Lifetime, Options, Simulator, StartError, World, YamlError};

/// Options of `entra-lab simulator`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Address to listen on; another one than 127.0.0.1 has no name `localhost`.
    #[arg(long, default_value = "127.0.0.1")]
    pub address: IpAddr,
    /// Port; 0 takes any free one.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Port of the control interface below `/_sim/`, with the same certificate authority; 0 takes any free
    /// one, without the option there is none.
    #[arg(long, value_name = "PORT")]
    pub control_port: Option<u16>,
    /// YAML file with users, and optionally tenants, applications and resources.
    #[arg(long, value_name = "FILE")]
    pub users: Option<PathBuf>,
    /// Life of access tokens; without it 60 to 90 minutes by chance.
    #[arg(long, value_name = "SECONDS")]
    pub token_lifetime: Option<u64>,
    /// Where to write the CA certificate.
    #[arg(long, value_name = "FILE", default_value = "simulator-ca.pem")]
    pub ca_file: PathBuf,
    /// Further host name for the certificate; may be repeated.
    #[arg(long = "alias", value_name = "HOST")]
    pub aliases: Vec<String>,
}

/// Why the command ended.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The users file cannot be read, or the CA file cannot be written.
    #[error("cannot use {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The users file does not describe a world.
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
    let mut options = Options::new(world(args)?);
    (options.address, options.port) = (args.address, args.port);
    options.aliases.clone_from(&args.aliases);
    options.keep_secrets = false;
    options.behaviour.lifetime = args.token_lifetime.map_or(Lifetime::Random, Lifetime::Seconds);
    Ok(options)
}

fn world(args: &Args) -> Result<World, CliError> {
    let Some(path) = &args.users else {
        return Ok(World::with_users(1));
    };
    let text = std::fs::read_to_string(path).map_err(|source| CliError::File {
        path: path.clone(),
        source,
    })?;
    Ok(World::from_yaml(&text)?)
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
