//! Digits as the bytes that they stand for, in JSON.
//!
//! Hashes, uids and moments are most of what does not compress, and half of that is their being written in digits. JSON holds no
//! control characters, so that one of them can stand before what was shortened. Everything else stays as it is.

use jiff::Timestamp;
use memchr::memchr3;
use uuid::Uuid;

/// Before the number of bytes and the bytes, each of which is two hexadecimal digits.
const HEX: u8 = 0x01;

/// Before the 16 bytes of a UUID.
const UUID: u8 = 0x02;

/// Before the four bytes of a moment, in seconds of Unix time.
const MOMENT: u8 = 0x03;

/// Digits of a byte.
const PAIR: usize = "ff".len();

/// Fewer digits are hardly worth their mark.
const HEX_MIN: usize = "01234567".len();

const HEX_MAX: usize = PAIR * u8::MAX as usize;

const UUID_TEXT: usize = uuid::fmt::Hyphenated::LENGTH;

const MOMENT_TEXT: usize = "2026-11-25T18:14:03Z".len();

/// Digits that a moment begins with.
const YEAR: usize = "2026".len();

/// What is left of a text, once its beginning was dealt with.
type Rest<'a> = Option<&'a [u8]>;

/// Shortens JSON.
pub(super) fn shorten(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let mut rest = json;
    while let Some((before, digits)) = next_digits(rest) {
        let (plain, text) = rest.split_at(before);
        out.extend_from_slice(plain);
        rest = match digits {
            YEAR => shorten_moment(text, &mut out),
            HEX_MIN.. => shorten_uuid(text, &mut out).or_else(|| shorten_hex(text, digits, &mut out)),
            _ => None,
        }
        .unwrap_or_else(|| {
            let (digits, rest) = text.split_at(digits);
            out.extend_from_slice(digits);
            rest
        });
    }
    out.extend_from_slice(rest);
    out
}

/// What stands before the next digits, and how many they are, if there are enough of them for anything.
fn next_digits(text: &[u8]) -> Option<(usize, usize)> {
    let is_digit = |c: &u8| digit(*c).is_some();
    let mut before: usize = 0;
    loop {
        let (first, more) = text.get(before..)?.split_first_chunk::<YEAR>()?;
        // From the end: what is no digit there spares a look at the others.
        let Some(other) = first.iter().rposition(|c| !is_digit(c)) else {
            let more = more.iter().take_while(|c| is_digit(c)).count();
            return Some((before, YEAR.saturating_add(more)));
        };
        before = before.saturating_add(other).saturating_add(1);
    }
}

/// The JSON that was shortened.
pub(super) fn restore(short: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(PAIR * short.len());
    let mut rest = short;
    loop {
        let mark = memchr3(HEX, UUID, MOMENT, rest);
        let (plain, marked) = rest.split_at(mark.unwrap_or(rest.len()));
        out.extend_from_slice(plain);
        let Some((mark, after)) = marked.split_first() else {
            return Some(out);
        };
        rest = match *mark {
            HEX => restore_hex(after, &mut out)?,
            UUID => restore_uuid(after, &mut out)?,
            _ => restore_moment(after, &mut out)?,
        };
    }
}

fn shorten_uuid<'a>(text: &'a [u8], out: &mut Vec<u8>) -> Rest<'a> {
    let (text, rest) = text.split_at_checked(UUID_TEXT)?;
    let uuid = Uuid::try_parse_ascii(text).ok()?;
    let same = uuid.hyphenated().encode_lower(&mut [0; UUID_TEXT]).as_bytes() == text;
    same.then(|| {
        out.push(UUID);
        out.extend(uuid.as_bytes());
        rest
    })
}

fn restore_uuid<'a>(short: &'a [u8], out: &mut Vec<u8>) -> Rest<'a> {
    let (bytes, rest) = short.split_first_chunk()?;
    let uuid = Uuid::from_bytes(*bytes).hyphenated();
    out.extend(uuid.encode_lower(&mut [0; UUID_TEXT]).as_bytes());
    Some(rest)
}

fn shorten_moment<'a>(text: &'a [u8], out: &mut Vec<u8>) -> Rest<'a> {
    let (text, rest) = text.split_at_checked(MOMENT_TEXT)?;
    let text = str::from_utf8(text).ok().filter(|text| text.ends_with('Z'))?;
    let moment: Timestamp = text.parse().ok()?;
    let seconds = u32::try_from(moment.as_second()).ok()?;
    (moment.to_string() == text).then(|| {
        out.push(MOMENT);
        out.extend(seconds.to_be_bytes());
        rest
    })
}

fn restore_moment<'a>(short: &'a [u8], out: &mut Vec<u8>) -> Rest<'a> {
    let (bytes, rest) = short.split_first_chunk()?;
    let moment = Timestamp::from_second(u32::from_be_bytes(*bytes).into()).ok()?;
    out.extend(moment.to_string().into_bytes());
    Some(rest)
}

fn shorten_hex<'a>(text: &'a [u8], digits: usize, out: &mut Vec<u8>) -> Rest<'a> {
    let digits = digits.min(HEX_MAX);
    let (text, rest) = text.split_at_checked(digits - digits % PAIR)?;
    let (pairs, _) = text.as_chunks::<PAIR>();
    out.push(HEX);
    out.push(u8::try_from(pairs.len()).ok()?);
    out.extend(
        pairs
            .iter()
            .filter_map(|[high, low]| Some(digit(*high)? << 0x4 | digit(*low)?)),
    );
    Some(rest)
}

fn restore_hex<'a>(short: &'a [u8], out: &mut Vec<u8>) -> Rest<'a> {
    let (length, rest) = short.split_first()?;
    let (bytes, rest) = rest.split_at_checked(usize::from(*length))?;
    let digits = bytes.iter().flat_map(|byte| [byte >> 0x4, byte & 0xF]);
    out.extend(digits.filter_map(|digit| b"0123456789abcdef".get(usize::from(digit))));
    Some(rest)
}

/// What a lower-case hexadecimal digit stands for.
const fn digit(c: u8) -> Option<u8> {
    match c {
        b'a'..=b'f' => Some(c - b'a' + 0xA),
        _ if c.is_ascii_digit() => Some(c - b'0'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UID: &str = "5d2b7c1e-93c4-4c0e-9d2b-2f6d1c9a7e10";

    fn length(text: &str) -> usize {
        let short = shorten(text.as_bytes());
        assert_eq!(restore(&short).as_deref(), Some(text.as_bytes()));
        short.len()
    }

    #[test]
    fn digits_take_a_byte_for_two() {
        assert_eq!(length(&format!("\"{UID}\"")), 2 + 17);
        assert_eq!(length("\"2026-11-25T18:14:03Z\""), 2 + 5);
        assert_eq!(length("\"9e3779b97f4a7c15f39cc0605cedc835\""), 2 + 18);
        assert_eq!(length("9e3779b97f4a7c15f"), 2 + 8 + 1);
    }

    #[test]
    fn what_would_not_come_back_stays() {
        for text in [
            UID.to_uppercase().as_str(),
            "2026-11-25t18:14:03z",
            "1926-11-25T18:14:03Z",
            "2026-02-30T18:14:03Z",
            "2016-12-31T23:59:60Z",
            "2026-11-25 18:14:03Z",
        ] {
            assert_eq!(length(text), text.len(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_shortened_comes_back(
            parts in prop::collection::vec(
                prop_oneof![
                    "[ -~]{0,30}", "[0-9a-fA-F]{0,600}", "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
                    "[0-2][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]Z", "\\PC{0,20}",
                ],
                0..8,
            )
        ) {
            let text = parts.concat();
            prop_assert_eq!(restore(&shorten(text.as_bytes())), Some(text.into_bytes()));
        }

        #[test]
        fn anything_may_be_restored(short: Vec<u8>) {
            restore(&short);
        }
    }
}
