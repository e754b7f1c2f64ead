//! What a person must do, and what is in doubt.

use super::*;

/// What tells a person to create the login Secret anew.
fn asks_for_a_login(text: &str) -> bool {
    let text = text.to_lowercase();
    [
        "new login",
        "login secret anew",
        "create the login",
        "create a login",
        "another try",
    ]
    .iter()
    .any(|words| text.contains(words))
}

/// The same content would not be sent again, or is there still: only the deed knows.
#[test]
fn no_remedy_asks_for_what_the_deed_decides() {
    let rows = ROWS.iter().flat_map(|row| [row.first, row.last]);
    let answers = rows.map(|code| codes("invalid_grant", &[code])).chain(
        [
            "invalid_grant",
            "invalid_client",
            "invalid_scope",
            "interaction_required",
            "consent_required",
            "access_denied",
        ]
        .map(error),
    );
    for body in answers {
        for grant in GRANTS {
            let refusal = answered(grant, 400, &body);
            assert!(
                !asks_for_a_login(&refusal.remedy),
                "{body} {grant:?}: {}",
                refusal.remedy
            );
            assert_eq!(
                asks_for_a_login(&refusal.advice()),
                matches!(refusal.deed, Deed::NewLogin | Deed::WordAndNewLogin),
                "{body} {grant:?}: {}",
                refusal.advice()
            );
        }
    }
}

#[test]
fn the_effect_decides_the_deed_unless_a_row_knows_better() {
    for row in ROWS {
        for grant in GRANTS {
            let deed = row.class.deed(grant, row.deed);
            let fits = match row.class.effect(grant) {
                Effect::Condemned | Effect::Dead => deed == Deed::NewLogin,
                Effect::Doubtful => deed == Deed::Word,
                Effect::Entry | Effect::Person => {
                    matches!(deed, Deed::Word | Deed::Spec | Deed::ClientCredential)
                }
                Effect::Suspect
                | Effect::Unreadable
                | Effect::Transient
                | Effect::Withheld
                | Effect::Unanswered => deed == Deed::Wait,
            };
            assert!(fits, "{} {grant:?}: {deed:?}", row.first);
        }
    }
    let deed = |code| answered(Grant::Password, 400, &codes("invalid_client", &[code])).deed;
    assert_eq!(deed(7_000_222), Deed::ClientCredential);
    assert_eq!((deed(70011), deed(90002)), (Deed::Spec, Deed::Spec));
    assert_eq!(
        (deed(65001), deed(500_011), deed(53003)),
        (Deed::Word, Deed::Word, Deed::Word)
    );
}

#[test]
fn a_refused_password_is_doubtful_where_the_realm_service_did_not_say_managed() {
    let refusal = answered(Grant::Password, 400, &codes("invalid_grant", &[50126]));
    assert_eq!(
        (refusal.effect, refusal.deed),
        (Effect::Condemned, Deed::NewLogin)
    );
    let doubted = with_attempt(Grant::Password, |attempt| attempt.doubted(refusal.clone()));
    assert_eq!(
        (doubted.effect, doubted.reason, doubted.deed, doubted.code),
        (Effect::Doubtful, Reason::WrongPassword, Deed::Word, Some(50126))
    );
    assert!(
        doubted.remedy.contains("AllowCloudPasswordValidation"),
        "{}",
        doubted.remedy
    );
    assert!(!refusal.remedy.contains("federat"), "{}", refusal.remedy);
}

#[test]
fn a_claims_challenge_is_never_a_wrong_password_nor_a_dead_token() {
    for code in [50126, 50056, 70008, 70000, 123_456] {
        for grant in [Grant::Password, Grant::Refresh] {
            let mut body = codes("invalid_grant", &[code]);
            body["claims"] = json!(r#"{"access_token":{"capolids":{"essential":true,"values":["x"]}}}"#);
            let refusal = answered(grant, 400, &body);
            assert_eq!(
                (refusal.effect, refusal.reason),
                (Effect::Person, Reason::BlockedByPolicy),
                "{code}"
            );
            body["claims"] = json!("{}");
            let empty = answered(grant, 400, &body);
            body["claims"] = Value::Null;
            assert_eq!(empty, answered(grant, 400, &body), "{code}");
        }
    }
    let mut consent = codes("invalid_grant", &[65001]);
    consent["claims"] = json!("{\"x\":1}");
    assert_eq!(shown(Grant::Refresh, &consent).0, Effect::Entry);
}

#[test]
fn longer_codes_are_like_the_shorter_ones_but_in_doubt() {
    let of = |grant, code| shown(grant, &codes("invalid_grant", &[code]));
    assert_eq!(of(Grant::Password, 501_269).0, Effect::Doubtful);
    assert_eq!(
        of(Grant::Refresh, 700_089),
        (Effect::Suspect, Reason::LoginRequired)
    );
    assert_eq!(
        of(Grant::Refresh, 500_349),
        (Effect::Person, Reason::UserNotFound)
    );
    assert_eq!(
        of(Grant::Password, 5_003_412),
        (Effect::Person, Reason::UserNotFound)
    );
    assert_eq!(
        of(Grant::Refresh, 650_019),
        (Effect::Entry, Reason::ConsentMissing)
    );
    assert_eq!(of(Grant::Refresh, 99_999).0, Effect::Suspect);
}
