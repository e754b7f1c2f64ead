//! Verdicts: every row, every default, and that nothing of the provider's text comes through.

mod deeds;
mod properties;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::*;
use crate::entra::authority::Authorities;
use crate::entra::clock::Timing;
use crate::plan::Time;
use crate::reconcile::ports::Wanted;

const CORRELATION: &str = "0b8c2f7e-1c9d-4b7e-9d57-0d6a3c7a1f00";
const GRANTS: [Grant; 6] = [
    Grant::Password,
    Grant::WsTrust,
    Grant::Saml11,
    Grant::Saml20,
    Grant::Refresh,
    Grant::Discovery,
];

fn reply(status: u16, body: &[u8]) -> Reply {
    Reply {
        status,
        timing: Timing {
            start: Time(0),
            end: Time(1),
            date: None,
        },
        retry_after: None,
        trace_id: None,
        body: Some(Zeroizing::new(body.to_vec())),
    }
}

fn with_attempt<T>(grant: Grant, act: impl FnOnce(&Attempt<'_>) -> T) -> T {
    let wanted = Wanted {
        cloud: None,
        authority: None,
        tenant: Some("contoso.example"),
        client_id: "3f0c1a52-0000-4000-8000-000000000001",
    };
    let binding = Authorities::default().binding(&wanted).unwrap();
    let authority = Authorities::default().bound(None, &binding.authority).unwrap();
    act(&Attempt::new(grant, &authority, &binding, CORRELATION))
}

fn refused(grant: Grant, status: u16, body: &[u8]) -> Refusal {
    with_attempt(grant, |attempt| attempt.refused(&reply(status, body)))
}

fn answered(grant: Grant, status: u16, body: &Value) -> Refusal {
    refused(grant, status, body.to_string().as_bytes())
}

fn shown(grant: Grant, body: &Value) -> (Effect, Reason) {
    let refusal = answered(grant, 400, body);
    (refusal.effect, refusal.reason)
}

fn error(error: &str) -> Value {
    json!({"error": error})
}

fn codes(error: &str, codes: &[u32]) -> Value {
    json!({"error": error, "error_codes": codes})
}

#[test]
fn every_row_is_judged_by_its_code_whatever_the_error_says() {
    for (row, code) in ROWS.iter().flat_map(|row| [(row, row.first), (row, row.last)]) {
        for grant in GRANTS {
            let refusal = answered(grant, 400, &codes("invalid_grant", &[code]));
            assert_eq!(refusal.code, Some(code));
            assert_eq!(refusal.effect, row.class.effect(grant), "{code} {grant:?}");
            assert_eq!(refusal.reason, row.class.reason(grant), "{code} {grant:?}");
            assert_eq!(refusal.deed, row.class.deed(grant, row.deed), "{code} {grant:?}");
            assert!(
                refusal.message.ends_with(&format!("(AADSTS{code}).")),
                "{}",
                refusal.message
            );
        }
    }
}

#[test]
fn what_kills_a_refresh_token_is_this_list_and_no_other() {
    let of = |effect| -> Vec<u32> {
        let rows = ROWS
            .iter()
            .filter(|row| row.class.effect(Grant::Refresh) == effect);
        rows.map(|row| row.first).collect()
    };
    assert_eq!(
        of(Effect::Dead),
        [
            50058, 50085, 50089, 50132, 50133, 50139, 50173, 70008, 70043, 70044, 70045, 700_081, 700_082,
            700_084
        ]
    );
    assert_eq!(of(Effect::Unreadable), [70000, 9_002_313]);
    assert!(of(Effect::Suspect).is_empty());
}

#[test]
fn what_condemns_a_password_is_this_list_and_no_other() {
    let of = |effect| -> Vec<u32> {
        let rows = ROWS
            .iter()
            .filter(|row| row.class.effect(Grant::Password) == effect);
        rows.map(|row| row.first).collect()
    };
    assert_eq!(of(Effect::Condemned), [50126]);
    assert_eq!(of(Effect::Doubtful), [50052, 50054, 50056, 50064, 80007]);
}

#[test]
fn scope_and_consent_codes_concern_their_entry_only() {
    for code in [
        28000, 28002, 28003, 50001, 65001, 65004, 65005, 70011, 90009, 90015, 90094, 90095, 500_011, 500_014,
        650_052, 650_054, 650_056, 650_057, 700_022, 7_000_117,
    ] {
        for grant in [Grant::Password, Grant::Saml11, Grant::Saml20, Grant::Refresh] {
            assert_eq!(
                shown(grant, &codes("invalid_request", &[code])).0,
                Effect::Entry,
                "{code}"
            );
        }
    }
}

#[test]
fn the_innermost_known_code_tells() {
    let refusal = answered(Grant::Password, 400, &codes("invalid_client", &[70002, 50126]));
    assert_eq!((refusal.code, refusal.effect), (Some(50126), Effect::Condemned));
    let reversed = answered(Grant::Password, 400, &codes("invalid_grant", &[50126, 70002]));
    assert_eq!(reversed.code, Some(50126));
    let alone = answered(Grant::Password, 400, &codes("invalid_client", &[70002]));
    assert_eq!(
        (alone.effect, alone.reason),
        (Effect::Person, Reason::AppMisconfigured)
    );
    let unknown_inside = answered(Grant::Password, 400, &codes("invalid_grant", &[70002, 123]));
    assert_eq!(
        (unknown_inside.code, unknown_inside.effect),
        (Some(123), Effect::Doubtful)
    );
}

#[test]
fn codes_are_read_from_the_description_too() {
    let body = json!({"error": "invalid_grant", "error_description": "AADSTS50126: Error validating"});
    assert_eq!(answered(Grant::Password, 400, &body).code, Some(50126));
}

#[test]
fn suberror_counts_by_grant() {
    let sub = |grant, suberror: &str| shown(grant, &json!({"error": "invalid_grant", "suberror": suberror}));
    for (suberror, reason) in [
        ("basic_action", Reason::InteractionRequired),
        ("additional_action", Reason::InteractionRequired),
        ("user_password_expired", Reason::InteractionRequired),
        ("message_only", Reason::BlockedByPolicy),
        ("protection_policy_required", Reason::BlockedByPolicy),
        ("device_authentication_failed", Reason::BlockedByPolicy),
        ("client_mismatch", Reason::AppMisconfigured),
    ] {
        assert_eq!(
            sub(Grant::Refresh, suberror),
            (Effect::Person, reason),
            "{suberror}"
        );
        assert_eq!(
            sub(Grant::Password, suberror),
            (Effect::Person, reason),
            "{suberror}"
        );
    }
    assert_eq!(
        sub(Grant::Refresh, "consent_required"),
        (Effect::Entry, Reason::ConsentMissing)
    );
    for suberror in ["bad_token", "token_expired"] {
        assert_eq!(
            sub(Grant::Refresh, suberror),
            (Effect::Dead, Reason::LoginRequired)
        );
        assert_eq!(
            sub(Grant::Password, suberror),
            (Effect::Doubtful, Reason::WrongPassword)
        );
    }
}

#[test]
fn a_known_code_outweighs_suberror() {
    let body = json!({"error": "invalid_grant", "error_codes": [50034], "suberror": "bad_token"});
    assert_eq!(
        shown(Grant::Password, &body),
        (Effect::Person, Reason::UserNotFound)
    );
    assert_eq!(
        shown(Grant::Refresh, &body),
        (Effect::Person, Reason::UserNotFound)
    );
}

#[test]
fn unknown_codes_are_judged_by_error() {
    let both = [
        ("invalid_client", Effect::Person, Reason::AppMisconfigured),
        ("invalid_request", Effect::Person, Reason::AppMisconfigured),
        ("unauthorized_client", Effect::Person, Reason::AppMisconfigured),
        ("unsupported_grant_type", Effect::Person, Reason::AppMisconfigured),
        ("invalid_scope", Effect::Entry, Reason::AppMisconfigured),
        ("invalid_resource", Effect::Entry, Reason::AppMisconfigured),
        (
            "interaction_required",
            Effect::Person,
            Reason::InteractionRequired,
        ),
        ("consent_required", Effect::Entry, Reason::ConsentMissing),
        ("invalid_tenant", Effect::Person, Reason::TenantNotFound),
        (
            "temporarily_unavailable",
            Effect::Transient,
            Reason::ServiceUnavailable,
        ),
        ("server_error", Effect::Transient, Reason::ServiceUnavailable),
    ];
    for (name, effect, reason) in both {
        for grant in [Grant::Password, Grant::Refresh] {
            assert_eq!(shown(grant, &error(name)), (effect, reason), "{name}");
            assert_eq!(shown(grant, &codes(name, &[399_284])), (effect, reason), "{name}");
        }
    }
    assert_eq!(
        shown(Grant::Password, &error("invalid_grant")),
        (Effect::Doubtful, Reason::WrongPassword)
    );
    assert_eq!(
        shown(Grant::Refresh, &error("invalid_grant")),
        (Effect::Suspect, Reason::LoginRequired)
    );
    assert_eq!(
        shown(Grant::Discovery, &error("invalid_grant")),
        (Effect::Transient, Reason::UnexpectedResponse)
    );
}

#[test]
fn an_unheard_of_error_is_entras_only_with_a_code() {
    assert_eq!(
        shown(Grant::Password, &codes("new_error", &[1])),
        (Effect::Person, Reason::AppMisconfigured)
    );
    assert_eq!(
        shown(Grant::Password, &error("blocked")),
        (Effect::Unanswered, Reason::UnexpectedResponse)
    );
    assert_eq!(
        shown(Grant::Refresh, &error("blocked")),
        (Effect::Transient, Reason::UnexpectedResponse)
    );
}

#[test]
fn status_comes_first() {
    let wrong = codes("invalid_grant", &[50126]);
    for status in [408, 500, 502, 503, 504, 599] {
        let refusal = answered(Grant::Password, status, &wrong);
        assert_eq!(
            (refusal.effect, refusal.reason),
            (Effect::Transient, Reason::ServiceUnavailable),
            "{status}"
        );
    }
    let throttled = answered(Grant::Password, 429, &wrong);
    assert_eq!(
        (throttled.effect, throttled.reason),
        (Effect::Transient, Reason::Throttled)
    );
    assert_eq!(throttled.retry_after, Some(60));
}

#[test]
fn what_is_no_answer_of_entra_is_unexpected() {
    for (status, body) in [
        (400, "<html>blocked</html>"),
        (403, "<html>"),
        (403, r#"{"error":"forbidden"}"#),
        (407, r#"{"error":"invalid_grant","error_codes":[50126]}"#),
        (301, ""),
        (302, ""),
        (204, ""),
        (400, ""),
        (404, "not found"),
    ] {
        let password = refused(Grant::Password, status, body.as_bytes());
        assert_eq!(
            (password.effect, password.reason),
            (Effect::Unanswered, Reason::UnexpectedResponse),
            "{status}"
        );
        let refresh = refused(Grant::Refresh, status, body.as_bytes());
        assert_eq!(
            (refresh.effect, refresh.reason),
            (Effect::Transient, Reason::UnexpectedResponse),
            "{status}"
        );
    }
    let entra = answered(Grant::Password, 403, &codes("invalid_grant", &[53003]));
    assert_eq!(entra.reason, Reason::BlockedByPolicy);
}

#[test]
fn what_a_token_endpoint_says_with_403_is_its_answer() {
    for (error, reason) in [
        ("access_denied", Reason::BlockedByPolicy),
        ("unauthorized_client", Reason::AppMisconfigured),
        ("not_allowed", Reason::AppMisconfigured),
    ] {
        let refusal = answered(Grant::Password, 403, &json!({"error": error}));
        assert_eq!(
            (refusal.effect, refusal.reason),
            (Effect::Person, reason),
            "{error}"
        );
    }
}

/// What identity providers other than Entra ID say about a wrong password, and about a refresh token.
#[test]
fn refusals_of_other_providers_are_understood() {
    let described = |error: &str, text: &str| json!({"error": error, "error_description": text});
    let doubtful = (Effect::Doubtful, Reason::WrongPassword);
    for (status, error, text) in [
        (400, "access_denied", "AADB2C90225: MARKER"),
        (400, "invalid_grant", "MSIS9659: MARKER"),
        (401, "invalid_grant", "Invalid user credentials"),
        (403, "invalid_grant", "Wrong email or password."),
    ] {
        let refusal = answered(Grant::Password, status, &described(error, text));
        assert_eq!((refusal.effect, refusal.reason), doubtful, "{text}");
        assert_eq!(refusal.code, None, "{text}");
        assert!(!format!("{refusal:?}").contains("MARKER") && !format!("{refusal:?}").contains("MSIS"));
    }
    let refresh = |text: &str| shown(Grant::Refresh, &described("invalid_grant", text));
    assert_eq!(
        refresh("AADB2C90080: MARKER"),
        (Effect::Dead, Reason::LoginRequired)
    );
    assert_eq!(
        refresh("MSIS9615: MARKER"),
        (Effect::Suspect, Reason::LoginRequired)
    );
    let misconfigured = (Effect::Person, Reason::AppMisconfigured);
    let no_offline = described("not_allowed", "Offline tokens not allowed for the user or client");
    for grant in [Grant::Password, Grant::Refresh] {
        let refusal = answered(grant, 400, &no_offline);
        assert_eq!((refusal.effect, refusal.reason), misconfigured);
        assert!(refusal.remedy.contains("offline_access"), "{}", refusal.remedy);
    }
    for code in [90018, 90224, 99999] {
        let text = format!("AADB2C{code}: MARKER");
        for grant in [Grant::Password, Grant::Refresh] {
            assert_eq!(
                shown(grant, &described("invalid_grant", &text)),
                misconfigured,
                "{code}"
            );
        }
    }
}

#[test]
fn a_body_that_is_too_long_is_unexpected() {
    let long = Reply {
        body: None,
        ..reply(400, b"")
    };
    let refusal = with_attempt(Grant::Password, |attempt| attempt.refused(&long));
    assert_eq!(
        (refusal.effect, refusal.reason),
        (Effect::Unanswered, Reason::UnexpectedResponse)
    );
}

#[test]
fn consent_failures_carry_the_link() {
    let refusal = answered(Grant::Refresh, 400, &codes("invalid_grant", &[65001]));
    assert!(refusal.remedy.contains(
        " https://login.microsoftonline.com/contoso.example/adminconsent\
         ?client_id=3f0c1a52-0000-4000-8000-000000000001 "
    ));
}

#[test]
fn every_refusal_says_where_to_read_more() {
    let page = "More: https://login.microsoftonline.com/error?code=";
    for code in [65001, 75011, 399_284] {
        let remedy = answered(Grant::Password, 400, &codes("invalid_grant", &[code])).remedy;
        assert!(remedy.ends_with(&format!("{page}{code}")), "{remedy}");
    }
    for (status, section) in [
        (400, "wrongpassword"),
        (429, "throttled"),
        (503, "serviceunavailable"),
    ] {
        let remedy = answered(Grant::Password, status, &error("invalid_grant")).remedy;
        let guide = format!("More: docs/troubleshooting.md#{section}");
        assert!(remedy.ends_with(&guide), "{remedy}");
    }
}

#[test]
fn the_public_client_switch_is_named() {
    let refusal = answered(Grant::Password, 401, &codes("invalid_client", &[7_000_218]));
    assert_eq!(
        (refusal.effect, refusal.reason),
        (Effect::Person, Reason::AppMisconfigured)
    );
    assert!(
        refusal.remedy.contains("Allow public client flows") && refusal.remedy.contains("Authentication")
    );
}

#[test]
fn the_loop_detector_asks_for_five_minutes() {
    let refusal = answered(Grant::Refresh, 400, &codes("invalid_grant", &[50196]));
    assert_eq!(
        (refusal.effect, refusal.reason, refusal.retry_after),
        (Effect::Transient, Reason::Throttled, Some(300))
    );
}

#[test]
fn a_dead_session_means_a_fresh_sign_in_to_a_password() {
    let refusal = answered(Grant::Password, 400, &codes("invalid_grant", &[70043]));
    assert_eq!(
        (refusal.effect, refusal.reason),
        (Effect::Person, Reason::InteractionRequired)
    );
    assert!(!refusal.message.contains("refresh token"));
}

#[test]
fn lost_answers_cost_a_send_only_if_bytes_left() {
    let lost = |grant, departure, cause| {
        let refusal = with_attempt(grant, |attempt| attempt.lost(Lost { departure, cause }));
        assert_eq!(refusal.reason, Reason::ServiceUnavailable);
        refusal.effect
    };
    for cause in [
        Cause::Connect,
        Cause::Certificate,
        Cause::Name,
        Cause::Version,
        Cause::Tls,
        Cause::Deadline,
        Cause::Broken,
    ] {
        assert_eq!(lost(Grant::Password, Departure::Left, cause), Effect::Unanswered);
        assert_eq!(
            lost(Grant::Password, Departure::Waiting, cause),
            Effect::Transient
        );
        assert_eq!(
            lost(Grant::Password, Departure::Withheld, cause),
            Effect::Transient
        );
        assert_eq!(lost(Grant::Refresh, Departure::Left, cause), Effect::Transient);
    }
}

#[test]
fn ids_are_ours_or_look_like_ids() {
    let body = json!({"error": "invalid_grant", "trace_id": "5f3a0b6e-0000-4000-8000-000000000001"});
    let refusal = answered(Grant::Refresh, 400, &body);
    assert_eq!(refusal.correlation_id.as_deref(), Some(CORRELATION));
    assert_eq!(
        refusal.trace_id.as_deref(),
        Some("5f3a0b6e-0000-4000-8000-000000000001")
    );
    let odd = answered(
        Grant::Refresh,
        400,
        &json!({"error": "invalid_grant", "trace_id": "user@contoso.example"}),
    );
    assert_eq!(odd.trace_id, None);
}
