//! Searches texts for secrets in the forms in which they leak: plain, URL-encoded, in base64 at any position.
//!
//! One pass over each text, however many secrets there are.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

/// Bytes by which a form is recognized before it is compared; no secret may be shorter.
const HEAD: usize = 8;

/// A name and what is there.
#[derive(Debug, Clone)]
pub struct Place {
    /// Such as a key of etcd, or "the log".
    pub name: String,
    text: String,
}

/// Names of the places that hold any of these secrets in any form.
///
/// A secret must have eight bytes or more; of a shorter one nothing is found.
pub fn holding(places: &[Place], secrets: &[String]) -> BTreeSet<String> {
    let forms: BTreeSet<_> = secrets.iter().flat_map(|secret| forms(secret)).collect();
    let mut heads = BTreeMap::<&[u8], Vec<&[u8]>>::new();
    for form in forms.iter().map(String::as_bytes) {
        if let Some(head) = form.get(..HEAD) {
            heads.entry(head).or_default().push(form);
        }
    }
    let holds = |place: &&Place| holds(place.text.as_bytes(), &heads);
    places
        .iter()
        .filter(holds)
        .map(|place| place.name.clone())
        .collect()
}

fn holds(text: &[u8], heads: &BTreeMap<&[u8], Vec<&[u8]>>) -> bool {
    let first: BTreeSet<_> = heads.keys().filter_map(|head| head.first()).collect();
    let at = |start: usize| {
        let rest = text.get(start..).unwrap_or_default();
        let forms = rest.get(..HEAD).and_then(|head| heads.get(head));
        forms.is_some_and(|forms| forms.iter().any(|form| rest.starts_with(form)))
    };
    (0..text.len()).any(|start| text.get(start).is_some_and(|byte| first.contains(byte)) && at(start))
}

/// Plain, URL-encoded with `+` or `%20`, and in both alphabets of base64 at each of the three positions that it
/// can have in a longer text.
fn forms(secret: &str) -> BTreeSet<String> {
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let percent = form.replace('+', "%20");
    let encoded = (0..3).flat_map(|shift| {
        let engines = [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD];
        engines.map(|engine| inside(&engine.encode(shifted(secret, shift)), secret.len(), shift))
    });
    encoded.chain([secret.to_owned(), form, percent]).collect()
}

fn shifted(secret: &str, shift: usize) -> Vec<u8> {
    [&[0; 3], secret.as_bytes()]
        .concat()
        .split_off(3_usize.saturating_sub(shift))
}

/// The characters that depend on the secret alone, and not on what stands before or behind it.
fn inside(encoded: &str, length: usize, shift: usize) -> String {
    let (from, to) = ((shift * 8).div_ceil(6), (shift + length) * 8 / 6);
    encoded.get(from..to).unwrap_or_default().to_owned()
}

impl Place {
    /// A place with this name and text.
    pub fn new(name: &str, text: String) -> Self {
        Self {
            name: name.to_owned(),
            text,
        }
    }

    /// Bytes of its text.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Secrets are ASCII, so that they survive in what is no text.
    pub fn of_etcd((key, value): (String, Vec<u8>)) -> Self {
        Self {
            name: key,
            text: String::from_utf8_lossy(&value).into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};

    use super::*;

    const SECRET: &str = "PWMARK-1-horse & battery=staple+%";

    fn is_found_in(text: &str) -> bool {
        let places = [Place::new("here", text.to_owned())];
        !holding(&places, &[SECRET.to_owned()]).is_empty()
    }

    #[test]
    fn a_secret_is_found_in_every_form() {
        let url: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        for text in [SECRET, &url, &url.replace('+', "%20")] {
            assert!(is_found_in(&format!("before {text} behind")), "{text}");
        }
        for before in ["", "a", "ab", "abc", "user:abcd"] {
            for behind in ["", "x", "xy", "xyz"] {
                let text = format!("{before}{SECRET}{behind}");
                assert!(is_found_in(&BASE64_STANDARD.encode(&text)), "{text}");
                assert!(is_found_in(&BASE64_URL_SAFE.encode(&text)), "{text}");
            }
        }
        assert!(!is_found_in("PWMARK-2-horse & battery=staple+%"));
    }
}
