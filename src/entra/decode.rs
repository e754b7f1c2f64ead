//! The text of an answer as it was written: out of its content coding (RFC 9110 §8.4) and in UTF-8.
//!
//! Gateways compress what nobody asked them to compress, servers of Microsoft's write byte order marks and UTF-16, and
//! some say one charset and write another. What an answer holds must not be lost by that: it may be the only refresh
//! token, or the only word about a wrong password.

use std::io::Read;

use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use zeroize::Zeroizing;

use super::wire::BODY_MAX;

/// First bytes of a gzip member (RFC 1952 §2.3.1): no JSON and no XML begins so.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Byte order mark in UTF-8 (RFC 3629 §6).
const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// The content coding that an answer announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// None.
    Plain,
    /// RFC 1952.
    Gzip,
    /// RFC 1950; some send RFC 1951 under the same name.
    Deflate,
    /// Another one, or more than one: a chain is a bomb's favourite dress.
    Unknown,
}

impl Coding {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(CONTENT_ENCODING).into_iter();
        let mut names = values
            .flat_map(|value| value.to_str().unwrap_or("?").split(','))
            .map(|name| name.trim().to_ascii_lowercase())
            .filter(|name| !name.is_empty() && name != "identity");
        match (names.next().as_deref(), names.next()) {
            (None, _) => Self::Plain,
            (Some("gzip" | "x-gzip"), None) => Self::Gzip,
            (Some("deflate"), None) => Self::Deflate,
            _ => Self::Unknown,
        }
    }
}

/// The text in UTF-8; `None` if it is longer than [`BODY_MAX`] or its coding is not known.
pub(super) fn text(coding: Coding, body: Zeroizing<Vec<u8>>) -> Option<Zeroizing<Vec<u8>>> {
    unpacked(coding, body)
        .map(in_utf8)
        .filter(|text| text.len() <= BODY_MAX)
}

fn unpacked(coding: Coding, body: Zeroizing<Vec<u8>>) -> Option<Zeroizing<Vec<u8>>> {
    match coding {
        Coding::Unknown => None,
        Coding::Plain | Coding::Gzip | Coding::Deflate if body.starts_with(&GZIP_MAGIC) => {
            inflated(GzDecoder::new(body.as_slice()))
        }
        Coding::Deflate if !is_open(&body) => deflated(&body),
        // Announced, and not done: some gateways undo the coding and leave the header.
        Coding::Plain | Coding::Gzip | Coding::Deflate => Some(body),
    }
}

/// Begins as JSON or XML does.
fn is_open(body: &[u8]) -> bool {
    matches!(body.first(), Some(b'{' | b'<' | b' ' | b'\r' | b'\n'))
}

/// Both forms of the coding.
fn deflated(body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let wrapped = inflated(ZlibDecoder::new(body))?;
    if wrapped.is_empty() {
        inflated(DeflateDecoder::new(body))
    } else {
        Some(wrapped)
    }
}

/// What comes out, up to the end or the first fault: whether something is missing, the parser of it decides. `None` if it
/// is too long.
fn inflated(decoder: impl Read) -> Option<Zeroizing<Vec<u8>>> {
    let most = BODY_MAX.saturating_add(1);
    let mut out = Zeroizing::new(Vec::with_capacity(most));
    let whole = decoder.take(most as u64).read_to_end(&mut out).is_ok();
    if !whole {
        tracing::debug!("the content coding of an answer is damaged");
    }
    (out.len() <= BODY_MAX).then_some(out)
}

/// UTF-8 without a byte order mark. JSON and XML begin with an ASCII character, so a NUL among the first two bytes tells
/// UTF-16 and its order, declared or not (RFC 4627 §3). What is no UTF-8 either is taken for Latin-1, in which each byte
/// is a character.
fn in_utf8(bytes: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    match bytes.as_slice() {
        [0xfe, 0xff, rest @ ..] => from_utf16(rest, u16::from_be_bytes),
        [0xff, 0xfe, rest @ ..] => from_utf16(rest, u16::from_le_bytes),
        [0, ..] => from_utf16(&bytes, u16::from_be_bytes),
        [_, 0, ..] => from_utf16(&bytes, u16::from_le_bytes),
        _ => from_bytes(bytes),
    }
}

fn from_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Zeroizing<Vec<u8>> {
    let (pairs, _) = bytes.as_chunks::<2>();
    let units = pairs.iter().copied().map(unit);
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().saturating_mul(2)));
    text.extend(char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)));
    Zeroizing::new(std::mem::take(&mut *text).into_bytes())
}

fn from_bytes(mut bytes: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    if bytes.starts_with(&MARK) {
        bytes.drain(..MARK.len());
    }
    if std::str::from_utf8(&bytes).is_ok() {
        return bytes;
    }
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().saturating_mul(2)));
    text.extend(bytes.iter().copied().map(char::from));
    Zeroizing::new(std::mem::take(&mut *text).into_bytes())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    use super::*;

    const TEXT: &str = r#"{"refresh_token":"r"}"#;

    fn read(coding: Coding, bytes: &[u8]) -> Option<String> {
        let text = text(coding, Zeroizing::new(bytes.to_vec()))?;
        Some(String::from_utf8(text.to_vec()).unwrap())
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn coding(values: &[&str]) -> Coding {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_ENCODING, HeaderValue::from_str(value).unwrap());
        }
        Coding::of(&headers)
    }

    #[test]
    fn one_coding_is_taken() {
        assert_eq!(
            (coding(&[]), coding(&["identity", ""])),
            (Coding::Plain, Coding::Plain)
        );
        assert_eq!(
            (coding(&["GZIP"]), coding(&["x-gzip"])),
            (Coding::Gzip, Coding::Gzip)
        );
        assert_eq!(coding(&["identity, deflate"]), Coding::Deflate);
        for other in [&["br"][..], &["gzip, gzip"], &["gzip", "deflate"]] {
            assert_eq!(coding(other), Coding::Unknown, "{other:?}");
        }
    }

    #[test]
    fn codings_are_undone_announced_or_not() {
        for coding in [Coding::Gzip, Coding::Plain, Coding::Deflate] {
            assert_eq!(read(coding, &gzip(TEXT.as_bytes())).as_deref(), Some(TEXT));
        }
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(TEXT.as_bytes()).unwrap();
        assert_eq!(
            read(Coding::Deflate, &zlib.finish().unwrap()).as_deref(),
            Some(TEXT)
        );
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::default());
        bare.write_all(TEXT.as_bytes()).unwrap();
        assert_eq!(
            read(Coding::Deflate, &bare.finish().unwrap()).as_deref(),
            Some(TEXT)
        );
        for coding in [Coding::Plain, Coding::Gzip, Coding::Deflate] {
            assert_eq!(read(coding, TEXT.as_bytes()).as_deref(), Some(TEXT), "{coding:?}");
        }
        assert_eq!(read(Coding::Unknown, TEXT.as_bytes()), None);
    }

    #[test]
    fn a_bomb_is_too_long() {
        let bomb = gzip(&vec![b' '; 50_000_000]);
        assert!(bomb.len() < BODY_MAX);
        assert_eq!(read(Coding::Gzip, &bomb), None);
        assert!(read(Coding::Gzip, &gzip(&vec![b' '; BODY_MAX])).is_some());
    }

    #[test]
    fn what_came_before_a_cut_is_kept() {
        let whole = gzip(TEXT.as_bytes());
        let cut = whole.get(..whole.len() - 8).unwrap();
        assert_eq!(read(Coding::Gzip, cut).as_deref(), Some(TEXT));
    }

    #[test]
    fn marks_and_charsets_are_undone() {
        let units = |mark: &str| format!("{mark}{TEXT}").encode_utf16().collect::<Vec<u16>>();
        for mark in ["", "\u{feff}"] {
            let big: Vec<u8> = units(mark).iter().flat_map(|unit| unit.to_be_bytes()).collect();
            let little: Vec<u8> = units(mark).iter().flat_map(|unit| unit.to_le_bytes()).collect();
            for bytes in [big, little, format!("{mark}{TEXT}").into_bytes()] {
                assert_eq!(read(Coding::Plain, &bytes).as_deref(), Some(TEXT));
            }
        }
        assert_eq!(
            read(Coding::Plain, b"{\"a\":\"ung\xfcltig\"}").as_deref(),
            Some("{\"a\":\"ungültig\"}")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_become_text_within_bounds(
            coding in prop::sample::select(vec![Coding::Plain, Coding::Gzip, Coding::Deflate, Coding::Unknown]),
            bytes in prop::collection::vec(any::<u8>(), 0..400),
        ) {
            if let Some(text) = text(coding, Zeroizing::new(bytes)) {
                prop_assert!(text.len() <= BODY_MAX && std::str::from_utf8(&text).is_ok());
            }
        }
    }
}
