//! Names of sealing keys: creation time and a random part, so that the newest sorts last.
//!
//! The form is strict, because "newest" decides which key seals: `20261122T072437Z-1f6c02aa`.

use std::fmt;

use aws_lc_rs::rand::SecureRandom;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::key_error::KeyError;
use super::moment::timestamp;
use crate::plan::Time;

const TIME_FORM: &str = "%Y%m%dT%H%M%SZ";
const LONGEST_TAIL: usize = 32;

/// Id of a sealing key: `YYYYMMDDTHHMMSSZ-` and 1 to 32 lower-case letters or digits. Orders by age, newest last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// A new id for a key that is made at `now`.
    pub(super) fn generate(rng: &dyn SecureRandom, now: Time) -> Result<Self, KeyError> {
        let mut tail = [0; 4];
        rng.fill(&mut tail).map_err(|_| KeyError::Random)?;
        let time = timestamp(now).strftime(TIME_FORM);
        Self::parse(&format!("{time}-{:08x}", u32::from_be_bytes(tail))).ok_or(KeyError::Id)
    }

    /// The id that `text` spells, if it has the right form.
    pub fn parse(text: &str) -> Option<Self> {
        let (time, tail) = text.split_once('-')?;
        creation_time(time)?;
        is_tail(tail).then(|| Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When the key was made, by its maker's clock.
    pub fn created_at(&self) -> Time {
        let time = self.0.split_once('-').and_then(|(time, _)| creation_time(time));
        time.unwrap_or_default()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn creation_time(text: &str) -> Option<Time> {
    let date = DateTime::strptime(TIME_FORM, text).ok()?;
    let moment = date.to_zoned(TimeZone::UTC).ok()?.timestamp();
    // Only the canonical spelling sorts by time.
    (moment.strftime(TIME_FORM).to_string() == text).then(|| Time(moment.as_second()))
}

fn is_tail(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=LONGEST_TAIL).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use proptest::prelude::*;

    use super::KeyId;
    use crate::plan::Time;

    #[test]
    fn ids_carry_their_creation_time() {
        let id = KeyId::generate(&SystemRandom::new(), Time(1_795_332_277)).ok();
        assert_eq!(id.as_ref().map(KeyId::created_at), Some(Time(1_795_332_277)));
        assert!(id.is_some_and(|id| id.as_str().starts_with("20261122T072437Z-")));
    }

    #[test]
    fn only_the_canonical_form_is_an_id() {
        assert!(KeyId::parse("20261122T072437Z-a").is_some());
        for wrong in [
            "",
            "k1",
            "20261122T072437Z",
            "20261122T072437Z-",
            "20261322T072437Z-a",
            "20261122T072437Z-A",
            "2026-11-22T07:24:37Z-a",
            " 20261122T072437Z-a",
            "20261122T072437Z-a b",
            "20261122T072437Z-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert_eq!(KeyId::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn newer_ids_sort_last(a in 0_i64..4_000_000_000, later in 1_i64..4_000_000_000) {
            let rng = SystemRandom::new();
            let (old, new) = (KeyId::generate(&rng, Time(a)), KeyId::generate(&rng, Time(a + later)));
            prop_assert!(old.is_ok() && old.ok() < new.ok());
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in ".*") {
            prop_assert!(KeyId::parse(&text).is_none_or(|id| id.as_str() == text));
        }
    }
}
