//! What is kept for long, as JSON whose digits are bytes and that is compressed against an example of its kind.
//!
//! A few hundred bytes, instead of some thousand in a hundred pieces, for each object that is looked at now and then.
//! The example decides the size alone: it holds the names and texts that most objects of the kind have in common.

mod digits;

use std::marker::PhantomData;
use std::sync::LazyLock;

use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::credential::Credential;
use super::ports::{Key, SecretMeta};

/// A kind of value that is kept packed.
pub trait Example: Serialize + DeserializeOwned {
    /// Usual ones, as they are before they are compressed.
    fn example() -> &'static [u8];
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
            bytes: compress_prepend_size_with_dict(&short, T::example()).into_boxed_slice(),
            kind: PhantomData,
        }
    }

    /// The value. There always is one: what was packed can be unpacked.
    pub fn get(&self) -> Option<T> {
        let short = decompress_size_prepended_with_dict(&self.bytes, T::example());
        serde_json::from_slice(&digits::restore(&short.ok()?)?).ok()
    }
}

impl Packed<Credential> {
    /// The credential of this key.
    pub fn with_key(&self, key: &Key) -> Option<Credential> {
        let packed = self.get()?;
        Some(Credential {
            key: key.clone(),
            ..packed
        })
    }
}

impl Example for SecretMeta {
    fn example() -> &'static [u8] {
        static EXAMPLE: LazyLock<Vec<u8>> =
            LazyLock::new(|| digits::shorten(include_bytes!("packed/secret.json")));
        &EXAMPLE
    }
}

impl Example for Credential {
    fn example() -> &'static [u8] {
        static EXAMPLE: LazyLock<Vec<u8>> =
            LazyLock::new(|| digits::shorten(include_bytes!("packed/credential.json")));
        &EXAMPLE
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::GROUP;
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

    const UID: &str = "5d2b7c1e-93c4-4c0e-9d2b-2f6d1c9a7e10";

    fn hash(n: u128) -> String {
        let mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        format!("{mixed:032x}")
    }

    /// Bytes of a Secret with these annotations.
    fn packed_with(managed: bool, annotations: &[(&str, String)]) -> usize {
        let of_group = |(name, text): &(&str, String)| (format!("{GROUP}/{name}"), text.clone());
        let meta = SecretMeta {
            uid: Uid(UID.to_owned()),
            version: Version("8834127".to_owned()),
            controller: Some(Controller {
                ours: true,
                name: "reporting".to_owned(),
                uid: Uid("0a1b2c3d-1f2e-4c3b-8d4a-5968778695a4".to_owned()),
            }),
            managed,
            annotations: read(&annotations.iter().map(of_group).collect()),
            has_annotations: true,
            has_labels: managed,
            has_owners: true,
            ..SecretMeta::default()
        };
        let packed = Packed::of(&meta);
        let bytes = packed.bytes.len();
        assert_eq!(packed.get(), Some(meta));
        bytes
    }

    #[test]
    fn a_usual_token_secret_takes_few_bytes() {
        let bytes = packed_with(
            true,
            &[
                ("expires-at", "2026-11-25T18:14:03Z".to_owned()),
                ("issued-at", "2026-11-25T17:04:12Z".to_owned()),
                ("owner", hash(1)),
                ("refresh-at", "2026-11-25T17:45:55Z".to_owned()),
                ("rendered", hash(2)),
                ("request", hash(3)),
                ("scopes", "https://graph.microsoft.com/.default".to_owned()),
                ("shape", hash(4)),
            ],
        );
        assert!(bytes < 215, "{bytes} bytes");
    }

    #[test]
    fn a_usual_refresh_token_secret_takes_few_bytes() {
        let tenant = "c1b2a394-8576-4d5e-8f60-7a8b9cadbecf";
        let client = "e0f1d2c3-b4a5-4697-8879-6a5b4c3d2e1f";
        let (login, sent) = ("3ab1c9d4-52e7-4f08-9b6a-7c8d1e2f3a4b", "2026-11-22T07:24:37Z");
        let (target, scopes) = (hash(3), hash(4));
        let bytes = packed_with(
            false,
            &[
                ("account", hash(1)),
                (
                    "binding",
                    format!(
                        r#"{{"authority":"login.microsoftonline.com","tenant":"{tenant}","clientId":"{client}"}}"#
                    ),
                ),
                ("issued-at", "2026-11-25T17:04:12Z".to_owned()),
                ("key-id", "20261122T071802Z-5bd41f0c".to_owned()),
                (
                    "last-login",
                    format!(
                        r#"{{"verdict":"Accepted","loginUid":"{login}","loginVersion":"81","sends":1,"lastSentAt":"{sent}","target":"{target}","scopes":"{scopes}","clientVersion":"public","clientContent":"public","leave":false}}"#
                    ),
                ),
                ("owner", hash(2)),
                ("tenant-id", tenant.to_owned()),
                ("uid", UID.to_owned()),
            ],
        );
        assert!(bytes < 320, "{bytes} bytes");
    }

    #[test]
    fn a_usual_credential_takes_few_bytes() {
        let text = include_str!("packed/usual.json");
        let credential: Credential = serde_json::from_str(text).unwrap();
        let packed = Packed::of(&credential);
        assert_eq!(packed.get(), Some(credential));
        let (packed, text) = (packed.bytes.len(), text.len());
        assert!(packed < 330, "{packed} of {text} bytes");
    }
}
