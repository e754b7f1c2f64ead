//! What the fuzz targets in `fuzz/` call: the parsers of answers, as bytes meet them, and what must hold of the outcome.
//!
//! Only built with `--cfg fuzzing`. Federation (realm, metadata exchange, WS-Trust) adds its parsers here, one function
//! and one target each.

use zeroize::Zeroizing;

use super::authority::Authorities;
use super::clock::Started;
use super::failure::Attempt;
use super::wire::Reply;
use super::{Grant, response};
use crate::plan::Time;
use crate::plan::answer::{Effect, Refusal};
use crate::plan::snapshot::Binding;

/// A success of the token endpoint.
///
/// # Panics
///
/// If a token that was accepted has no life left or cannot stand in a header.
pub fn token(body: &[u8]) {
    let started = Started::new(Time(1_700_000_000), Time(1_700_000_001), None);
    if let Ok(tokens) = response::read(body, started, &[]) {
        assert!(tokens.granted.expires_at > tokens.granted.issued_at);
        assert!(
            tokens
                .access_token
                .expose()
                .bytes()
                .all(|byte| byte.is_ascii_graphic())
        );
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
    assert!(grant == Grant::Password || !matches!(effect, Effect::Condemned | Effect::Unanswered));
    assert!(grant == Grant::Refresh || !matches!(effect, Effect::Dead | Effect::Suspect));
    assert!(message.is_ascii() && message.len() < 256);
    assert!(remedy.is_ascii() && remedy.len() < 768);
}

fn refused(grant: Grant, status: u16, body: &[u8]) -> Option<Refusal> {
    let authority = Authorities::default()
        .bound("any", None, "login.microsoftonline.com")
        .ok()?;
    let binding = Binding {
        authority: authority.host(),
        tenant: "contoso.example".to_owned(),
        client_id: "3f0c1a52-0000-4000-8000-000000000001".to_owned(),
    };
    let reply = Reply {
        status,
        started: Started::new(Time(0), Time(1), None),
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
