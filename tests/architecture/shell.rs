//! The shell decides nothing: `src/reconcile` names no reason, no effect of an answer and no number of the contract.
//! Those are decided in `plan`, whose rules the invariants see ([decision 1](../../docs/decisions/0001-observe-plan-act.md)).

use crate::source::{File, files};

const SHELL: &str = "src/reconcile";

/// The one file that maps decisions to status, Events and metrics, and names reasons for that.
const MAPS: &str = "src/reconcile/report.rs";

/// What is decided in the plan.
const DECISIONS: &[&str] = &["Reason::", "Effect::"];

/// What a file of the shell decides: line, and what stands there.
fn decisions(file: &File) -> Vec<String> {
    let code = file.code();
    let mut found = Vec::new();
    for line in code.lines() {
        let named = DECISIONS.iter().filter(|name| line.contains(*name));
        let numbers = numbers(line).into_iter().filter(|n| is_above_one(n));
        let all = named.map(|n| (*n).to_owned()).chain(numbers);
        found.extend(all.map(|what| format!("{}: {what} in `{}`", file.path, line.trim())));
    }
    found
}

/// Integer literals of a line, as they are written. `a.0` is a field.
fn numbers(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut before = ' ';
    let mut word = String::new();
    for c in line.chars().chain([' ']) {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        if word.starts_with(|c: char| c.is_ascii_digit()) && before != '.' {
            found.push(word.clone());
        }
        word.clear();
        before = c;
    }
    found
}

/// 0 and 1 count and compare; anything larger is somebody's choice. What is written in hexadecimal belongs to a format or
/// an algorithm.
fn is_above_one(literal: &str) -> bool {
    let digits = literal.chars().filter(|c| *c != '_');
    let digits: String = digits.take_while(char::is_ascii_digit).collect();
    !["0", "1"].contains(&digits.as_str())
}

#[test]
fn the_shell_decides_nothing() {
    let files = files(SHELL);
    let bound = files.iter().filter(|f| f.path != MAPS);
    let wrong: Vec<_> = bound.flat_map(decisions).collect();
    assert!(wrong.is_empty(), "decide it in plan: {wrong:#?}");
}

#[test]
fn a_decision_is_seen() {
    let found = |text: &str| {
        decisions(&File {
            path: "src/reconcile/a.rs".to_owned(),
            text: text.to_owned(),
        })
        .len()
    };
    assert_eq!(found("memory.fail(Reason::LoginRequired);"), 1);
    assert_eq!(found("if refusal.effect == Effect::Dead { now.plus(600) }"), 2);
    assert_eq!(found("const PAUSE: i64 = 1_800;"), 1);
    assert_eq!(found("let at = Time(2);"), 1);
    assert_eq!(found("let hash = 0x811C_9DC5; let n = x.2 + y.1 + 1 - 0;"), 0);
    assert_eq!(found("// 30 s\nlet text = \"12 of 16\"; let small = 1u8;"), 0);
    assert_eq!(found("#[cfg(test)]\nmod tests { const N: i64 = 600; }"), 0);
}
