//! The contract names tests and sabotages that exist, and every sabotage breaks a promise of the contract.

use std::collections::BTreeSet;
use std::fs;

use crate::source::{files, root};

const CONTRACT: &str = "docs/contract.md";
const SABOTAGES: &str = "tests/lab/breaks";

/// The rules are numbered 1 to this: code cites them by number.
const RULES: usize = 12;

/// What the contract says of a promise.
#[derive(Debug, Default, PartialEq, Eq)]
struct Promise {
    heading: String,
    tests: BTreeSet<String>,
    sabotages: BTreeSet<String>,
    /// A paragraph `Sabotages:` is there, if only to say that there is none yet.
    answers: bool,
}

/// The sections that have a paragraph `Tests:`, and all that are numbered rules.
fn promises(text: &str) -> Vec<Promise> {
    let mut found = vec![Promise::default()];
    for paragraph in text.split("\n\n").map(str::trim) {
        if let Some(heading) = heading(paragraph) {
            found.push(Promise {
                heading: heading.to_owned(),
                ..Promise::default()
            });
        }
        let Some(last) = found.last_mut() else { continue };
        if let Some(list) = paragraph.strip_prefix("Tests:") {
            last.tests
                .extend(list.split('`').skip(1).step_by(2).map(str::to_owned));
        }
        if let Some(list) = paragraph.strip_prefix("Sabotages:") {
            last.answers = true;
            last.sabotages.extend(numbers(list));
        }
    }
    found.retain(|p| p.answers || !p.tests.is_empty() || p.heading.starts_with("Rule "));
    found
}

fn heading(paragraph: &str) -> Option<&str> {
    let line = paragraph.lines().next()?;
    let text = line.trim_start_matches('#').trim();
    line.starts_with('#').then_some(text)
}

fn numbers(list: &str) -> impl Iterator<Item = String> {
    let words = list.split(|c: char| !c.is_ascii_digit());
    words.filter(|word| !word.is_empty()).map(str::to_owned)
}

/// What is wrong with the contract, given the tests and sabotages that there are.
fn faults(promises: &[Promise], tests: &BTreeSet<String>, sabotages: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for promise in promises {
        let heading = &promise.heading;
        let missing = promise.tests.difference(tests);
        wrong.extend(missing.map(|name| format!("{heading}: there is no test {name}")));
        let missing = promise.sabotages.difference(sabotages);
        wrong.extend(missing.map(|number| format!("{heading}: there is no sabotage {number}")));
        if promise.tests.is_empty() || !promise.answers {
            wrong.push(format!(
                "{heading}: it needs a paragraph Tests: and one Sabotages:"
            ));
        }
    }
    let named: BTreeSet<_> = promises.iter().flat_map(|p| p.sabotages.clone()).collect();
    let unnamed = sabotages.difference(&named);
    wrong.extend(unnamed.map(|number| format!("sabotage {number} breaks no promise of {CONTRACT}")));
    wrong
}

/// Names of all test functions: unit tests beside the code, and all tiers.
fn tests() -> BTreeSet<String> {
    let all = ["src", "plan", "tests"].into_iter().flat_map(files);
    all.flat_map(|f| test_functions(&f.text)).collect()
}

/// Names of the functions that an attribute marks as tests.
fn test_functions(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut marked = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if let Some(name) = function(line).filter(|_| std::mem::take(&mut marked)) {
            found.push(name.to_owned());
        }
    }
    found
}

/// The name, if a function begins in this line.
fn function(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once("fn ")?;
    let is_code = !before.starts_with("//") && !before.starts_with('#');
    rest.split('(').next().filter(|_| is_code)
}

fn sabotages() -> BTreeSet<String> {
    let folder = fs::read_dir(root().join(SABOTAGES)).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names
        .filter_map(|name| Some(name.split_once('-')?.0.to_owned()))
        .collect()
}

#[test]
fn the_contract_names_tests_and_sabotages_that_exist() {
    let text = fs::read_to_string(root().join(CONTRACT)).unwrap();
    let wrong = faults(&promises(&text), &tests(), &sabotages());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_rules_are_numbered() {
    let text = fs::read_to_string(root().join(CONTRACT)).unwrap();
    let headings: Vec<_> = text.lines().filter(|l| l.starts_with("### Rule ")).collect();
    assert_eq!(headings.len(), RULES);
    for (index, heading) in headings.iter().enumerate() {
        let number = format!("### Rule {}: ", index + 1);
        assert!(heading.starts_with(&number), "{heading}");
    }
}

#[test]
fn a_wrong_name_is_found() {
    let text =
        "### Rule 1: a\n\nBla.\n\nTests: `x`,\n`y`\n\nSabotages: 01, 02\n\n### Rule 2: b\n\nTests: `x`";
    let all = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect::<BTreeSet<_>>();
    let wrong = |tests: &[&str], sabotages: &[&str]| faults(&promises(text), &all(tests), &all(sabotages));
    let no_answer = "Rule 2: b: it needs a paragraph Tests: and one Sabotages:";
    assert_eq!(wrong(&["x", "y"], &["01", "02"]), [no_answer]);
    assert_eq!(
        wrong(&["x"], &["01", "03"]),
        [
            "Rule 1: a: there is no test y",
            "Rule 1: a: there is no sabotage 02",
            no_answer,
            "sabotage 03 breaks no promise of docs/contract.md",
        ]
    );
}

#[test]
fn functions_that_are_no_tests_are_not_found() {
    let text = "#[test]\nfn a() {}\nfn helper() {}\n#[tokio::test(flavor = \"x\")]\nasync fn b() {}\n\
        proptest! {\n    #[test]\n    /// It is.\n    fn c(x in y()) {}\n}\n#[cfg(test)]\nmod tests {\n fn d() {} }";
    assert_eq!(test_functions(text), ["a", "b", "c"]);
}
