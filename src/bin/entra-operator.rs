//! The operator's program: parse arguments, call the library.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use entra_operator::operator::cli::{self, Cli, Command};

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => entra_operator::operator::serve(args),
        Command::Crd => cli::crd().map_err(Into::into).and_then(|text| print(&text)),
        Command::Version => print(&format!("{}\n", cli::version())),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(
                std::io::stderr(),
                "error: {}",
                entra_operator::operator::chain(&*error)
            ));
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> Result<(), Box<dyn std::error::Error>> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
