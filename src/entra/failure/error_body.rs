//! An error answer of the token endpoint (RFC 6749 §5.2, with Entra ID's additions).

use serde_json::Value;

/// Most codes that are looked at.
const CODES_MAX: usize = 8;

/// Longest identifier that is believed: a GUID has 36 characters.
const ID_LEN: std::ops::RangeInclusive<usize> = 8..=64;

/// What an error answer says, as far as it is used. Its own texts are matched, never shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorBody {
    /// OAuth error, in lower case.
    pub(super) error: String,
    /// Entra ID's refinement, in lower case; empty if absent.
    pub(super) suberror: String,
    /// AADSTS codes, outer first.
    pub(super) codes: Vec<u32>,
    /// Code of Azure AD B2C, if there is none of AADSTS.
    pub(super) b2c: Option<u32>,
    /// Whether a claims challenge came with it (`claims`): what the token lacks is named there.
    pub(super) challenge: bool,
    /// The provider's trace id, if it looks like one.
    pub(super) trace_id: Option<String>,
}

impl ErrorBody {
    /// Reads a body; `None` unless it is a JSON object with a text `error`.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::Deserializer::from_slice(body)
            .into_iter()
            .next()?
            .ok()?;
        let codes = codes(&body);
        Some(Self {
            error: body.get("error")?.as_str()?.to_ascii_lowercase(),
            suberror: text(&body, "suberror").to_ascii_lowercase(),
            b2c: b2c(&body).filter(|_| codes.is_empty()),
            codes,
            challenge: challenge(&body),
            trace_id: guid_like(text(&body, "trace_id")),
        })
    }
}

/// Entra ID writes the challenge as text that holds JSON; `{}` asks for nothing.
fn challenge(body: &Value) -> bool {
    match body.get("claims") {
        Some(Value::String(text)) => !matches!(text.trim(), "" | "{}" | "null"),
        Some(Value::Object(members)) => !members.is_empty(),
        _ => false,
    }
}

/// A text that looks like a GUID; anything else is dropped, for it would be the provider's own text.
pub(in crate::entra) fn guid_like(text: &str) -> Option<String> {
    let well_formed =
        ID_LEN.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    well_formed.then(|| text.to_owned())
}

fn text<'a>(body: &'a Value, field: &str) -> &'a str {
    body.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// `error_codes`, else the number after `AADSTS` in the description: gateways leave the list out.
fn codes(body: &Value) -> Vec<u32> {
    let listed = body.get("error_codes").and_then(Value::as_array);
    let listed: Vec<u32> = listed
        .into_iter()
        .flatten()
        .filter_map(code)
        .take(CODES_MAX)
        .collect();
    if listed.is_empty() {
        described(text(body, "error_description"))
    } else {
        listed
    }
}

fn code(value: &Value) -> Option<u32> {
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())?;
    u32::try_from(number).ok()
}

fn described(description: &str) -> Vec<u32> {
    numbered(description, "AADSTS").take(CODES_MAX).collect()
}

fn b2c(body: &Value) -> Option<u32> {
    numbered(text(body, "error_description"), "AADB2C").next()
}

/// The numbers right after a word.
fn numbered<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = u32> + 't {
    text.split(word).skip(1).filter_map(leading_number)
}

fn leading_number(text: &str) -> Option<u32> {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<ErrorBody> {
        ErrorBody::read(text.as_bytes())
    }

    #[test]
    fn reads_entras_error() {
        let body = read(
            r#"{"error":"invalid_grant","error_description":"AADSTS50076: …","error_codes":[70002,"50126"],
                "trace_id":"5f3a0b6e-0000-4000-8000-000000000001","suberror":"Basic_Action","claims":"{}"}"#,
        )
        .unwrap();
        assert_eq!(
            (body.error.as_str(), body.suberror.as_str()),
            ("invalid_grant", "basic_action")
        );
        assert_eq!(body.codes, [70002, 50126]);
        assert_eq!(
            body.trace_id.as_deref(),
            Some("5f3a0b6e-0000-4000-8000-000000000001")
        );
    }

    #[test]
    fn codes_are_found_in_the_description() {
        let body =
            read(r#"{"error":"x","error_description":"AADSTS70002: a\r\nAADSTS50126: b AADSTS"}"#).unwrap();
        assert_eq!(body.codes, [70002, 50126]);
    }

    #[test]
    fn the_number_of_b2c_counts_where_there_is_none_of_aadsts() {
        let b2c = |description: &str| {
            let body = serde_json::json!({"error": "access_denied", "error_description": description});
            ErrorBody::read(body.to_string().as_bytes()).unwrap().b2c
        };
        assert_eq!(b2c("AADB2C90225: marker\r\nCorrelation ID: 1"), Some(90225));
        assert_eq!(b2c("AADB2C: 90225"), None);
        assert_eq!(b2c("AADB2C99999999999: x"), None);
        assert_eq!(b2c("AADB2C90075: reason AADSTS50126: x"), None);
    }

    #[test]
    fn what_is_no_error_is_not_read() {
        for text in [
            "",
            "<html>",
            "[]",
            "{}",
            r#"{"error":{"code":1}}"#,
            r#"{"error":null}"#,
            "null",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn odd_fields_are_dropped() {
        let body =
            read(r#"{"error":"x","error_codes":[-1,1.5,99999999999,{}],"trace_id":"<b>","suberror":3}"#)
                .unwrap();
        assert_eq!(
            body,
            ErrorBody {
                error: "x".to_owned(),
                ..ErrorBody::default()
            }
        );
    }

    proptest! {
        #[test]
        fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _seen = ErrorBody::read(&bytes);
        }

        #[test]
        fn texts_never_panic(error in ".{0,20}", description in ".{0,60}") {
            let body = serde_json::json!({"error": error, "error_description": description, "error_codes": [description]});
            prop_assert!(ErrorBody::read(body.to_string().as_bytes()).is_some());
        }
    }
}
