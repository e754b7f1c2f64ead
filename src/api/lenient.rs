//! Reading what a newer version may have written: what does not fit counts as absent, and nothing around it is lost.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

/// What fits, or something else.
#[derive(Deserialize)]
#[serde(untagged)]
enum Fitting<T> {
    Fits(T),
    Else(IgnoredAny),
}

/// A value, if it fits.
pub(super) fn option<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Fitting::deserialize(deserializer).map(Fitting::get)
}

/// Those values of a list that fit; none where it is no list.
pub(super) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let all: Option<Vec<Fitting<T>>> = option(deserializer)?;
    let all = all.into_iter().flatten();
    Ok(all.filter_map(Fitting::get).collect())
}

impl<T> Fitting<T> {
    fn get(self) -> Option<T> {
        match self {
            Self::Fits(value) => Some(value),
            Self::Else(_) => None,
        }
    }
}
