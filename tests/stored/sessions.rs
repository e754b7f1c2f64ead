//! Refresh-token Secrets: the record of logins, the sealed token, and what they say in clear.

use entra_lab::simulator::digest;
use entra_operator::api::annotation;
use entra_operator::plan::identity::one_name;
use entra_operator::plan::record::{Entry, Record, Verdict};
use entra_operator::reconcile::annotations;
use entra_operator::reconcile::material::{LoginContent, Secret};
use entra_operator::reconcile::ports::{Key, Purpose, Vault};
use kube::ResourceExt as _;

use crate::form::{Form, Known, Stored, Typed, each};

fn record(form: &Form, session: &Stored) -> Record {
    let blob = session.data.get("record").unwrap();
    form.vault().open_record(&session.key, blob).unwrap()
}

fn entry<'r>(form: &Form, known: &Known, record: &'r Record, typed: &Typed) -> &'r Entry {
    let login = LoginContent {
        username: Secret::new(typed.username.clone()),
        password: Secret::new(typed.password.clone()),
    };
    let realm = form.credential(&known.name).spec.login.realm.unwrap_or_default();
    let mac = form
        .vault()
        .content_mac(&login, &form.binding(&known.name), realm);
    let found = record.entry(&mac);
    found.unwrap_or_else(|| panic!("{} {}: {} is forgotten", form.name, known.name, typed.username))
}

const fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Open => "Open",
        Verdict::Accepted => "Accepted",
        Verdict::Wrong => "Wrong",
        Verdict::Kept(_) => "Kept",
    }
}

#[test]
fn every_content_keeps_its_verdict() {
    let mut judged = 0;
    each(|form, known, _| {
        if known.contents.is_empty() {
            assert!(
                form.secrets()
                    .all(|secret| !secret.key.name.starts_with(&format!("{}.", known.name)))
            );
            return;
        }
        let record = record(form, &form.session(&known.name));
        assert_eq!(record.entries.len(), known.contents.len(), "{}", known.name);
        for typed in &known.contents {
            let entry = entry(form, known, &record, typed);
            assert_eq!(
                name(&entry.verdict),
                typed.verdict,
                "{} {}",
                form.name,
                known.name
            );
            assert!(entry.login_uid.is_some());
            judged += 1;
        }
    });
    assert!(judged > 40, "{judged}");
}

#[test]
fn what_is_in_flight_is_in_flight_and_what_was_never_answered_is_used_up() {
    each(|form, known, _| {
        let Some(last) = known.contents.last() else { return };
        let record = record(form, &form.session(&known.name));
        let last = entry(form, known, &record, last);
        let in_flight = record.attempt.as_ref().filter(|a| a.content == last.content);
        // A send that was never answered stays in flight until somebody settles it.
        assert_eq!(
            in_flight.is_some(),
            known.in_flight,
            "{} {}",
            form.name,
            known.name
        );
        match known.name.as_str() {
            "unknown" => assert_eq!((last.unanswered, last.sends), (3, 3)),
            "waiting" => assert!(last.next_attempt_at > last.last_sent_at && last.next_attempt_at.is_some()),
            _ => assert_eq!(last.unanswered, u32::from(known.in_flight), "{}", known.name),
        }
    });
}

#[test]
fn a_refresh_token_opens_where_it_was_sealed_and_is_the_one_that_was_redeemed() {
    let mut redeemed = 0;
    each(|form, known, _| {
        let stored = known.signed_in.then(|| form.session(&known.name));
        let Some(session) = stored else { return };
        let (vault, blob) = (form.vault(), session.data.get("token").unwrap());
        let binding = annotations::binding(&session.meta).unwrap();
        let opened = vault.open_session(&session.key, &binding, blob).unwrap();
        if let Some(digested) = &known.redeemed_next {
            assert_eq!(digest(opened.refresh_token.expose()), *digested, "{}", known.name);
            redeemed += 1;
        }
        assert_eq!(opened.pin.user, known.contents.last().unwrap().username);
        assert!(
            vault
                .open_session(&Key::new("elsewhere", &*session.key.name), &binding, blob)
                .is_err()
        );
        let told = annotations::stored_token(&session.meta).unwrap();
        assert_eq!(
            (told.issued_at, told.dead_since.is_some()),
            (opened.answered_at, known.dead)
        );
        let named = one_name(&opened.pin.account, &opened.pin.user);
        assert_eq!(
            told.account.0,
            vault.mac(Purpose::Account, &[&named]),
            "{}",
            known.name
        );
    });
    assert!(redeemed > 10, "{redeemed}");
}

#[test]
fn the_last_login_is_told_in_clear() {
    each(|form, known, _| {
        let Some(last) = known.contents.last() else { return };
        let told = annotations::last_login(&form.session(&known.name).meta).unwrap();
        let verdict = told.verdict.map(<&str>::from);
        assert_eq!(
            verdict,
            Some(last.verdict.as_str()),
            "{} {}",
            form.name,
            known.name
        );
        assert!(told.login_uid.is_some() && told.last_sent_at.is_some());
    });
}

#[test]
fn what_belongs_to_a_credential_is_its_own() {
    let mut owned = 0;
    each(|form, known, credential| {
        let mut names: Vec<_> = credential
            .spec
            .tokens
            .iter()
            .map(|t| t.secret_name.clone())
            .collect();
        names.push(format!("{}.refresh-token", known.name));
        for secret in names.iter().filter_map(|name| form.secret(name)) {
            let place = [&*secret.key.namespace, &*secret.key.name, &*known.name];
            let proof = form.vault().mac(Purpose::Owner, &place);
            assert_eq!(
                secret.annotation(annotation::OWNER),
                Some(&*proof),
                "{}",
                secret.key.name
            );
            let controller = secret.meta.controller.unwrap();
            assert!(controller.ours && Some(controller.uid.0) == credential.uid());
            owned += 1;
        }
    });
    assert!(owned > 40, "{owned}");
}
