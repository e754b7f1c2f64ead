//! The operator's program: parse arguments, call the library.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use entra_operator::operator::cli::{self, CheckArgs, Cli, Command, Output, SelftestArgs};
use entra_operator::operator::{chain, check, selftest, serve};
use tikv_jemallocator::Jemalloc;

/// Small and long-lived things do not lie between large and short-lived ones (docs/decisions/0023-jemalloc.md).
#[global_allocator]
static HEAP: Jemalloc = Jemalloc;

type Failed = Box<dyn std::error::Error>;

/// Exit code of a wrong command line, and of a command that could not begin.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => ended(serve(args)),
        Command::Check(args) => checked(&args),
        Command::Selftest(args) => tested(&args),
        Command::Crd => ended(cli::crd().map_err(Into::into).and_then(|text| print(&text))),
        Command::Version => ended(print(&format!("{}\n", cli::version()))),
    }
}

fn ended(result: Result<(), Failed>) -> ExitCode {
    result.map_or_else(|error| failed(&*error, ExitCode::FAILURE), |()| ExitCode::SUCCESS)
}

/// 0 nothing is wrong, 1 something is, 2 nothing could be checked.
fn checked(args: &CheckArgs) -> ExitCode {
    let (input, mut output) = (std::io::stdin(), std::io::stdout());
    check(args, input, &mut output).unwrap_or_else(|error| failed(&error, ExitCode::from(USAGE)))
}

/// 0 nothing is missing, 1 something is, 2 it could not begin.
fn tested(args: &SelftestArgs) -> ExitCode {
    let told = selftest(args).and_then(|report| {
        match args.output {
            Output::Text => print(&report.table())?,
            Output::Json => print(&report.json()?)?,
        }
        Ok(if report.is_fine() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    });
    told.unwrap_or_else(|error| failed(&*error, ExitCode::from(USAGE)))
}

fn failed(error: &dyn std::error::Error, code: ExitCode) -> ExitCode {
    drop(writeln!(std::io::stderr(), "error: {}", chain(error)));
    code
}

fn print(text: &str) -> Result<(), Failed> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
