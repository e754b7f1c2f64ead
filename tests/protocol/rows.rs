//! Every AADSTS code over the wire on both grants: the simulator refuses with it, and what users get to see is compared
//! with a list that does not come from the operator's table.

use std::collections::BTreeMap;
use std::io::Write;

use entra_lab::simulator::{Fault, Options, Refusal as Answer, Simulator, World};
use entra_operator::api::{Reason, Retry};
use entra_operator::entra::Grant;
use entra_operator::entra::failure::ROWS;
use entra_operator::plan::answer::{Effect, Refusal};

use crate::client::{PASSWORD, REFRESH_TOKEN, Setup, USER, refused};

/// See the head of the file.
const EXPECTED: &str = include_str!("aadsts.tsv");

/// Codes without a row: they are judged by what they are like, else by their error.
const UNRECORDED: [u32; 5] = [53_777, 130_500, 399_284, 500_349, 530_999];

/// Text of the service that nobody may get to see.
const MARKER: &str = "Marker text for alice@contoso.example";

/// Ranges up to this length are tried code by code, longer ones at both ends.
const SHORT: u32 = 10;

/// A line of the list.
struct Line {
    first: u32,
    last: u32,
    password: &'static str,
    refresh: &'static str,
}

impl Line {
    fn read(line: &'static str) -> Self {
        let mut columns = line.split('\t');
        let codes = columns.next().unwrap();
        let (first, last) = codes.split_once('-').unwrap_or((codes, codes));
        Self {
            first: first.parse().unwrap(),
            last: last.parse().unwrap(),
            password: columns.next().unwrap(),
            refresh: columns.next().unwrap(),
        }
    }

    fn codes(&self) -> Vec<u32> {
        if self.last - self.first < SHORT {
            (self.first..=self.last).collect()
        } else {
            vec![self.first, self.last]
        }
    }
}

fn expected() -> impl Iterator<Item = Line> {
    let lines = EXPECTED.lines().filter(|line| !line.starts_with('#'));
    lines.map(Line::read)
}

/// What a user sees and what the operator does, for a class of the list: docs/contract.md, "What an answer means".
fn of_password(class: &str) -> (Reason, Effect, Retry) {
    match class {
        "WP" => (Reason::WrongPassword, Effect::Condemned, Retry::Person),
        "WD" => (Reason::WrongPassword, Effect::Doubtful, Retry::Person),
        "RD" => (Reason::InteractionRequired, Effect::Person, Retry::Probe),
        other => of_either(other),
    }
}

fn of_refresh(class: &str) -> (Reason, Effect, Retry) {
    match class {
        "WP" | "WD" => (Reason::InteractionRequired, Effect::Person, Retry::Probe),
        "RD" => (Reason::LoginRequired, Effect::Dead, Retry::Person),
        "RS" => (Reason::LoginRequired, Effect::Suspect, Retry::Person),
        "RU" => (Reason::LoginRequired, Effect::Unreadable, Retry::Person),
        other => of_either(other),
    }
}

fn of_either(class: &str) -> (Reason, Effect, Retry) {
    match class {
        "UA" => (Reason::InteractionRequired, Effect::Person, Retry::Probe),
        "CM" => (Reason::ConsentMissing, Effect::Entry, Retry::Probe),
        "SC" => (Reason::AppMisconfigured, Effect::Entry, Retry::Probe),
        "AM" => (Reason::AppMisconfigured, Effect::Person, Retry::Probe),
        "NF" => (Reason::UserNotFound, Effect::Person, Retry::Probe),
        "NT" => (Reason::TenantNotFound, Effect::Person, Retry::Probe),
        "LK" => (Reason::AccountLocked, Effect::Person, Retry::Probe),
        "PB" => (Reason::BlockedByPolicy, Effect::Person, Retry::Probe),
        "TH" => (Reason::Throttled, Effect::Transient, Retry::BackOff),
        "TR" => (Reason::ServiceUnavailable, Effect::Transient, Retry::BackOff),
        unknown => panic!("no class {unknown}"),
    }
}

fn check(code: u32, refusal: &Refusal, (reason, effect, retry): (Reason, Effect, Retry)) {
    assert_eq!(refusal.code, Some(code));
    assert_eq!((refusal.reason, refusal.effect), (reason, effect), "{code}");
    assert_eq!(refusal.reason.verdicts().retry, retry, "{code}");
    assert_eq!(
        refusal.retry_after.is_some(),
        reason == Reason::Throttled,
        "{code}"
    );
    assert!(refusal.message.ends_with(&format!(" (AADSTS{code}).")), "{code}");
    check_remedy(code, refusal);
    let shown = format!("{refusal:?}");
    for hidden in [USER, PASSWORD, REFRESH_TOKEN, "Marker"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}

/// Something to do, and links: where to consent, and Microsoft's page about the code.
fn check_remedy(code: u32, refusal: &Refusal) {
    let page = format!(" More: https://login.microsoftonline.com/error?code={code}");
    let advice = refusal.advice();
    let advice = advice.strip_suffix(&page);
    let advice = advice.unwrap_or_else(|| panic!("{code}: {}", refusal.remedy));
    assert!(advice.split(' ').count() > 1, "{code}: {advice}");
    let links = advice.contains("/contoso.example/adminconsent?client_id=");
    assert_eq!(
        links,
        refusal.reason == Reason::ConsentMissing,
        "{code}: {advice}"
    );
}

#[test]
fn the_list_and_the_table_name_the_same_codes() {
    let listed = expected().map(|line| (line.first, line.last));
    let listed: Vec<_> = listed.filter(|(code, _)| !UNRECORDED.contains(code)).collect();
    let known: Vec<_> = ROWS.iter().map(|row| (row.first, row.last)).collect();
    assert_eq!(listed, known);
}

/// One answer of the simulator with this code, and the reason that was shown for it.
async fn try_code(simulator: &Simulator, setup: &Setup, code: u32, line: &Line, grant: Grant) -> Reason {
    // Pauses and circuits are other tests' matter.
    setup.clock.forward(3600);
    simulator.fault(Fault::Refuse(Answer::of(code).text(MARKER)));
    let (outcome, meaning) = if grant == Grant::Password {
        (setup.login().await, of_password(line.password))
    } else {
        (setup.redeem().await, of_refresh(line.refresh))
    };
    check(code, &refused(outcome), meaning);
    meaning.0
}

#[tokio::test]
async fn every_code_is_understood_on_both_grants() {
    let simulator = Simulator::start(Options::new(World::contoso())).await.unwrap();
    let setup = Setup::trusting(&format!("localhost:{}", simulator.port()), &simulator.ca_pem());
    let mut seen = BTreeMap::<Reason, [usize; 2]>::new();
    for line in expected() {
        for code in line.codes() {
            for (at, grant) in [Grant::Password, Grant::Refresh].into_iter().enumerate() {
                let reason = try_code(&simulator, &setup, code, &line, grant).await;
                seen.entry(reason).or_default()[at] += 1;
            }
        }
    }
    assert_eq!(simulator.faults_left(), 0);
    report(&seen);
}

/// Prints through the handle itself: what goes through `println!` is kept back while a test passes.
fn report(seen: &BTreeMap<Reason, [usize; 2]>) {
    let mut text = format!("\n{:<22}{:>10}{:>10}\n", "AADSTS rows", "password", "refresh").into_bytes();
    for (reason, [password, refresh]) in seen {
        writeln!(text, "{:<22}{password:>10}{refresh:>10}", reason.as_ref()).unwrap();
    }
    let codes: usize = seen.values().map(|[password, _]| password).sum();
    let answers: usize = seen.values().flatten().sum();
    writeln!(text, "rows: {codes} codes x 2 grants = {answers} answers").unwrap();
    std::io::stderr().write_all(&text).unwrap();
}
