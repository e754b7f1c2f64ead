//! What people read at the end.

use std::io::{self, Write};
use std::path::Path;

use super::Error;
use super::judge::Finding;
use super::patch::Sabotage;

/// Failing tests that are named; the others are counted.
const NAMED: usize = 3;

/// Prints the sabotages and the promises that they break.
pub(super) fn list(sabotages: &[Sabotage]) -> Result<(), Error> {
    print(&sabotages.iter().map(entry).collect::<String>())
}

fn entry(s: &Sabotage) -> String {
    format!("{}\n    {}\n    cargo test {}\n", s.name, s.rule, s.tests)
}

/// Prints a table: sabotage, seconds, who caught it, and below it the promise.
pub(super) fn table(findings: &[Finding]) -> Result<(), Error> {
    let width = findings
        .iter()
        .map(|f| f.sabotage.name.len())
        .max()
        .unwrap_or_default();
    let head = format!("{:width$}  {:>7}  caught by\n", "sabotage", "seconds");
    let rows = findings.iter().map(|f| row(f, width));
    print(&std::iter::once(head).chain(rows).collect::<String>())
}

/// Prints in how many of so many histories each sabotage was caught.
pub(super) fn shares(findings: &[Finding], histories: u64) -> Result<(), Error> {
    print(&findings.iter().map(|f| share(f, histories)).collect::<String>())
}

fn share(finding: &Finding, histories: u64) -> String {
    let caught = match &finding.result {
        Ok(failed) => failed.iter().filter(|name| name.starts_with("history ")).count(),
        Err(_) => 0,
    };
    let Finding { sabotage, .. } = finding;
    format!(
        "{caught:5} of {histories} histories  {}\n    {}\n",
        sabotage.name, sabotage.rule
    )
}

fn row(finding: &Finding, width: usize) -> String {
    let Finding {
        sabotage,
        result,
        seconds,
    } = finding;
    let by = match result {
        Ok(tests) => some_of(tests),
        Err(problem) => format!("NOT CAUGHT: {problem}"),
    };
    format!(
        "{:width$}  {seconds:7.1}  {by}\n    {}\n",
        sabotage.name, sabotage.rule
    )
}

fn some_of(tests: &[String]) -> String {
    let named = tests.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match tests.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn print(text: &str) -> Result<(), Error> {
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(Error::io("write to", Path::new("standard output")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_tests_are_counted() {
        let tests: Vec<_> = ["a", "b", "c", "d", "e"].map(str::to_owned).into();
        assert_eq!(some_of(&tests), "a, b, c and 2 more");
        assert_eq!(some_of(&tests[..1]), "a");
    }
}
