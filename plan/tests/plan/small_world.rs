//! The exhaustive small world: products of small domains, each covering facts that interact. Every combination is
//! decided and checked by [`super::check`].

mod access;
mod login;
mod tokens;

use std::collections::BTreeMap;

use entra_plan::{Decision, Snapshot};

use super::build::NOW;
use super::check;
use super::choice::{Choice, every};

/// Decides every world that `world` can build; expects at least `at_least` of them. Returns how many kinds of steps
/// occurred.
fn explore(at_least: usize, mut world: impl FnMut(&mut Choice<'_>) -> Snapshot) -> usize {
    let mut kinds = BTreeMap::<String, usize>::new();
    let mut broken = BTreeMap::<String, (usize, String)>::new();
    let count = every(|c| {
        let s = world(c);
        let (decision, wrong) = check::examine(&s, NOW);
        for rule in wrong {
            let example = || (0, format!("{decision:?}\n  from {s:?}"));
            broken.entry(rule).or_insert_with(example).0 += 1;
        }
        *kinds.entry(kind(&decision)).or_default() += 1;
    });
    let broken: Vec<_> = broken
        .iter()
        .map(|(rule, (n, first))| format!("{rule}: {n} times, first\n  {first}\n"))
        .collect();
    assert!(
        broken.is_empty(),
        "of {count} worlds: {kinds:?}\n{}",
        broken.concat()
    );
    println!("{count} worlds");
    assert!(count >= at_least, "only {count} worlds: a domain has shrunk");
    kinds.len()
}

/// The step without what it carries.
fn kind(decision: &Decision) -> String {
    let text = format!("{:?}", decision.step);
    text.split(['(', ' ', '{']).next().unwrap_or_default().to_owned()
}
