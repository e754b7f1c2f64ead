//! The table of reasons: what each means, and what it says about conditions and retries.

use entra_operator::api::{Reason, Retry, Says};
use strum::IntoEnumIterator;

use super::{markdown, section};

/// One row for each reason.
pub(super) fn table() -> String {
    let head = [
        "Reason",
        "Meaning",
        "Ready",
        "LoggedIn",
        "Published",
        "Reconciling",
        "Person",
        "Retry",
    ];
    markdown(head, Reason::iter().map(row))
}

fn row(reason: Reason) -> [String; 8] {
    let verdicts = reason.verdicts();
    let person = if verdicts.needs_person { "yes" } else { "no" };
    [
        section(reason),
        reason.meaning().to_owned(),
        says(verdicts.ready),
        says(verdicts.logged_in),
        says(verdicts.published),
        says(verdicts.reconciling),
        person.to_owned(),
        retry(verdicts.retry),
    ]
}

fn says(says: Says) -> String {
    match says {
        Says::True => "True",
        Says::False => "False",
        Says::Facts => "facts",
    }
    .to_owned()
}

fn retry(retry: Retry) -> String {
    match retry {
        Retry::None => "none",
        Retry::BackOff => "back-off",
        Retry::Probe => "probe",
        Retry::Cluster => "cluster",
        Retry::Write => "write",
        Retry::Person => "person",
    }
    .to_owned()
}
