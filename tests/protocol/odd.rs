//! Odd answers, by the bytes of them: what a login and a renewal make of each, granted and refused. The table is printed.

use std::fmt::Write as _;
use std::io::Write as _;

use entra_operator::entra::Kind;
use entra_operator::plan::answer::{Effect, Refusal};
use entra_operator::reconcile::ports::Outcome;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::{Value, json};

use crate::client::{Setup, TENANT, refused};
use crate::server::{Act, Server, answer_bytes};

/// What a row must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// Both tokens are taken.
    Taken,
    /// The refresh token is taken, and the entry told as unusable.
    Kept,
    /// Refused with this effect for a login, and that for a renewal.
    Refused(Effect, Effect),
}

/// An answer: how it is called, and its bytes.
struct Odd {
    name: String,
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
    expected: Expected,
}

const LOST: Expected = Expected::Refused(Effect::Unanswered, Effect::Transient);
const WRONG: Expected = Expected::Refused(Effect::Doubtful, Effect::Suspect);

fn odd(
    name: &str,
    status: u16,
    headers: &[(&'static str, &'static str)],
    body: Vec<u8>,
    expected: Expected,
) -> Odd {
    Odd {
        name: name.to_owned(),
        status,
        headers: headers.to_vec(),
        body,
        expected,
    }
}

/// An answer of Entra's with a refresh token.
fn good() -> Value {
    json!({"token_type": "Bearer", "scope": "api://x/access", "expires_in": 4294, "access_token": "marker-access-token",
        "refresh_token": "marker-new-refresh-token"})
}

fn wrong() -> Value {
    json!({"error": "invalid_grant", "error_description": "Ungültig"})
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn utf16(text: &str, mark: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    format!("{mark}{text}").encode_utf16().flat_map(unit).collect()
}

/// A wrapping: how it is called, the header that announces it, and the bytes.
type Wrapping = (&'static str, &'static [(&'static str, &'static str)], Vec<u8>);

const GZIP: &[(&str, &str)] = &[("Content-Encoding", "gzip")];
const DEFLATE: &[(&str, &str)] = &[("Content-Encoding", "deflate")];

/// The text in every wrapping that a server or a gateway may give it.
#[rustfmt::skip]
fn wrapped(text: &str) -> Vec<Wrapping> {
    let plain = text.as_bytes();
    let marked = format!("\u{feff}{text}");
    let latin = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let mut cut = gzip(plain);
    cut.truncate(cut.len() - 8);
    vec![
        ("plain", &[], plain.to_vec()),
        ("gzip, announced", GZIP, gzip(plain)),
        ("gzip as x-gzip", &[("Content-Encoding", "X-GZIP")], gzip(plain)),
        ("gzip, not announced", &[], gzip(plain)),
        ("gzip without its trailer", GZIP, cut),
        ("gzip announced, not done", GZIP, plain.to_vec()),
        ("deflate with a zlib header", DEFLATE, zlib(plain)),
        ("deflate without one", DEFLATE, deflate(plain)),
        ("deflate announced, not done", DEFLATE, plain.to_vec()),
        ("identity", &[("Content-Encoding", "identity")], plain.to_vec()),
        ("byte order mark", &[], marked.clone().into_bytes()),
        ("byte order mark in gzip", GZIP, gzip(marked.as_bytes())),
        ("UTF-16 with a mark, big", &[], utf16(text, "\u{feff}", u16::to_be_bytes)),
        ("UTF-16 with a mark, little", &[], utf16(text, "\u{feff}", u16::to_le_bytes)),
        ("UTF-16LE, declared", &[("Content-Type", "application/json; charset=utf-16le")], utf16(text, "", u16::to_le_bytes)),
        ("UTF-16BE, declared", &[("Content-Type", "application/json; charset=utf-16be")], utf16(text, "", u16::to_be_bytes)),
        ("Latin-1", &[("Content-Type", "application/json; charset=iso-8859-1")], latin),
        ("as text/html", &[("Content-Type", "text/html")], format!("{text}\n").into_bytes()),
        ("white space around", &[], format!("\r\n  {text}\r\n\r\n").into_bytes()),
        ("a NUL after it", &[], format!("{text}\0").into_bytes()),
        ("a comment after it", &[], format!("{text}<!-- proxy -->").into_bytes()),
    ]
}

/// An answer and a refusal in every wrapping.
fn wrappings() -> Vec<Odd> {
    let of = |kind: &'static str, status, text: &str, expected| {
        let bodies = wrapped(text).into_iter();
        bodies
            .map(move |(name, headers, body)| {
                odd(&format!("{kind}: {name}"), status, headers, body, expected)
            })
            .collect::<Vec<_>>()
    };
    let granted = of("granted", 200, &good().to_string(), Expected::Taken);
    let refused = of("refused", 400, &wrong().to_string(), WRONG);
    granted.into_iter().chain(refused).collect()
}

/// Wrappings that are beyond the bounds, and answers that are not whole.
fn unreadable() -> Vec<Odd> {
    let (good, wrong) = (good().to_string().into_bytes(), wrong().to_string().into_bytes());
    let twice = &[("Content-Encoding", "gzip, gzip")];
    let brotli = &[("Content-Encoding", "br")];
    vec![
        odd("granted: gzip twice", 200, twice, gzip(&gzip(&good)), LOST),
        odd("granted: brotli", 200, brotli, vec![0x0b, 0x02, 0x80], LOST),
        odd("granted: a bomb", 200, GZIP, gzip(&vec![b' '; 20_000_000]), LOST),
        odd("granted: cut", 200, &[], good[..60].to_vec(), LOST),
        odd("refused: cut", 400, &[], wrong[..20].to_vec(), LOST),
    ]
}

/// Answers of which one member is odd. A JSON text, because some numbers are not what `json!` writes.
fn members() -> Vec<Odd> {
    use Expected::{Kept, Taken};
    let changed = |member: &str, text: &str| {
        let mut body = good();
        body.as_object_mut().unwrap().remove(member);
        let rest = body.to_string();
        let rest = rest.strip_suffix('}').unwrap();
        format!("{rest},\"{member}\":{text}}}").into_bytes()
    };
    let rows: &[(&str, &str, Expected)] = &[
        ("expires_in", "2592000", Taken),
        ("expires_in", "3599.63", Taken),
        ("expires_in", "3.6e3", Taken),
        ("expires_in", "\"3600\"", Taken),
        ("expires_in", "\" 3600.5 \"", Taken),
        ("expires_in", "null", Taken),
        ("expires_in", "\"soon\"", Taken),
        ("expires_in", "18446744073709551615", Taken),
        ("expires_in", "[3600]", Taken),
        ("expires_in", "0", Kept),
        ("expires_in", "-1", Kept),
        ("expires_in", "0.4", Kept),
        ("expires_on", "\"2100-01-01T00:00:00Z\"", Taken),
        ("expires_on", "4102444800.5", Taken),
        ("expires_on", "1000", Kept),
        ("refresh_in", "\"x\"", Taken),
        ("refresh_token_expires_in", "28800.0", Taken),
        ("refresh_token_expires_in", "{}", Taken),
        ("scope", "[\"a\",\"b\"]", Taken),
        ("scope", "\"\"", Taken),
        ("scope", "7", Taken),
        ("id_token", "\"not.a.token\"", Taken),
        ("id_token", "{}", Taken),
        ("client_info", "17", Taken),
        ("token_type", "\"bearer \"", Taken),
        ("token_type", "\"DPoP\"", Kept),
        ("token_type", "null", Kept),
        ("access_token", "null", Kept),
        ("access_token", "\"\"", Kept),
        ("access_token", "\"a b\"", Kept),
        ("access_token", "{\"raw\":\"x\"}", Kept),
        ("access_token", "\"EwB+/opaque==\"", Taken),
        ("error", "\"\"", Taken),
        ("unknown", "[{\"deep\":[1,2]}]", Taken),
    ];
    let name = |member: &str, text: &str| format!("granted: {member} {text}");
    rows.iter()
        .map(|(member, text, expected)| odd(&name(member, text), 200, &[], changed(member, text), *expected))
        .collect()
}

/// Refusals in shapes that nobody documented, and successes that are none.
#[rustfmt::skip]
fn refusals() -> Vec<Odd> {
    let said = |value: Value| value.to_string().into_bytes();
    let person = Expected::Refused(Effect::Person, Effect::Person);
    let dead = Expected::Refused(Effect::Person, Effect::Dead);
    let invalid = |member: &str, value: Value| said(json!({"error": "invalid_grant", member: value}));
    vec![
        odd("refused: with status 200", 200, &[], said(wrong()), WRONG),
        odd("refused: with status 401", 401, &[], said(wrong()), WRONG),
        odd("refused: with status 403", 403, &[], said(wrong()), WRONG),
        odd("refused: codes as text", 400, &[], invalid("error_codes", json!([" 50034 "])), person),
        odd("refused: error in capitals", 400, &[], said(json!({"error": "INVALID_GRANT"})), WRONG),
        odd("refused: code in the text only", 400, &[], invalid("error_description", json!("AADSTS700082: x")), dead),
        odd("refused: a claims challenge", 400, &[], invalid("claims", json!("{\"access_token\":{}}")), person),
        odd("refused: token protection", 400, &[], invalid("error_codes", json!([530_084])), person),
        odd("refused: a required action", 400, &[], invalid("error_description", json!("Account is not fully set up")), WRONG),
        odd("granted: no token at all", 200, &[], said(json!({"token_type": "Bearer", "expires_in": 60})), LOST),
        odd("granted: an access token of no life alone", 200, &[], said(json!({"token_type": "Bearer", "expires_in": 0, "access_token": "a"})), LOST),
        odd("granted: an array", 200, &[], said(json!([good()])), LOST),
        odd("granted: 201", 201, &[], said(good()), LOST),
        odd("refused: a page with status 400", 400, &[], b"<html>blocked</html>".to_vec(), LOST),
    ]
}

fn all() -> Vec<Odd> {
    let groups = [wrappings(), unreadable(), members(), refusals()];
    groups.into_iter().flatten().collect()
}

/// What a sign-in or a renewal made of it: effect and reason, or the tokens.
fn shown(outcome: Outcome) -> (Option<Refusal>, bool, bool) {
    match outcome {
        Outcome::Granted(tokens) => {
            let kept = tokens
                .refresh_token
                .is_some_and(|t| t.expose() == "marker-new-refresh-token");
            let published = !tokens.access_token.expose().is_empty();
            (tokens.granted.unusable.map(|refusal| *refusal), kept, published)
        }
        other @ (Outcome::Refused(_) | Outcome::Later(_)) => (Some(refused(other)), false, false),
    }
}

async fn tried(odd: &Odd, login: bool) -> (Option<Refusal>, bool, bool) {
    let act = Act::Answer(answer_bytes(odd.status, &odd.headers, &odd.body));
    let server = Server::start([act]).await;
    let setup = Setup::of_kind(
        Kind::Entra,
        &format!("https://{}", server.host()),
        &server.ca_pem,
        Some(TENANT),
    );
    let outcome = if login {
        setup.login().await
    } else {
        setup.redeem().await
    };
    assert_eq!(server.journal().len(), 1, "{}: sent once", odd.name);
    shown(outcome)
}

fn check(odd: &Odd, login: bool, (refusal, kept, published): &(Option<Refusal>, bool, bool)) {
    let at = format!("{} login={login}: {refusal:?}", odd.name);
    match odd.expected {
        Expected::Taken => assert!(refusal.is_none() && *kept && *published, "{at}"),
        Expected::Kept => assert!(refusal.is_some() && *kept && !published, "{at}"),
        Expected::Refused(at_login, at_renewal) => {
            assert!(!kept && !published, "{at}");
            let effect = refusal.as_ref().map(|r| r.effect);
            assert_eq!(effect, Some(if login { at_login } else { at_renewal }), "{at}");
        }
    }
    let text = format!("{refusal:?}");
    assert!(!text.contains("marker") && !text.contains("Ungültig"), "{text}");
}

fn line(odd: &Odd, [login, renewal]: &[(Option<Refusal>, bool, bool); 2]) -> String {
    let told = |(refusal, kept, _): &(Option<Refusal>, bool, bool)| match (refusal, kept) {
        (None, _) => "taken".to_owned(),
        (Some(refusal), true) => format!("session kept, {}", refusal.reason.as_ref()),
        (Some(refusal), false) => format!("{:?}, {}", refusal.effect, refusal.reason.as_ref()),
    };
    format!("{:<46} {:<36} {}\n", odd.name, told(login), told(renewal))
}

#[tokio::test]
async fn every_odd_answer_is_judged() {
    let mut text = format!("\n{:<46} {:<36} {}\n", "odd answer", "login", "renewal");
    let odds = all();
    for odd in &odds {
        let seen = [tried(odd, true).await, tried(odd, false).await];
        check(odd, true, &seen[0]);
        check(odd, false, &seen[1]);
        text.push_str(&line(odd, &seen));
    }
    let mut bytes: Vec<_> = odds
        .iter()
        .map(|odd| (odd.status, &odd.headers, &odd.body))
        .collect();
    bytes.sort();
    bytes.dedup();
    assert!(
        bytes.len() == odds.len() && odds.len() >= 60,
        "rows differ in their bytes"
    );
    writeln!(text, "rows: {} x 2 grants, each sent once", odds.len()).unwrap();
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}
