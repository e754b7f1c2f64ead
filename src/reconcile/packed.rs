//! What is kept for long, as JSON whose digits are bytes and that is compressed against an example of its kind.
//!
//! A few hundred bytes, instead of some thousand in a hundred pieces, for each object that is looked at now and then.
//! The example decides the size alone: it holds the names and texts that most objects of the kind have in common.

mod digits;

use std::marker::PhantomData;

use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::credential::Credential;
use super::ports::SecretMeta;

/// A kind of value that is kept packed.
pub trait Example: Serialize + DeserializeOwned {
    /// JSON of usual ones.
    const EXAMPLE: &'static str;
}

/// A packed value. Equal values are equal when packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed<T> {
    bytes: Box<[u8]>,
    kind: PhantomData<fn() -> T>,
}

impl<T: Example> Packed<T> {
    /// Packs a value.
    pub fn of(value: &T) -> Self {
        let short = digits::shorten(&serde_json::to_vec(value).unwrap_or_default());
        Self {
            bytes: compress_prepend_size_with_dict(&short, T::EXAMPLE.as_bytes()).into_boxed_slice(),
            kind: PhantomData,
        }
    }

    /// The value. There always is one: what was packed can be unpacked.
    pub fn get(&self) -> Option<T> {
        let short = decompress_size_prepended_with_dict(&self.bytes, T::EXAMPLE.as_bytes());
        serde_json::from_slice(&digits::restore(&short.ok()?)?).ok()
    }
}

impl Example for SecretMeta {
    const EXAMPLE: &'static str = include_str!("packed/secret.json");
}

impl Example for Credential {
    const EXAMPLE: &'static str = include_str!("packed/credential.json");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::annotation::{READ, read};
    use crate::plan::metadata::{Uid, Version};
    use crate::reconcile::ports::Controller;

    fn meta() -> impl Strategy<Value = SecretMeta> {
        let names = prop::sample::select(READ.to_vec()).prop_map(str::to_owned);
        let annotations = prop::collection::btree_map(names, ".{0,200}", 0..12);
        let controller =
            prop::option::of(
                (any::<bool>(), ".*", ".*").prop_map(|(ours, name, uid)| Controller {
                    ours,
                    name,
                    uid: Uid(uid),
                }),
            );
        let texts = (".*", ".*", annotations, controller);
        (texts, any::<(bool, bool, bool, bool, bool)>()).prop_map(
            |(
                (uid, version, annotations, controller),
                (deleting, managed, has_annotations, has_labels, has_owners),
            )| {
                SecretMeta {
                    uid: Uid(uid),
                    version: Version(version),
                    deleting,
                    controller,
                    managed,
                    annotations: read(&annotations),
                    has_annotations,
                    has_labels,
                    has_owners,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn what_was_packed_is_what_comes_out(meta in meta()) {
            prop_assert_eq!(Packed::of(&meta).get(), Some(meta));
        }

        #[test]
        fn equal_values_are_equal_when_packed(one in meta(), other in meta()) {
            prop_assert_eq!(Packed::of(&one) == Packed::of(&other), one == other);
        }
    }

    #[test]
    fn a_usual_token_secret_takes_few_bytes() {
        let hash = |n: u128| {
            format!(
                "{:032x}",
                n.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
            )
        };
        let texts = [
            ("expires-at", "2026-11-25T18:14:03Z".to_owned()),
            ("issued-at", "2026-11-25T17:04:12Z".to_owned()),
            ("owner", hash(1)),
            ("refresh-at", "2026-11-25T17:45:55Z".to_owned()),
            ("rendered", hash(2)),
            ("request", hash(3)),
            ("scopes", "https://graph.microsoft.com/.default".to_owned()),
            ("shape", hash(4)),
        ];
        let annotations = texts.map(|(name, text)| (format!("entra-operator.dev/{name}"), text));
        let meta = SecretMeta {
            uid: Uid("5d2b7c1e-93c4-4c0e-9d2b-2f6d1c9a7e10".to_owned()),
            version: Version("8834127".to_owned()),
            controller: Some(Controller {
                ours: true,
                name: "reporting".to_owned(),
                uid: Uid("0a1b2c3d-1111-4222-8333-444455556666".to_owned()),
            }),
            managed: true,
            annotations: read(&annotations.into()),
            has_annotations: true,
            has_labels: true,
            ..SecretMeta::default()
        };
        let packed = Packed::of(&meta);
        assert!(packed.bytes.len() < 250, "{} bytes", packed.bytes.len());
        assert_eq!(packed.get(), Some(meta));
    }

    #[test]
    fn a_usual_credential_takes_few_bytes() {
        let text = include_str!("packed/usual.json");
        let credential: Credential = serde_json::from_str(text).unwrap();
        let packed = Packed::of(&credential);
        assert_eq!(packed.get(), Some(credential));
        let (packed, text) = (packed.bytes.len(), text.len());
        assert!(packed < 500, "{packed} of {text} bytes");
    }
}
