//! What is read, what stands in, and what is told as odd.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const STARTED: Started = Started {
    at: Time(1000),
    answered_at: Time(1002),
};

fn good() -> Value {
    json!({"token_type": "Bearer", "scope": "api://x/access email openid profile", "expires_in": 4294,
        "ext_expires_in": 4294, "access_token": "eyJ0.e-_.x", "refresh_token": "1.AXoA", "unknown": [1]})
}

fn with(field: &str, value: Value) -> Value {
    let mut body = good();
    body[field] = value;
    body
}

fn parse(body: &Value) -> Result<(Tokens, Option<Odd>), Odd> {
    let scopes = ["asked".to_owned()];
    let asked = Asked {
        scopes: &scopes,
        client_info: false,
    };
    read(body.to_string().as_bytes(), STARTED, asked)
}

/// Tokens of which nothing is odd.
fn tokens(body: &Value) -> Tokens {
    let (tokens, odd) = parse(body).unwrap();
    assert_eq!(odd, None, "{body}");
    tokens
}

fn odd(body: &Value) -> Option<Odd> {
    parse(body).unwrap().1
}

fn life(body: &Value) -> i64 {
    tokens(body).granted.expires_at.since(Time(1000))
}

#[test]
fn reads_entras_answer() {
    let tokens = tokens(&good());
    assert_eq!(tokens.granted.issued_at, Time(1000));
    assert_eq!(tokens.granted.expires_at, Time(5294));
    assert_eq!(tokens.granted.answered_at, Time(1002));
    assert_eq!(
        tokens.granted.scopes,
        ["api://x/access", "email", "openid", "profile"]
    );
    assert!(tokens.granted.has_refresh_token && tokens.granted.refresh_at.is_none());
    assert_eq!(tokens.access_token.expose(), "eyJ0.e-_.x");
    assert_eq!(tokens.refresh_token.unwrap().expose(), "1.AXoA");
}

#[test]
fn numbers_come_in_every_form() {
    for (written, seconds) in [
        (json!("3600"), 3600),
        (json!(" 1800 "), 1800),
        (json!(3599.63), 3599),
        (json!("3599.63"), 3599),
        (json!(3.6e3), 3600),
        (json!("3.6E+3"), 3600),
        (json!("+900"), 900),
    ] {
        assert_eq!(life(&with("expires_in", written.clone())), seconds, "{written}");
        let granted = tokens(&with("refresh_token_expires_in", written.clone())).granted;
        assert_eq!(granted.refresh_token_life, Some(seconds), "{written}");
        let refresh_at = tokens(&with("refresh_in", written)).granted.refresh_at;
        assert_eq!(refresh_at, Some(Time(1000 + seconds)));
    }
    for none in [json!(0), json!(-1), json!("x"), json!(null)] {
        assert_eq!(
            tokens(&with("refresh_token_expires_in", none))
                .granted
                .refresh_token_life,
            None
        );
    }
}

fn token_until(exp: &Value) -> Value {
    use base64::Engine as _;
    let claims = json!({"exp": exp}).to_string();
    let payload = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(claims);
    with("access_token", json!(format!("e30.{payload}.sig")))
}

#[test]
fn the_shortest_life_counts() {
    for (field, value, seconds) in [
        ("expires_on", json!("1900"), 900),
        ("expires_on", json!(9000), 4294),
        ("expires_on", json!("1970-01-01T00:20:00Z"), 200),
        ("expires_on", json!("tomorrow"), 4294),
        ("expires_in", json!(60), 60),
    ] {
        assert_eq!(life(&with(field, value)), seconds, "{field}");
    }
    assert_eq!(life(&token_until(&json!(1300))), 300);
    assert_eq!(life(&token_until(&json!(1300.5))), 300);
    assert_eq!(life(&token_until(&json!("soon"))), 4294);
    let mut over = token_until(&json!(999));
    assert_eq!(odd(&over), Some(Odd::Life));
    over["refresh_token"] = json!(null);
    assert_eq!(parse(&over).unwrap_err(), Odd::Life);
}

#[test]
fn a_life_that_is_not_told_is_short_and_an_absurd_one_is_bounded() {
    for untold in [
        json!("soon"),
        json!(null),
        json!([]),
        json!({"a": 1}),
        json!(true),
    ] {
        assert_eq!(life(&with("expires_in", untold)), 600);
    }
    for absurd in [
        json!(30 * 86400),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1e300),
        json!("1e300"),
    ] {
        assert_eq!(life(&with("expires_in", absurd)), 48 * 3600);
    }
    for over in [json!(0), json!(-5), json!(0.9), json!("-1e9"), json!(i64::MIN)] {
        assert_eq!(odd(&with("expires_in", over)), Some(Odd::Life));
    }
    assert_eq!(life(&with("expires_in", json!(1))), 1);
}

#[test]
fn an_odd_refresh_in_is_ignored() {
    for odd in [
        json!("x"),
        json!(-1),
        json!(0),
        json!(9999),
        json!({}),
        json!(null),
    ] {
        assert_eq!(tokens(&with("refresh_in", odd)).granted.refresh_at, None);
    }
}

#[test]
fn scopes_come_in_several_shapes() {
    let scopes = |value| tokens(&with("scope", value)).granted.scopes;
    for untold in [json!(null), json!(""), json!([]), json!(7)] {
        assert_eq!(scopes(untold), ["asked"]);
    }
    assert_eq!(scopes(json!(["a", "b", 3, "c d"])), ["a", "b"]);
}

#[test]
fn only_bearer_tokens_are_taken() {
    for bearer in ["bearer", "BEARER", " Bearer "] {
        assert_eq!(odd(&with("token_type", json!(bearer))), None);
    }
    for other in [json!("pop"), json!(null), json!(""), json!(["Bearer"])] {
        assert_eq!(odd(&with("token_type", other)), Some(Odd::TokenType));
    }
}

#[test]
fn an_access_token_must_fit_into_a_header() {
    for bad in [
        json!(""),
        json!("a b"),
        json!("a\r\nX: y"),
        json!("\u{e4}"),
        json!(null),
        json!({}),
    ] {
        let mut body = with("access_token", bad);
        let (tokens, odd) = parse(&body).unwrap();
        assert_eq!(odd, Some(Odd::AccessToken));
        assert!(tokens.access_token.expose().is_empty());
        assert_eq!(tokens.refresh_token.unwrap().expose(), "1.AXoA");
        body["refresh_token"] = json!(null);
        assert_eq!(parse(&body).unwrap_err(), Odd::AccessToken);
    }
    assert_eq!(odd(&with("access_token", json!("EwB+/a=="))), None);
}

#[test]
fn what_follows_the_answer_costs_nothing() {
    let asked = Asked {
        scopes: &[],
        client_info: false,
    };
    for appended in ["\0", "\r\n\r\n", "<!-- proxy -->", "{}"] {
        let body = format!("{}{appended}", good());
        assert!(read(body.as_bytes(), STARTED, asked).is_ok(), "{appended:?}");
    }
    let cut = good().to_string();
    assert_eq!(
        read(cut.split_at(60).0.as_bytes(), STARTED, asked).unwrap_err(),
        Odd::Shape
    );
}

#[test]
fn client_info_is_believed_only_where_it_was_asked_for() {
    let body = with("client_info", json!("eyJ1aWQiOiJ1IiwidXRpZCI6InQifQ")).to_string();
    let account = |client_info| {
        let asked = Asked {
            scopes: &[],
            client_info,
        };
        read(body.as_bytes(), STARTED, asked).unwrap().0.granted.account
    };
    assert_eq!(account(true).unwrap().home_account_id, "u.t");
    assert_eq!(account(false), None);
}

#[test]
fn a_missing_refresh_token_is_said() {
    let tokens = tokens(&with("refresh_token", json!(null)));
    assert!(tokens.refresh_token.is_none() && !tokens.granted.has_refresh_token);
}

#[test]
fn debug_of_tokens_shows_no_token() {
    let shown = format!("{:?}", parse(&good()).unwrap());
    assert!(!shown.contains("eyJ0") && !shown.contains("AXoA"), "{shown}");
}

proptest! {
    #[test]
    fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let asked = Asked { scopes: &[], client_info: true };
        let _seen = read(&bytes, STARTED, asked);
    }

    /// Whatever is odd: the refresh token is kept, and a token that is published has a life within bounds.
    #[test]
    fn a_refresh_token_is_never_thrown_away(
        field in "token_type|scope|expires_in|expires_on|refresh_in|id_token|client_info|access_token|refresh_token_expires_in",
        text in ".{0,30}", number in any::<i64>(), real in any::<f64>(),
    ) {
        for value in [json!(text), json!(number), json!(real), json!([text]), json!({"a": number})] {
            let (tokens, odd) = parse(&with(&field, value)).unwrap();
            prop_assert!(tokens.refresh_token.is_some_and(|t| t.expose() == "1.AXoA"));
            let life = tokens.granted.expires_at.since(tokens.granted.issued_at);
            prop_assert!((0..=48 * 3600).contains(&life) && (odd.is_some() || life > 0));
        }
    }
}
