//! The operator's program: parse arguments, call the library.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use entra_operator::operator::cli::{self, Cli, Command, Output, SelftestArgs};
use entra_operator::operator::{chain, selftest, serve};

type Failed = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => serve(args),
        Command::Selftest(args) => return tested(&args),
        Command::Crd => cli::crd().map_err(Into::into).and_then(|text| print(&text)),
        Command::Version => print(&format!("{}\n", cli::version())),
    };
    result.map_or_else(|error| failed(&*error, ExitCode::FAILURE), |()| ExitCode::SUCCESS)
}

/// 0 nothing is missing, 1 something is, 2 it could not begin.
fn tested(args: &SelftestArgs) -> ExitCode {
    let told = selftest(args).and_then(|report| {
        match args.output {
            Output::Table => print(&report.table())?,
            Output::Json => print(&report.json()?)?,
        }
        Ok(if report.is_fine() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    });
    told.unwrap_or_else(|error| failed(&*error, ExitCode::from(2)))
}

fn failed(error: &dyn std::error::Error, code: ExitCode) -> ExitCode {
    drop(writeln!(std::io::stderr(), "error: {}", chain(error)));
    code
}

fn print(text: &str) -> Result<(), Failed> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
