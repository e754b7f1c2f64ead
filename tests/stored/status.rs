//! The status of credentials.

use crate::form::each;

#[test]
fn a_status_is_read_whole() {
    each(|form, known, credential| {
        let status = credential.status.clone().unwrap_or_default();
        // Interrupted: it never got one.
        if known.in_flight {
            return;
        }
        let what = format!("{} {}", form.name, known.name);
        let said = |kind: &str| {
            let condition = status.conditions.iter().find(|c| c.type_ == kind);
            condition
                .unwrap_or_else(|| panic!("{what}: no {kind}"))
                .status
                .clone()
        };
        let verdict = status.login.as_ref().and_then(|login| login.verdict.clone());
        assert_eq!(
            verdict.as_deref(),
            known.contents.last().map(|typed| &*typed.verdict),
            "{what}"
        );
        assert_eq!(
            said("LoggedIn") == "True",
            known.signed_in && !known.dead,
            "{what}"
        );
        assert_eq!(status.account.is_some(), known.signed_in, "{what}");
        let kept = known.contents.last().is_some_and(|typed| typed.verdict == "Kept");
        assert_eq!(
            status.failure.is_some(),
            kept || known.dead || failed(&known.name),
            "{what}"
        );
        if known.signed_in {
            assert_eq!(status.tokens.len(), credential.spec.tokens.len(), "{what}");
            assert!(
                status
                    .refresh_token
                    .is_some_and(|token| token.issued_at.is_some()),
                "{what}"
            );
        }
    });
}

fn failed(name: &str) -> bool {
    ["condemned", "unknown", "waiting", "later-condemned"].contains(&name)
}
