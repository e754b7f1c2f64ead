//! What is taken of an object while it is read, whatever its fields hold: the rest is skipped and never kept.
//!
//! # Guarantees
//!
//! - A value of another type than was looked for counts as absent. No object fails to decode, so that no decoder ever has
//!   a reason to quote one.
//! - What is skipped is not held: `managedFields` are most of an object.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use crate::api::annotation;

/// What is made of a JSON value: by default nothing, of whatever type it is.
pub(super) trait Take: Default {
    fn text(_: &str) -> Self {
        Self::default()
    }

    fn flag(_: bool) -> Self {
        Self::default()
    }

    fn number(_: i64) -> Self {
        Self::default()
    }

    fn fields<'de, A: MapAccess<'de>>(mut fields: A) -> Result<Self, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }

    fn elements<'de, A: SeqAccess<'de>>(mut elements: A) -> Result<Self, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

/// Takes what is looked for, for a field of a structure.
pub(super) fn taken<'de, T: Take, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(Taking(PhantomData))
}

/// The fields of an object as a structure whose fields are [`taken`].
pub(super) fn structure<'de, T: DeserializeOwned, A: MapAccess<'de>>(fields: A) -> Result<T, A::Error> {
    T::deserialize(MapAccessDeserializer::new(fields))
}

/// The same as [`taken`], for a key or an element.
#[derive(Default)]
pub(super) struct Taken<T>(pub(super) T);

impl<'de, T: Take> Deserialize<'de> for Taken<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        taken(deserializer).map(Self)
    }
}

impl Take for String {
    fn text(text: &str) -> Self {
        text.to_owned()
    }
}

impl Take for Option<String> {
    fn text(text: &str) -> Self {
        Some(text.to_owned())
    }
}

impl Take for bool {
    fn flag(flag: bool) -> Self {
        flag
    }
}

impl Take for i64 {
    fn number(number: i64) -> Self {
        number
    }
}

/// As much of an annotation as is read.
#[derive(Default)]
pub(super) struct Begin(pub(super) Option<String>);

impl Take for Begin {
    fn text(text: &str) -> Self {
        let end = text.floor_char_boundary(annotation::MOST);
        Self(text.get(..end).map(str::to_owned))
    }
}

/// Whether there is a text.
#[derive(Clone, Copy, Default)]
pub(super) struct IsSaid(pub(super) bool);

impl Take for IsSaid {
    fn text(_: &str) -> Self {
        Self(true)
    }
}

struct Taking<T>(PhantomData<fn() -> T>);

impl<'de, T: Take> Visitor<'de> for Taking<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::fields(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<T, A::Error> {
        T::elements(seq)
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<T, E> {
        Ok(T::flag(flag))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        Ok(T::number(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        Ok(i64::try_from(number).map_or_else(|_| T::default(), T::number))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        Ok(T::text(text))
    }

    fn visit_unit<E: de::Error>(self) -> Result<T, E> {
        Ok(T::default())
    }
}
