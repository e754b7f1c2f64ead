//! The command line: subcommands, flags and their environment variables.
//!
//! Flags win over environment variables, those over the configuration file, and that over the defaults.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::api::Cloud;
use crate::entra::CLOUDS;
use crate::telemetry::logs::{DEFAULT_FILTER, Filter, Format};

const AFTER_HELP: &str = "\
First steps:
  1. entra-operator crd | kubectl apply --server-side -f -   teach the cluster the kind EntraCredential
  2. entra-operator run --kubeconfig ~/.kube/config          run outside of the cluster, for a try
     kubectl apply --server-side -k deploy/manifests         or install it in the cluster
  3. kubectl explain entracredential.spec                    what to write in an object";

const RUN_HELP: &str = "\
The configuration file is YAML; every key has a default, so that no file is needed. A key that does not exist is an
error that names it and lists those that do. docs/configuration.md describes all of them.

In a pod, POD_NAME and POD_NAMESPACE come from the downward API: the name is the identity in the leader election,
the namespace is where the Lease and the sealing keys live.";

const CHECK_HELP: &str = "\
What the API server and the operator would refuse is a problem; what may not be meant is a warning. With --config the
operator's own file says which authorities exist, and what its policy allows. Nothing is sent, and no cluster is asked.

Exit codes:
  0  nothing is wrong; there may be warnings
  1  something is wrong in a file
  2  wrong usage, or a file that cannot be read

Examples:
  entra-operator check reporting.yaml
  kubectl kustomize overlays/production | entra-operator check --config config.yaml -
  entra-operator check -o json *.yaml

docs/check.md describes the JSON.";

const SELFTEST_HELP: &str = "\
Asks whether run finds what it needs: the API server and its clock, the CustomResourceDefinition, every right in every
namespace served, the sealing keys, and the sign-in hosts of all declared authorities and of the clouds that credentials
name. Nothing is written, and no credential is sent. helm test runs it in the cluster.

Exit codes: 0 nothing is missing, 1 something is, 2 it could not begin (configuration, arguments, no cluster to ask).";

/// Arguments of the binary `entra-operator`.
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(
    name = "entra-operator",
    version,
    about = "Keeps Microsoft Entra ID access tokens fresh in Kubernetes Secrets, from one sign-in with user name and password",
    after_help = AFTER_HELP,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Subcommands.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Serve the EntraCredentials of the cluster until told to stop
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
    /// Validate EntraCredentials in files, and explain what will be sent where; offline
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Ask whether everything is there that run needs
    #[command(after_help = SELFTEST_HELP)]
    Selftest(SelftestArgs),
    /// Print the CustomResourceDefinition, ready for kubectl apply
    Crd,
    /// Print the version
    Version,
}

/// Arguments of `run`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct RunArgs {
    /// Configuration file [default: /etc/entra-operator/config.yaml, which may be absent]
    #[arg(
        long,
        value_name = "FILE",
        env = "ENTRA_OPERATOR_CONFIG",
        hide_env_values = true
    )]
    pub config: Option<PathBuf>,

    /// Cluster and user to act as, outside of a pod [default: the ServiceAccount of this pod]
    #[arg(
        long,
        value_name = "FILE",
        env = "ENTRA_OPERATOR_KUBECONFIG",
        hide_env_values = true
    )]
    pub kubeconfig: Option<PathBuf>,

    /// What to log: a level, or directives such as info,entra_operator::reconcile=debug
    #[arg(
        long,
        value_name = "FILTER",
        env = "ENTRA_OPERATOR_LOG",
        hide_env_values = true,
        default_value = DEFAULT_FILTER
    )]
    pub log: Filter,

    /// How to log
    #[arg(
        long,
        value_name = "FORMAT",
        env = "ENTRA_OPERATOR_LOG_FORMAT",
        hide_env_values = true,
        default_value = "text"
    )]
    pub log_format: Format,

    /// Where this process runs.
    #[command(flatten)]
    pub pod: Pod,
}

/// Arguments of `check`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct CheckArgs {
    /// Files with objects, YAML or JSON, several documents each; - is the standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,

    /// The operator's configuration file [default: none, so that authorities and policy are not known]
    #[arg(
        long,
        value_name = "FILE",
        env = "ENTRA_OPERATOR_CONFIG",
        hide_env_values = true
    )]
    pub config: Option<PathBuf>,

    /// Namespace of the objects that name none
    #[arg(short, long, value_name = "NAME", default_value = "default")]
    pub namespace: String,

    /// How to print what was found
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Arguments of `selftest`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct SelftestArgs {
    /// Configuration file [default: /etc/entra-operator/config.yaml, which may be absent]
    #[arg(
        long,
        value_name = "FILE",
        env = "ENTRA_OPERATOR_CONFIG",
        hide_env_values = true
    )]
    pub config: Option<PathBuf>,

    /// Cluster and user to act as, outside of a pod [default: the ServiceAccount of this pod]
    #[arg(
        long,
        value_name = "FILE",
        env = "ENTRA_OPERATOR_KUBECONFIG",
        hide_env_values = true
    )]
    pub kubeconfig: Option<PathBuf>,

    /// Ask the sign-in host of this cloud, too, whether a credential names it or not; may be repeated
    #[arg(long, value_name = "CLOUD", value_parser = cloud)]
    pub cloud: Vec<Cloud>,

    /// How to print what was found
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t = Output::Text)]
    pub output: Output,

    /// Where this process runs.
    #[command(flatten)]
    pub pod: Pod,
}

/// How `check` and `selftest` print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// For programs
    Json,
}

fn cloud(text: &str) -> Result<Cloud, String> {
    let mut clouds = CLOUDS.iter().map(|(cloud, _)| *cloud);
    clouds.find(|cloud| cloud.name() == text).ok_or_else(|| {
        let names: Vec<_> = CLOUDS.iter().map(|(cloud, _)| cloud.name()).collect();
        format!("write one of {}", names.join(", "))
    })
}

/// Name and namespace of the operator's own pod, from the downward API.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Pod {
    /// Name of this pod.
    #[arg(long = "pod-name", env = "POD_NAME", hide = true)]
    pub name: Option<String>,

    /// Namespace of this pod.
    #[arg(
        long = "pod-namespace",
        env = "POD_NAMESPACE",
        hide = true,
        default_value = "entra-operator"
    )]
    pub namespace: String,
}

impl Pod {
    /// Identity in the leader election: the pod's name, or one that no other process on this machine has.
    pub fn identity(&self) -> String {
        let unnamed = || format!("entra-operator-{}", std::process::id());
        self.name.clone().unwrap_or_else(unnamed)
    }
}

/// What `version` prints.
pub fn version() -> String {
    let revision = option_env!("ENTRA_OPERATOR_REVISION").map(|r| format!(" ({r})"));
    format!(
        "entra-operator {}{}",
        env!("CARGO_PKG_VERSION"),
        revision.unwrap_or_default()
    )
}

/// What `crd` prints: the CustomResourceDefinition as YAML, the same on every run.
pub fn crd() -> Result<String, serde_saphyr::ser::Error> {
    crate::api::crd_yaml()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("entra-operator").chain(arguments.iter().copied()))
    }

    fn run(arguments: &[&str]) -> Option<RunArgs> {
        let all: Vec<&str> = std::iter::once("run").chain(arguments.iter().copied()).collect();
        match parse(&all).ok()?.command {
            Command::Run(run) => Some(run),
            Command::Check(_) | Command::Selftest(_) | Command::Crd | Command::Version => None,
        }
    }

    #[test]
    fn clouds_are_named_as_in_a_spec() {
        assert_eq!(cloud("GovSG"), Ok(Cloud::GovSG));
        assert!(
            cloud("Germany")
                .unwrap_err()
                .contains("Public, USGovernment, China")
        );
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_shown_flag_has_its_environment_variable() {
        let command = Cli::command();
        let arguments = command
            .find_subcommand("run")
            .into_iter()
            .flat_map(clap::Command::get_arguments);
        for argument in arguments.filter(|a| !a.is_hide_set()) {
            let flag = argument.get_long().unwrap_or_default();
            let variable = format!("ENTRA_OPERATOR_{}", flag.replace('-', "_").to_uppercase());
            assert_eq!(
                argument.get_env().and_then(|e| e.to_str()),
                Some(variable.as_str())
            );
        }
    }

    #[test]
    fn run_needs_no_flag() {
        let args = run(&[]);
        assert!(args.is_some_and(|a| a.config.is_none()
            && a.log == Filter::default()
            && a.log_format == Format::Text));
    }

    #[test]
    fn flags_are_taken() {
        let args = run(&[
            "--config",
            "c.yaml",
            "--log",
            "info,kube=warn",
            "--log-format",
            "json",
        ]);
        assert!(args.is_some_and(|a| a.config == Some("c.yaml".into())
            && a.log.to_string() == "info,kube=warn"
            && a.log_format == Format::Json));
    }

    #[test]
    fn a_wrong_log_filter_says_what_to_write() {
        for (wrong, remedy) in [
            (
                "entra_operator=loud",
                "write directives such as info,entra_operator=debug",
            ),
            ("inof", "write error, warn, info, debug, trace or off"),
        ] {
            let message = parse(&["run", "--log", wrong]).err().map(|e| e.to_string());
            assert!(message.is_some_and(|m| m.contains(remedy)), "{wrong}");
        }
    }

    #[test]
    fn help_shows_the_filter_that_holds_without_a_flag() {
        let mut command = Cli::command();
        let run = command.find_subcommand_mut("run");
        let help = run.map(|c| c.render_long_help().to_string());
        assert!(help.is_some_and(|h| h.contains(&format!("[default: {DEFAULT_FILTER}]"))));
    }

    #[test]
    fn help_leads_a_newcomer() {
        let help = Cli::command().render_help().to_string();
        for word in [
            "run",
            "check",
            "crd",
            "version",
            "kubectl apply --server-side -f -",
            "kubectl apply --server-side -k deploy/manifests",
            "kubectl explain",
        ] {
            assert!(help.contains(word), "{word} is not in:\n{help}");
        }
    }
}
