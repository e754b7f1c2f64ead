//! What the fuzz targets in `fuzz/` call: the parsers of answers, as bytes meet them, and what must hold of the outcome.
//!
//! Only built with `--cfg fuzzing`. One function and one target for each parser.

use zeroize::Zeroizing;

use super::Grant;
use super::authority::{Authorities, Authority};
use super::clock::{Started, Timing};
use super::failure::Attempt;
use super::federation::TEXT_MAX;
use super::realm::{self, AccountRealm};
use super::response::{self, Asked};
use super::wire::Reply;
use super::wstrust::{self, Answer, Version};
use crate::plan::Time;
use crate::plan::answer::{Effect, Refusal};
use crate::plan::snapshot::Binding;

/// A success of the token endpoint.
///
/// # Panics
///
/// If a token that was accepted has no life left or cannot stand in a header.
pub fn token(body: &[u8]) {
    let started = Started {
        at: Time(1_700_000_000),
        answered_at: Time(1_700_000_001),
    };
    let asked = Asked {
        scopes: &[],
        client_info: true,
    };
    if let Ok((tokens, odd)) = response::read(body, started, asked) {
        assert_eq!(
            odd.is_none(),
            tokens.granted.expires_at > tokens.granted.issued_at && !tokens.access_token.expose().is_empty()
        );
        assert!(odd.is_none() || tokens.refresh_token.is_some());
        assert!(
            tokens
                .access_token
                .expose()
                .bytes()
                .all(|byte| byte.is_ascii_graphic())
        );
    }
}

/// An answer of the realm service.
///
/// # Panics
///
/// If more of a federation server is believed than an address has.
pub fn realm(body: &[u8]) {
    let Some(authority) = entra() else { return };
    if let Some(AccountRealm::Federated(server)) = realm::read(&authority, body) {
        let texts = [server.metadata, server.active, Some(server.audience)];
        assert!(texts.iter().flatten().all(|text| text.len() <= TEXT_MAX));
    }
}

/// Metadata of a federation server.
///
/// # Panics
///
/// If an endpoint without an address is found.
pub fn metadata(body: &[u8]) {
    if let Ok(endpoints) = wstrust::endpoints(body) {
        assert!(!endpoints.is_empty());
        assert!(endpoints.iter().all(|endpoint| !endpoint.address.is_empty()));
    }
}

/// An answer of a federation server, read as both versions.
///
/// # Panics
///
/// If an assertion is longer than its answer could make it, or redeemed by a grant that takes none.
pub fn assertion(body: &[u8]) {
    for version in [Version::V13, Version::V2005] {
        if let Answer::Issued(assertion) = wstrust::read(body, version) {
            assert!(matches!(assertion.grant, Grant::Saml11 | Grant::Saml20));
            assert!(assertion.bytes().len() <= body.len().saturating_mul(3));
        }
    }
}

/// A refusal: two bytes of status, one of grant, the body.
///
/// # Panics
///
/// If the refusal has an effect that its grant cannot have, or shows a text that is not ours.
pub fn refusal(answer: &[u8]) {
    let Some(([high, low, grant], body)) = answer.split_first_chunk() else {
        return;
    };
    let grant = match grant % 3 {
        0 => Grant::Password,
        1 => Grant::Refresh,
        _ => Grant::Discovery,
    };
    let status = 200 + u16::from_be_bytes([*high, *low]) % 400;
    let Some(Refusal {
        effect,
        message,
        remedy,
        ..
    }) = refused(grant, status, body)
    else {
        return;
    };
    assert!(
        grant == Grant::Password
            || !matches!(effect, Effect::Condemned | Effect::Doubtful | Effect::Unanswered)
    );
    assert!(
        grant == Grant::Refresh || !matches!(effect, Effect::Dead | Effect::Suspect | Effect::Unreadable)
    );
    assert!(message.is_ascii() && message.len() < 256);
    assert!(remedy.is_ascii() && remedy.len() < 768);
}

/// Entra's worldwide cloud.
fn entra() -> Option<Authority> {
    Authorities::default()
        .bound(None, "login.microsoftonline.com")
        .ok()
}

fn refused(grant: Grant, status: u16, body: &[u8]) -> Option<Refusal> {
    let authority = entra()?;
    let binding = Binding {
        authority: authority.host(),
        tenant: "contoso.example".to_owned(),
        client_id: "3f0c1a52-0000-4000-8000-000000000001".to_owned(),
    };
    let reply = Reply {
        status,
        timing: Timing {
            start: Time(0),
            end: Time(1),
            date: None,
        },
        retry_after: None,
        trace_id: None,
        body: Some(Zeroizing::new(body.to_vec())),
    };
    let attempt = Attempt::new(
        grant,
        &authority,
        &binding,
        "0b8c2f7e-1c9d-4b7e-9d57-0d6a3c7a1f00",
    );
    Some(attempt.refused(&reply))
}
