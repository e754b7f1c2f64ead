//! The table of AADSTS codes: what each means for a sign-in and for a renewal, and what to do.

use entra_operator::entra::Grant;
use entra_operator::entra::failure::{ROWS, Row, page};
use entra_operator::plan::answer::Effect;

use super::{markdown, section};

/// One row for each code or range of codes.
pub(super) fn table() -> String {
    let head = ["Code", "What happened", "Signing in", "Renewing", "What to do"];
    markdown(head, ROWS.iter().map(row))
}

fn row(row: &Row) -> [String; 5] {
    [
        code(row),
        plain(row.message),
        answer(row, Grant::Password),
        answer(row, Grant::Refresh),
        remedy(row),
    ]
}

/// What mends the cause; where nothing is to be mended, a new login is all.
fn remedy(row: &Row) -> String {
    if row.remedy.is_empty() {
        "Create the login Secret anew.".to_owned()
    } else {
        plain(row.remedy)
    }
}

/// The number with a link to Microsoft's page about it; a range has none.
fn code(row: &Row) -> String {
    if row.first == row.last {
        format!("[AADSTS{}]({})", row.first, page(row.first))
    } else {
        format!("AADSTS{} to {}", row.first, row.last)
    }
}

fn answer(row: &Row, grant: Grant) -> String {
    let (reason, effect) = (row.class.reason(grant), row.class.effect(grant));
    format!("{}, {}", section(reason), word(effect))
}

/// What happens to the login or the refresh token; the words are explained above the table.
fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Condemned => "condemned",
        Effect::Entry => "entry",
        Effect::Person => "kept",
        Effect::Dead => "dead",
        Effect::Doubtful => "kept, doubtful",
        Effect::Suspect => "suspect",
        Effect::Unreadable => "suspect, twice",
        Effect::Transient | Effect::Withheld => "again",
        Effect::Unanswered => "unanswered",
    }
}

/// Sentences hold placeholders in angle brackets, which Markdown would take for tags.
fn plain(text: &str) -> String {
    text.replace('<', "&lt;").replace('|', "\\|")
}
