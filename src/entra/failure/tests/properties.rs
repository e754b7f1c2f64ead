//! Whatever comes, there is a verdict, and nothing of it is shown.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A value of an error body that holds a secret, a user name or a text of the provider somewhere.
fn foreign() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(vec![
        json!("MARKER"),
        json!("AADSTS50126: MARKER user@contoso.example"),
        json!("invalid_grant MARKER"),
        json!("invalid_grant"),
        json!("consent_required"),
        json!(65001),
        json!("65001MARKER"),
    ]);
    text.prop_recursive(2, 8, 3, |inner| {
        prop::collection::vec(inner, 0..3).prop_map(|values| json!(values))
    })
}

proptest! {
    #[test]
    fn nothing_of_the_answer_comes_through(
        status in 200_u16..600,
        body in prop::collection::btree_map(
            "error|suberror|error_codes|error_description|error_uri|claims|trace_id|correlation_id|timestamp|[a-z]{1,9}",
            foreign(),
            0..9,
        ),
        grant in prop::sample::select(GRANTS.to_vec()),
    ) {
        let refusal = answered(grant, status, &json!(body));
        let shown = format!("{refusal:?}");
        prop_assert!(!shown.contains("MARKER") && !shown.contains("user@"), "{}", shown);
        prop_assert!(refusal.message.len() < 256 && refusal.remedy.len() < 768);
    }

    #[test]
    fn any_bytes_with_any_status_have_a_verdict(
        status in 100_u16..999,
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        grant in prop::sample::select(GRANTS.to_vec()),
    ) {
        let refusal = refused(grant, status, &bytes);
        prop_assert!(grant == Grant::Password || refusal.effect != Effect::Condemned);
        prop_assert!(grant == Grant::Refresh || !matches!(refusal.effect, Effect::Dead | Effect::Suspect | Effect::Unreadable));
    }

    /// 53000 to 53999, and what refines them.
    #[test]
    fn conditional_access_neither_condemns_nor_kills(
        code in prop_oneof![53_000_u32..54_000, 530_000_u32..531_000, 530_000_u32..540_000, 5_300_000_u32..5_400_000],
        outer in prop::option::of(Just(70000_u32)),
        suberror in prop::option::of("bad_token|token_expired|[a-z_]{1,9}"),
        name in "invalid_grant|access_denied|interaction_required|[a-z_]{1,9}",
        grant in prop::sample::select(GRANTS.to_vec()),
    ) {
        let listed: Vec<u32> = outer.into_iter().chain([code]).collect();
        let refusal = answered(grant, 400, &json!({"error": name, "error_codes": listed, "suberror": suberror}));
        prop_assert_eq!(refusal.effect, Effect::Person, "{}", code);
        prop_assert!(matches!(refusal.reason, Reason::BlockedByPolicy | Reason::InteractionRequired));
    }

    #[test]
    fn any_code_with_any_error_has_a_verdict(code in any::<u32>(), name in "[a-z_]{0,20}") {
        for grant in GRANTS {
            let refusal = answered(grant, 400, &codes(&name, &[code]));
            prop_assert_eq!(refusal.code, Some(code));
            prop_assert!(refusal.effect != Effect::Condemned || code == 50126);
        }
    }
}
