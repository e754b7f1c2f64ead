//! What every step is: its name for logs and metrics, and whether it calls, begins a conversation, ends the pass.

use entra_plan::{Object, Step};

use super::build::{name, names, record_a};

/// One of each, with C for a call, B for a beginning, F for final, and the objects that it cannot do without.
fn all() -> Vec<(Step, &'static str, &'static str, Vec<Object>)> {
    let token = || vec![Object::Token(name("graph"))];
    let graph = || names(&["graph"]);
    let exchange = Step::Exchange {
        attempt: "attempt-1".to_owned(),
        entry: name("graph"),
    };
    let login = || vec![Object::Login];
    let session = || vec![Object::Session];
    vec![
        (Step::ReadLogin, "ReadLogin", "", login()),
        (Step::ReadToSignIn, "ReadToSignIn", "B", login()),
        (Step::ReadSession, "ReadSession", "", session()),
        (Step::ReadToRenew(name("graph")), "ReadToRenew", "B", session()),
        (Step::ReadClient, "ReadClient", "", vec![Object::Client]),
        (Step::Look(token()), "Look", "", token()),
        (Step::ClaimLogin, "ClaimLogin", "B", login()),
        (record_a(), "RecordAttempt", "B", login()),
        (exchange, "Exchange", "C", vec![Object::Login, Object::Client]),
        (Step::Store, "Store", "", session()),
        (Step::Reseal, "Reseal", "", session()),
        (Step::DeleteLogin, "DeleteLogin", "", login()),
        (Step::Resolve, "Resolve", "CB", vec![]),
        (
            Step::Redeem(graph()),
            "Redeem",
            "CB",
            vec![Object::Session, Object::Client],
        ),
        (
            Step::Verify(graph()),
            "Verify",
            "",
            vec![Object::Contents(name("graph"))],
        ),
        (Step::Publish(graph()), "Publish", "", token()),
        (Step::Replace(graph()), "Replace", "", token()),
        (Step::Prune(graph()), "Prune", "", token()),
        (Step::Label(token()), "Label", "", token()),
        (Step::Adopt(token()), "Adopt", "", token()),
        (Step::Idle, "Idle", "F", vec![]),
        (Step::Wait, "Wait", "F", vec![]),
        (Step::Blocked, "Blocked", "F", vec![]),
    ]
}

#[test]
fn each_calls_begins_and_ends_what_it_says_and_needs_its_objects() {
    for (step, name, kind, objects) in all() {
        assert_eq!(step.name(), name);
        let flags = [
            (step.is_call(), 'C'),
            (step.begins(), 'B'),
            (step.is_final(), 'F'),
        ];
        let is: String = flags.iter().filter(|(is, _)| *is).map(|(_, c)| *c).collect();
        assert_eq!(is, kind, "{name}");
        assert_eq!(step.objects(), objects, "{name}");
    }
}
