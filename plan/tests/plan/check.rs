//! What every decision must satisfy, whatever the facts. Written from the contract, not from the code.

use entra_plan::conditions::{Condition, conditions};
use entra_plan::mac::RequestMac;
use entra_plan::reason::Says;
use entra_plan::record::Verdict;
use entra_plan::snapshot::{Claim, Content, Login, Opened, Ownership, Snapshot, Target, Token, Wanted};
use entra_plan::{Decision, Step, Time, invariants, next_step};

use super::shift;

/// Decides, and checks the decision from all sides. Panics with the facts if anything is wrong.
pub fn decide(s: &Snapshot, now: Time) -> Decision {
    let (decision, wrong) = examine(s, now);
    assert!(
        wrong.is_empty(),
        "{wrong:#?}\nat {now:?} decided {decision:?}\nfrom {s:#?}"
    );
    decision
}

/// Decides, and says what is wrong with the decision.
pub fn examine(s: &Snapshot, now: Time) -> (Decision, Vec<String>) {
    let decision = next_step(s, now);
    let broken = invariants::violations(s, &decision, now);
    let mut wrong: Vec<_> = broken.iter().map(ToString::to_string).collect();
    useful(s, &decision, &mut wrong);
    in_its_time(s, &decision, now, &mut wrong);
    to_its_binding(s, &decision, &mut wrong);
    if decision.step.is_final() && !s.object.deleting {
        shown(s, &decision, now, &mut wrong);
        sleeps_well(s, &decision, now, &mut wrong);
    }
    (decision, wrong)
}

/// Decides the same `by` seconds later, with all facts as much later, and expects the same decision.
pub fn decide_shifted(s: &Snapshot, now: Time, by: i64) {
    let here = next_step(s, now);
    let there = next_step(&shift::snapshot(s.clone(), by), now.plus(by));
    assert_eq!(shift::decision(here, by), there, "time must be relative\n{s:#?}");
}

/// Whether a token is there that is valid at `now` and answers the spec.
pub fn valid(t: &Token, now: Time) -> bool {
    let answers = |request: &RequestMac| match &t.wanted {
        Wanted::Anything => true,
        Wanted::Another => false,
        Wanted::Request(wanted) => wanted == request,
    };
    t.ownership == Ownership::Ours
        && t.published
            .as_ref()
            .is_some_and(|p| p.expires_at > now && !p.edited && p.shape == t.shape && answers(&p.request))
}

/// A step does something: it never reads again what is known.
fn useful(s: &Snapshot, decision: &Decision, wrong: &mut Vec<String>) {
    let useful = match &decision.step {
        Step::ReadSession | Step::ReadToRenew(_) => s.session.opened == Opened::Unread,
        Step::ReadLogin | Step::ReadToSignIn => match &s.login {
            Login::Present(l) => l.content == Content::Unread || l.claim == Claim::Unchecked,
            Login::Absent | Login::WrongType => false,
        },
        Step::ClaimLogin => matches!(&s.login, Login::Present(l) if l.claim == Claim::Free),
        Step::Store => s.pocket.login.is_some() || s.pocket.refresh.is_some(),
        Step::Redeem(names)
        | Step::Verify(names)
        | Step::Publish(names)
        | Step::Replace(names)
        | Step::Prune(names) => !names.is_empty(),
        Step::Adopt(objects) | Step::Look(objects) | Step::Label(objects) => !objects.is_empty(),
        _ => true,
    };
    expect(useful, "a step does something", wrong);
}

/// A recorded attempt is sent within 10 s, and taken over 60 s after this process first saw it.
fn in_its_time(s: &Snapshot, decision: &Decision, now: Time, wrong: &mut Vec<String>) {
    let record = s.session.record();
    let Some((record, attempt)) = record.and_then(|r| Some((r, r.attempt.as_ref()?))) else {
        return;
    };
    let Some(past) = record.entry(&attempt.content) else {
        return;
    };
    let age = past.last_sent_at.map_or(i64::MAX, |at| now.since(at));
    let seen = s.session.attempt.as_ref().filter(|seen| seen.id == attempt.id);
    let undecided = match past.verdict {
        Verdict::Open => true,
        Verdict::Accepted => !s.redeemable(),
        Verdict::Wrong | Verdict::Kept(_) => false,
    };
    let waited = seen.is_some_and(|seen| now.since(seen.first_seen) >= 60);
    match &decision.step {
        Step::Exchange { .. } => expect(age <= 10, "a record is sent within 10 s", wrong),
        Step::RecordAttempt { content, .. } if *content == attempt.content && undecided => {
            expect(waited, "an attempt is taken over after 60 s", wrong);
        }
        _ => {}
    }
}

/// A refresh token goes where it came from: authority and client as they were, the tenant as written or as resolved.
fn to_its_binding(s: &Snapshot, decision: &Decision, wrong: &mut Vec<String>) {
    let (Step::Redeem(_), Some(stored)) = (&decision.step, &s.session.token) else {
        return;
    };
    let same = match &s.target {
        Target::Known {
            binding,
            resolved_tenant,
        } => {
            let tenant = binding.tenant == stored.binding.tenant
                || resolved_tenant.as_ref() == Some(&stored.tenant_id);
            let client = binding.client_id == stored.binding.client_id;
            tenant && client && binding.authority == stored.binding.authority
        }
        Target::Refused { .. } => false,
    };
    expect(same, "a refresh token goes to its binding", wrong);
}

fn expect(holds: bool, rule: &str, wrong: &mut Vec<String>) {
    if !holds {
        wrong.push(rule.to_owned());
    }
}

/// The conditions agree with the facts, with each other and with the table of reasons.
fn shown(s: &Snapshot, decision: &Decision, now: Time, wrong: &mut Vec<String>) {
    let all = conditions(s, decision, now);
    let kinds: Vec<_> = all.iter().map(|c| c.kind).collect();
    expect(
        kinds == ["Ready", "LoggedIn", "Published", "Reconciling", "Stalled"],
        "exactly the five conditions",
        wrong,
    );
    let [ready, logged_in, published, reconciling, stalled] = &all[..] else {
        return;
    };
    facts_decide(s, now, ready, logged_in, wrong);
    row_agrees(decision, &all, wrong);
    own_reason_agrees(&all, wrong);
    expect(
        !(reconciling.status && stalled.status),
        "Reconciling and Stalled never at once",
        wrong,
    );
    let person = decision.reason.verdicts().needs_person;
    let any_valid = s.tokens.iter().any(|t| valid(t, now));
    expect(
        stalled.status == (person && !any_valid),
        "Stalled: only a person can help and no valid token is left",
        wrong,
    );
    expect(
        !person || !decision.message.is_empty(),
        "who must act is told what to do",
        wrong,
    );
    expect(
        published.status || !s.tokens.iter().all(Token::is_published),
        "Published if all is as written",
        wrong,
    );
}

fn facts_decide(s: &Snapshot, now: Time, ready: &Condition, logged_in: &Condition, wrong: &mut Vec<String>) {
    expect(
        ready.status == s.tokens.iter().all(|t| valid(t, now)),
        "Ready exactly if every token is valid",
        wrong,
    );
    expect(
        logged_in.status == s.redeemable(),
        "LoggedIn exactly if a refresh token can be redeemed",
        wrong,
    );
}

/// What the headline's row says outright is what the conditions show.
fn row_agrees(decision: &Decision, all: &[Condition], wrong: &mut Vec<String>) {
    let row = decision.reason.verdicts();
    let said = [row.ready, row.logged_in, row.published, row.reconciling];
    for (says, c) in said.into_iter().zip(all) {
        let agrees = match says {
            Says::True => c.status,
            Says::False => !c.status,
            Says::Facts => true,
        };
        let rule = format!("{} says {} is {says:?}", decision.reason, c.kind);
        expect(agrees, &rule, wrong);
    }
}

/// No condition gives a reason whose row says the opposite.
fn own_reason_agrees(all: &[Condition], wrong: &mut Vec<String>) {
    for c in all {
        let row = c.reason.verdicts();
        let says = match c.kind {
            "Ready" => row.ready,
            "LoggedIn" => row.logged_in,
            "Published" => row.published,
            "Reconciling" => row.reconciling,
            _ if c.status => [Says::False, Says::Facts][usize::from(row.needs_person)],
            _ => Says::Facts,
        };
        let opposite = if c.status { Says::False } else { Says::True };
        let rule = format!("{}={} must not give the reason {}", c.kind, c.status, c.reason);
        expect(says != opposite, &rule, wrong);
    }
}

/// Until the wake time nothing falls due and nothing that is shown changes: sleeping is safe.
fn sleeps_well(s: &Snapshot, decision: &Decision, now: Time, wrong: &mut Vec<String>) {
    let shown = |d: &Decision, at| {
        let all = conditions(s, d, at);
        all.into_iter().map(|c| (c.status, c.reason)).collect::<Vec<_>>()
    };
    let before = shown(decision, now);
    for at in moments_asleep(now, decision.wake) {
        let later = next_step(s, at);
        if !later.step.is_final() {
            wrong.push(format!(
                "{:?} falls due at {at:?}, before the wake time",
                later.step
            ));
        } else if shown(&later, at) != before {
            wrong.push("the conditions change before the wake time".to_owned());
        }
    }
}

fn moments_asleep(now: Time, wake: Option<Time>) -> impl Iterator<Item = Time> {
    let last = wake.map_or_else(|| now.plus(100 * 86_400), |wake| wake.plus(-1));
    let middle = now.plus(last.since(now) / 2);
    [middle, last]
        .into_iter()
        .filter(move |at| *at > now && at.since(now) < i64::MAX / 2)
}
