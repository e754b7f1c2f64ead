//! The operator's program: parse arguments, call the library.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use entra_operator::operator::cli::{self, Cli, Command};

/// Exit code of a wrong command line, and of `check` where nothing could be checked.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => ended(entra_operator::operator::serve(args)),
        Command::Check(args) => {
            let (input, mut output) = (std::io::stdin(), std::io::stdout());
            let checked = entra_operator::operator::check(&args, input, &mut output);
            checked.unwrap_or_else(|error| failed(&error, ExitCode::from(USAGE)))
        }
        Command::Crd => ended(cli::crd().map_err(Into::into).and_then(|text| print(&text))),
        Command::Version => ended(print(&format!("{}\n", cli::version()))),
    }
}

fn ended(result: Result<(), Box<dyn std::error::Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error, ExitCode::FAILURE),
    }
}

fn failed(error: &dyn std::error::Error, code: ExitCode) -> ExitCode {
    drop(writeln!(
        std::io::stderr(),
        "error: {}",
        entra_operator::operator::chain(error)
    ));
    code
}

fn print(text: &str) -> Result<(), Box<dyn std::error::Error>> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
