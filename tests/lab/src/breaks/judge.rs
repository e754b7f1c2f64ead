//! Tries one sabotage and says whether it was caught.

use std::collections::BTreeMap;
use std::time::Instant;

use super::cargo::{Cargo, Trouble, Verdict};
use super::patch::Sabotage;
use super::tree::Tree;
use super::{Error, say};

/// What came of a sabotage.
#[derive(Debug)]
pub(super) struct Finding {
    /// Which one.
    pub(super) sabotage: Sabotage,
    /// Names of the tests that failed, or why it does not count as caught.
    pub(super) result: Result<Vec<String>, String>,
    /// How long it took, build included.
    pub(super) seconds: f64,
}

impl Finding {
    /// Whether a test noticed.
    pub(super) const fn is_caught(&self) -> bool {
        self.result.is_ok()
    }
}

/// Tries sabotages one after the other on one copy.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    tree: &'a Tree,
    cargo: &'a Cargo,
    /// Tests that were run without any sabotage: how many passed, or why they prove nothing.
    unbroken: BTreeMap<String, Result<usize, String>>,
}

impl<'a> Judge<'a> {
    /// The copy must be equal to the working tree.
    pub(super) const fn new(tree: &'a Tree, cargo: &'a Cargo) -> Self {
        Self {
            tree,
            cargo,
            unbroken: BTreeMap::new(),
        }
    }

    /// Runs the tests without the sabotage, unless that was done, and with it; then mends the copy.
    pub(super) fn try_one(&mut self, sabotage: &Sabotage) -> Result<Finding, Error> {
        let unbroken = self.without(&sabotage.tests)?;
        let start = Instant::now();
        let result = match unbroken {
            Ok(_) => self.with(sabotage)?,
            Err(problem) => Err(format!("its tests prove nothing, without it already: {problem}")),
        };
        let finding = Finding {
            sabotage: sabotage.clone(),
            result,
            seconds: start.elapsed().as_secs_f64(),
        };
        say(&progress(&finding));
        Ok(finding)
    }

    fn without(&mut self, tests: &str) -> Result<Result<usize, String>, Error> {
        if let Some(known) = self.unbroken.get(tests) {
            return Ok(known.clone());
        }
        let start = Instant::now();
        let passed = passes(self.cargo.test(tests)?);
        if let Ok(count) = &passed {
            let seconds = start.elapsed().as_secs_f64();
            say(&format!("unbroken: {count} tests pass ({seconds:.0} s): {tests}"));
        }
        self.unbroken.insert(tests.to_owned(), passed.clone());
        Ok(passed)
    }

    fn with(&self, sabotage: &Sabotage) -> Result<Result<Vec<String>, String>, Error> {
        let result = self.break_it(sabotage);
        self.tree.restore()?;
        result
    }

    fn break_it(&self, sabotage: &Sabotage) -> Result<Result<Vec<String>, String>, Error> {
        if let Err(problem) = self.tree.apply(&sabotage.path)? {
            return Ok(Err(format!("does not apply: {problem}")));
        }
        let tested = self.cargo.test(&sabotage.tests)?;
        Ok(caught(tested, sabotage.expect.as_deref()))
    }
}

fn passes(tested: Result<Verdict, Trouble>) -> Result<usize, String> {
    let verdict = tested.map_err(describe)?;
    match verdict.passed {
        _ if !verdict.failed.is_empty() => Err(names(&verdict).join(", ")),
        0 => Err("there are no such tests".to_owned()),
        passed => Ok(passed),
    }
}

fn caught(tested: Result<Verdict, Trouble>, expect: Option<&str>) -> Result<Vec<String>, String> {
    let verdict = tested.map_err(describe)?;
    let failed = names(&verdict);
    match expect.filter(|part| !failed.iter().any(|name| name.contains(part))) {
        _ if failed.is_empty() => Err("no test noticed".to_owned()),
        Some(part) => Err(format!("{part} did not notice, only {}", failed.join(", "))),
        None => Ok(failed),
    }
}

fn names(verdict: &Verdict) -> Vec<String> {
    verdict.failed.iter().cloned().collect()
}

fn describe(trouble: Trouble) -> String {
    match trouble {
        Trouble::Compile(text) => format!("does not compile:\n{text}"),
        Trouble::Slow(limit) => format!("did not end within {} s", limit.as_secs()),
        Trouble::Silent(text) => format!("no test failed, but the test program did:\n{text}"),
    }
}

fn progress(finding: &Finding) -> String {
    let Finding {
        sabotage,
        result,
        seconds,
    } = finding;
    let what = match result {
        Ok(tests) => format!("caught by {} tests", tests.len()),
        Err(problem) => format!("NOT CAUGHT: {problem}"),
    };
    format!("{}: {what} ({seconds:.0} s)", sabotage.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(passed: usize, failed: &[&str]) -> Verdict {
        let failed = failed.iter().map(|f| (*f).to_owned()).collect();
        Verdict { passed, failed }
    }

    #[test]
    fn a_sabotage_is_caught_by_the_test_that_was_named() {
        let failed = Ok(vec!["a::b".to_owned(), "c".to_owned()]);
        assert_eq!(caught(Ok(verdict(3, &["a::b", "c"])), None), failed);
        assert_eq!(caught(Ok(verdict(3, &["a::b", "c"])), Some("b")), failed);
        assert!(
            caught(Ok(verdict(3, &["a::b"])), Some("c"))
                .unwrap_err()
                .contains("only a::b")
        );
    }

    #[test]
    fn what_nobody_notices_or_nobody_can_try_is_not_caught() {
        assert_eq!(caught(Ok(verdict(3, &[])), None).unwrap_err(), "no test noticed");
        let trouble = Err(Trouble::Compile("error: e".to_owned()));
        assert!(caught(trouble, None).unwrap_err().starts_with("does not compile"));
        let slow = Err(Trouble::Slow(std::time::Duration::from_secs(5)));
        assert!(caught(slow, None).unwrap_err().contains("5 s"));
    }

    #[test]
    fn tests_must_exist_and_pass_before() {
        assert_eq!(passes(Ok(verdict(3, &[]))), Ok(3));
        assert_eq!(passes(Ok(verdict(3, &["a"]))).unwrap_err(), "a");
        assert!(passes(Ok(verdict(0, &[]))).is_err());
    }
}
