//! The judges find nothing in a run in which all was well, and find each fault that is put into it.

use std::collections::BTreeMap;

use super::*;
use crate::chaos::cast::Content;
use crate::chaos::evidence::{Done, Ending, Token};
use crate::chaos::plan::{Act, Outage};
use crate::simulator::world::user_name;
use std::time::Duration;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn span(from: i64, to: i64) -> Span {
    Span::new(at(from), at(to))
}

fn request(second: i64, form: &[(&str, &str)], outcome: Outcome) -> Entry {
    let form = form
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Entry {
        sequence: 0,
        time: at(second),
        method: "POST".to_owned(),
        path: "/token".to_owned(),
        query: BTreeMap::new(),
        headers: BTreeMap::new(),
        form: form.collect(),
        user: Some(user_name(0)),
        fault: None,
        outcome,
    }
}

fn accepted() -> Outcome {
    Outcome::Answered {
        status: 200,
        code: None,
    }
}

fn wrong() -> Outcome {
    Outcome::Answered {
        status: 400,
        code: Some(50126),
    }
}

fn password(second: i64, content: Content, outcome: Outcome) -> Entry {
    let password = digest(&content.password(0));
    request(
        second,
        &[("grant_type", "password"), ("password", &password)],
        outcome,
    )
}

fn redemption(second: i64) -> Entry {
    let [(_, scope)] = &cast::tokens(0)[..] else {
        panic!("one token")
    };
    request(
        second,
        &[("grant_type", "refresh_token"), ("scope", scope)],
        accepted(),
    )
}

fn token(second: i64) -> Version {
    Version {
        seen: at(second),
        uid: "t".to_owned(),
        gone: false,
        token: Some(Token {
            issued_at: at(second),
            refresh_at: at(second + 12),
            expires_at: at(second + 24),
            intact: true,
        }),
    }
}

fn login(second: i64, gone: bool, uid: &str) -> Version {
    Version {
        seen: at(second),
        uid: uid.to_owned(),
        gone,
        token: None,
    }
}

fn done(from: i64, to: i64, deed: Deed) -> Done {
    Done {
        span: span(from, to),
        deed,
        uid: None,
    }
}

/// One credential signs in and is renewed every twelve seconds; later somebody tries a wrong password.
fn well() -> Evidence {
    let entered = |second, content, uid: &str| Done {
        uid: Some(uid.to_owned()),
        ..done(second, second, Deed::Of(0, Act::Login(content)))
    };
    let logins = vec![
        login(0, false, "l"),
        login(2, true, "l"),
        login(50, false, "w"),
        login(52, true, "w"),
    ];
    let ending = Ending {
        ready: true,
        conditions: String::new(),
    };
    let mut journal = vec![
        password(1, Content::Right(0), accepted()),
        password(51, Content::Wrong(1), wrong()),
    ];
    journal.extend([12, 24, 36, 48, 60, 72, 84].map(redemption));
    Evidence {
        life: SignedDuration::from_secs(24),
        versions: BTreeMap::from([
            (
                "chaos-0/c0-api".to_owned(),
                [1, 12, 24, 36, 48, 60, 72, 84].map(token).to_vec(),
            ),
            ("chaos-0/c0-login".to_owned(), logins),
        ]),
        journal,
        deeds: vec![
            entered(0, Content::Right(0), "l"),
            entered(50, Content::Wrong(1), "w"),
        ],
        runs: vec![span(0, 90)],
        outages: Vec::new(),
        endings: BTreeMap::from([(0, ending)]),
        end: Some(at(90)),
    }
}

fn rules(evidence: &Evidence) -> Vec<&'static str> {
    judge(evidence).violations.iter().map(|v| v.rule).collect()
}

fn tokens_of(evidence: &mut Evidence) -> &mut Vec<Version> {
    evidence.versions.get_mut("chaos-0/c0-api").unwrap()
}

#[test]
fn what_went_well_is_no_violation_and_was_judged() {
    let judgement = judge(&well());
    assert_eq!(judgement.violations, []);
    assert_eq!(judgement.tokens.renewals, 7);
    assert_eq!(
        judgement.tokens.samples, 71,
        "from half a life and some seconds after the start to the end"
    );
    assert!(judgement.calls > 0);
}

#[test]
fn a_credential_that_is_not_ready_has_lost_its_refresh_token() {
    let mut evidence = well();
    evidence.endings.get_mut(&0).unwrap().ready = false;
    assert_eq!(rules(&evidence), ["refresh-token-lost"]);
}

#[test]
fn an_expired_token_is_seen_unless_something_was_out() {
    let mut evidence = well();
    tokens_of(&mut evidence).retain(|version| version.seen != at(60) && version.seen != at(72));
    assert_eq!(rules(&evidence), ["expired-token"]);
    evidence.outages = vec![span(66, 74)];
    assert_eq!(rules(&evidence), [""; 0]);
}

#[test]
fn a_token_that_is_gone_or_edited_is_seen_and_after_a_revocation_it_is_not_expected() {
    for token in [None, Some(false)] {
        let mut evidence = well();
        tokens_of(&mut evidence).truncate(6);
        let last = tokens_of(&mut evidence).last_mut().unwrap();
        last.gone = token.is_none();
        last.token = last
            .token
            .clone()
            .zip(token)
            .map(|(t, intact)| Token { intact, ..t });
        assert_eq!(rules(&evidence), ["expired-token"]);
        let revoked = done(62, 62, Deed::Of(0, Act::Revoke(Content::Right(1))));
        evidence.deeds.push(revoked);
        assert_eq!(rules(&evidence), [""; 0]);
    }
}

#[test]
fn a_renewal_before_half_of_the_life_is_not_due_unless_somebody_caused_it() {
    let mut evidence = well();
    evidence.journal.push(redemption(42));
    assert_eq!(rules(&evidence), ["not-due"]);
    evidence.deeds.push(done(41, 41, Deed::Of(0, Act::Word)));
    assert_eq!(rules(&evidence), [""; 0]);
}

#[test]
fn a_content_that_was_judged_is_not_sent_again() {
    for (content, outcome) in [(Content::Right(0), accepted()), (Content::Wrong(1), wrong())] {
        let mut evidence = well();
        evidence.journal.push(password(60, content, outcome));
        assert!(rules(&evidence).contains(&"judged-content-sent"), "{content}");
    }
}

#[test]
fn two_verdicts_need_a_kill_or_a_lost_answer_between_them() {
    let mut evidence = well();
    evidence.versions.get_mut("chaos-0/c0-login").unwrap().truncate(3);
    evidence.journal.push(password(55, Content::Wrong(1), wrong()));
    assert_eq!(rules(&evidence), ["two-verdicts"]);
    evidence.deeds.push(done(51, 52, Deed::Kill(0)));
    assert_eq!(rules(&evidence), [""; 0]);
    evidence.deeds.pop();
    let outage = Deed::Outage(Outage::ApiHung, Duration::from_secs(1));
    evidence.deeds.push(done(51, 52, outage));
    evidence.outages.push(span(51, 52));
    assert_eq!(rules(&evidence), [""; 0]);
}

#[test]
fn four_sends_are_too_many() {
    let mut evidence = well();
    evidence.versions.get_mut("chaos-0/c0-login").unwrap().truncate(3);
    let lost = || Outcome::Lost {
        status: 400,
        code: Some(50126),
    };
    evidence
        .journal
        .extend([53, 55, 57].map(|second| password(second, Content::Wrong(1), lost())));
    assert_eq!(rules(&evidence), ["too-many-sends"]);
}

#[test]
fn a_password_for_a_foreign_record_is_never_sent() {
    let mut evidence = well();
    let mut sent = password(60, Content::Right(0), accepted());
    sent.user = Some(user_name(1));
    sent.form.insert("password".to_owned(), digest("another"));
    evidence.journal.push(sent);
    assert_eq!(rules(&evidence), ["foreign-record"]);
}
