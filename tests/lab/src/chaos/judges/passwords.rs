//! A content is judged once: it is not sent after its login Secret was used up, gets no two verdicts that no kill or lost
//! answer explains, and is sent three times at most and once more for each word of a person.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Violation, is_answered};
use crate::chaos::cast::{self, Content};
use crate::chaos::evidence::{Done, Evidence, Version};
use crate::chaos::plan::{Act, Deed};
use crate::simulator::world::user_name;
use crate::simulator::{Entry, digest};

/// Sends of one content without a complete answer, at most.
const SENDS: usize = 3;

/// From the answer to its storing, at the longest: what happens in it may lose the answer.
const STORING: SignedDuration = SignedDuration::from_secs(20);

/// What does not hold.
pub(super) fn judge(evidence: &Evidence) -> Vec<Violation> {
    let mut sends = BTreeMap::<&str, Vec<&Entry>>::new();
    for entry in evidence.journal.iter().filter(|e| e.grant() == Some("password")) {
        let password = entry.form.get("password").map_or("", String::as_str);
        sends.entry(password).or_default().push(entry);
    }
    let mut violations = Vec::from_iter(foreign(evidence));
    for (i, content) in contents(evidence) {
        let sent = sends.get(digest(&content.password(i)).as_str());
        let used = used_up(evidence, i, content);
        violations.extend(judge_content(
            evidence,
            i,
            content,
            sent.map_or(&[], Vec::as_slice),
            used,
        ));
    }
    violations
}

/// Whose refresh-token Secret is foreign cannot be signed in.
fn foreign(evidence: &Evidence) -> Option<Violation> {
    let user = user_name(evidence.endings.len());
    let mut journal = evidence.journal.iter();
    let sent = journal.find(|e| e.grant() == Some("password") && e.user.as_deref() == Some(&user))?;
    Some(Violation {
        rule: "foreign-record",
        at: sent.time,
        what: "the password of a credential whose record is foreign was sent".to_owned(),
    })
}

/// All contents that were in login Secrets.
fn contents(evidence: &Evidence) -> std::collections::BTreeSet<(usize, Content)> {
    logins(evidence).map(|(i, content, _)| (i, content)).collect()
}

/// All login Secrets with their contents.
fn logins(evidence: &Evidence) -> impl DoubleEndedIterator<Item = (usize, Content, &Done)> {
    evidence.deeds.iter().filter_map(|done| {
        if let Deed::Of(i, Act::Login(content)) = done.deed {
            return Some((i, content, done));
        }
        None
    })
}

fn judge_content(
    evidence: &Evidence,
    i: usize,
    content: Content,
    sent: &[&Entry],
    used: Option<Timestamp>,
) -> Vec<Violation> {
    let violation = |rule, at, what: &str| Violation {
        rule,
        at,
        what: format!("{} {content}: {what}", cast::name(i)),
    };
    let mut violations = Vec::new();
    let again = sent
        .iter()
        .find(|entry| used.is_some_and(|used| entry.time > used));
    violations.extend(again.map(|e| violation("judged-content-sent", e.time, "sent after it was judged")));
    let verdicts: Vec<_> = sent.iter().filter(|entry| is_verdict(entry)).collect();
    for pair in verdicts.windows(2) {
        let [first, second] = pair else { continue };
        let stored = first
            .time
            .checked_add(STORING)
            .unwrap_or(second.time)
            .min(second.time);
        if !evidence.disturbed(first.time, stored) && !evidence.interrupted(first.time, stored) {
            violations.push(violation("two-verdicts", second.time, "two complete answers"));
        }
    }
    let words = evidence
        .deeds
        .iter()
        .filter(|done| done.deed == Deed::Of(i, Act::Word))
        .count();
    if let Some(more) = sent.iter().filter(|entry| is_send(entry)).nth(SENDS + words) {
        violations.push(violation("too-many-sends", more.time, "sent too often"));
    }
    violations
}

/// When the last login Secret with this content was found deleted; it goes once its verdict is stored.
fn used_up(evidence: &Evidence, i: usize, content: Content) -> Option<Timestamp> {
    let key = format!("{}/{}", cast::namespace(i), cast::login_name(&cast::name(i)));
    let versions = evidence.versions.get(&key)?;
    let of_it = |end: &&Version| {
        let mut before = logins(evidence).rev().filter(|(of, _, done)| {
            *of == i && done.uid.as_ref() == Some(&end.uid) && done.span.from < end.seen
        });
        before.next().is_some_and(|(_, last, _)| last == content)
    };
    let ends = versions.iter().filter(|version| version.gone);
    ends.filter(of_it).map(|end| end.seen).min()
}

fn is_verdict(entry: &Entry) -> bool {
    is_answered(entry) && (entry.status() == Some(200) || entry.code() == Some(50126))
}

/// What fails by itself uses no send.
fn is_send(entry: &Entry) -> bool {
    entry.status().is_none_or(|status| status < 429)
}
