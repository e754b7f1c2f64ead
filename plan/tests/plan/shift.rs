//! The same world at another time: every moment in the facts moved by the same number of seconds.

use entra_plan::answer::Granted;
use entra_plan::record::Record;
use entra_plan::snapshot::{Failure, Opened, RefreshOutcome, Session, Snapshot, Token};
use entra_plan::word::{Said, Word};
use entra_plan::{Decision, Time};

/// `s`, `by` seconds later.
pub fn snapshot(mut s: Snapshot, by: i64) -> Snapshot {
    session(&mut s.session, by);
    s.tokens.iter_mut().for_each(|t| token(t, by));
    pocket(&mut s, by);
    [&mut s.failure, &mut s.login_failure]
        .into_iter()
        .flatten()
        .for_each(|f| failure(f, by));
    option(&mut s.deleted_login_at, by);
    option(&mut s.last_redeemed_at, by);
    option(&mut s.turn_at, by);
    option(&mut s.reseal_at, by);
    word(&mut s.handled, by);
    s.holds.values_mut().for_each(|f| failure(f, by));
    if let Some(w) = &mut s.withheld {
        time(&mut w.until, by);
    }
    if let Some(Said::At(Word(at))) = &mut s.object.said {
        time(at, by);
    }
    option(&mut s.search.next, by);
    option(&mut s.search.session_looked_at, by);
    s
}

/// `d`, `by` seconds later.
pub fn decision(mut d: Decision, by: i64) -> Decision {
    option(&mut d.wake, by);
    d
}

fn time(t: &mut Time, by: i64) {
    *t = t.plus(by);
}

fn option(t: &mut Option<Time>, by: i64) {
    if let Some(t) = t {
        time(t, by);
    }
}

fn word(w: &mut Option<Word>, by: i64) {
    if let Some(Word(at)) = w {
        time(at, by);
    }
}

fn failure(f: &mut Failure, by: i64) {
    time(&mut f.at, by);
    option(&mut f.next_attempt_at, by);
}

fn session(s: &mut Session, by: i64) {
    if let Some(token) = &mut s.token {
        time(&mut token.issued_at, by);
        option(&mut token.dead_since, by);
    }
    if let Some(last) = &mut s.last_login {
        option(&mut last.last_sent_at, by);
        option(&mut last.next_attempt_at, by);
        word(&mut last.word, by);
    }
    if let Opened::Read { record: Some(r), .. } = &mut s.opened {
        record(r, by);
    }
    if let Some(seen) = &mut s.attempt {
        time(&mut seen.first_seen, by);
    }
}

fn record(r: &mut Record, by: i64) {
    for e in &mut r.entries {
        option(&mut e.last_sent_at, by);
        option(&mut e.next_attempt_at, by);
        word(&mut e.word, by);
        e.lifts.iter_mut().for_each(|at| time(at, by));
    }
}

fn granted(g: &mut Granted, by: i64) {
    time(&mut g.issued_at, by);
    time(&mut g.expires_at, by);
    option(&mut g.refresh_at, by);
    time(&mut g.answered_at, by);
}

fn token(t: &mut Token, by: i64) {
    if let Some(p) = &mut t.published {
        time(&mut p.issued_at, by);
        time(&mut p.expires_at, by);
        time(&mut p.refresh_at, by);
    }
    if let Some(held) = &mut t.held {
        granted(&mut held.granted, by);
    }
    if let Some(f) = &mut t.failure {
        failure(f, by);
    }
    option(&mut t.deferred_until, by);
    if let Some(repairs) = &mut t.repairs {
        time(&mut repairs.at, by);
    }
    option(&mut t.looked_at, by);
}

fn pocket(s: &mut Snapshot, by: i64) {
    if let Some(outcome) = &mut s.pocket.login
        && let Ok(g) = &mut outcome.result
    {
        granted(g, by);
    }
    match &mut s.pocket.refresh {
        Some(RefreshOutcome::Newer(newer)) => {
            time(&mut newer.answered_at, by);
        }
        Some(RefreshOutcome::Dead { since, .. }) => time(since, by),
        Some(RefreshOutcome::Alive { .. }) | None => {}
    }
}
