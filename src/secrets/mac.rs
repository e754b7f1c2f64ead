//! Keyed hashes: HMAC-SHA256 over length-prefixed parts, separated by what they are for.
//!
//! Without the MAC key nobody can confirm a guess; different parts or purposes never give the same input.

use std::collections::BTreeMap;

use aws_lc_rs::hmac::{Context, Key as HmacKey, Tag};

use super::framing::prefix;
use crate::api::Realm;
use crate::plan::record::ContentMac;
use crate::plan::snapshot::Binding;
use crate::reconcile::material::{LoginContent, SecretData};
use crate::reconcile::ports::Key;

/// Bytes of a hash that goes into an annotation: 32 hexadecimal digits, 128 bits.
const SHORT: usize = 16;

/// What a hash is for: no two of these ever agree.
#[derive(Clone, Copy)]
enum Domain {
    Content,
    Text,
    Data,
}

impl Domain {
    const fn label(self) -> &'static str {
        match self {
            Self::Content => "entra-operator/mac/v1/content",
            Self::Text => "entra-operator/mac/v1/text",
            Self::Data => "entra-operator/mac/v1/data",
        }
    }
}

/// Keyed hash of a login content for a binding and realm, in full.
pub(super) fn content(key: &HmacKey, content: &LoginContent, binding: &Binding, realm: Realm) -> ContentMac {
    let Binding {
        authority,
        tenant,
        client_id,
    } = binding;
    let (username, password) = (content.username.expose(), content.password.expose());
    let parts = [username, password, authority, tenant, client_id, realm.name()].map(str::as_bytes);
    ContentMac(hexadecimal(sign(key, Domain::Content, parts).as_ref()))
}

/// Keyed hash of `parts` for `purpose`, 32 digits.
pub(super) fn text(key: &HmacKey, purpose: &str, parts: &[&str]) -> String {
    let all = std::iter::once(purpose)
        .chain(parts.iter().copied())
        .map(str::as_bytes);
    short(&sign(key, Domain::Text, all))
}

/// Keyed hash of a token Secret's keys and values at its place and of what its metadata say, 32 digits. The names of what is
/// said hold a character that no key of a Secret has.
pub(super) fn data(key: &HmacKey, place: &Key, data: &SecretData, said: &BTreeMap<String, String>) -> String {
    let place = [place.namespace.as_bytes(), place.name.as_bytes()];
    let entries = data.iter().flat_map(|(key, value)| [key.as_bytes(), value]);
    let said = said
        .iter()
        .flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    short(&sign(
        key,
        Domain::Data,
        place.into_iter().chain(entries).chain(said),
    ))
}

fn sign<'a>(key: &HmacKey, domain: Domain, parts: impl IntoIterator<Item = &'a [u8]>) -> Tag {
    let mut context = Context::with_key(key);
    for part in std::iter::once(domain.label().as_bytes()).chain(parts) {
        context.update(&prefix(part));
        context.update(part);
    }
    context.sign()
}

fn short(tag: &Tag) -> String {
    hexadecimal(tag.as_ref().get(..SHORT).unwrap_or_default())
}

/// `bytes` in lower-case hexadecimal digits.
fn hexadecimal(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|b| [b >> 4, b & 15]);
    digits
        .filter_map(|d| char::from_digit(u32::from(d), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::reconcile::material::Secret;
    use crate::secrets::KeySet;

    fn keys(mac: u8) -> KeySet {
        let mut data = SecretData::default();
        data.insert("mac", vec![mac; 32]);
        data.insert("seal.20260101T000000Z-aa", vec![1; 32]);
        KeySet::from_data(&data).unwrap()
    }

    fn of(texts: [&str; 5]) -> ContentMac {
        let [user, password, authority, tenant, client] = texts.map(str::to_owned);
        let login = LoginContent {
            username: Secret::new(user),
            password: Secret::new(password),
        };
        let binding = Binding {
            authority,
            tenant,
            client_id: client,
        };
        content(keys(7).mac(), &login, &binding, Realm::Auto)
    }

    fn entries(entries: &[(&str, &str)]) -> SecretData {
        let mut data = SecretData::default();
        for (key, value) in entries {
            data.insert(*key, value.as_bytes().to_vec());
        }
        data
    }

    #[test]
    fn hashes_are_stable_across_releases() {
        // Computed with Python's hmac: a changed value would make every stored record and annotation worthless.
        let keys = keys(7);
        assert_eq!(
            text(keys.mac(), "owner", &["ns", "name"]),
            "4a87ea468b319a4cd5cba36081a208fd"
        );
        assert_eq!(
            of(["u", "p", "h", "t", "c"]).0,
            "ee9ccf3e7dfab6b32c5bd0d1b91ac4d7b2e73cbeb80fdc91b812c58bd7928796"
        );
        assert_eq!(
            data(
                keys.mac(),
                &Key::new("ns", "name"),
                &entries(&[("k", "v")]),
                &BTreeMap::new()
            ),
            "73aed017b8e9bc7bf3c32c481e9f3600"
        );
    }

    #[test]
    fn every_part_of_a_content_counts() {
        let contents = [
            ["u", "p", "h", "t", "c"],
            ["up", "", "h", "t", "c"],
            ["", "up", "h", "t", "c"],
            ["u", "ph", "", "t", "c"],
            ["u", "p", "ht", "", "c"],
            ["u", "p", "h", "tc", ""],
            ["u", "p", "h", "t", "d"],
        ];
        let hashes: BTreeSet<_> = contents.into_iter().map(of).collect();
        assert_eq!(hashes.len(), contents.len());
        assert!(hashes.iter().all(|h| h.0.len() == 64));
    }

    #[test]
    fn ambiguous_concatenations_differ() {
        let keys = keys(7);
        let lists: [&[&str]; 6] = [&[], &[""], &["", ""], &["ab", "c"], &["a", "bc"], &["abc"]];
        let mut hashes: BTreeSet<_> = lists.iter().map(|l| text(keys.mac(), "p", l)).collect();
        hashes.insert(text(keys.mac(), "pa", &["b", "c"]));
        hashes.insert(text(keys.mac(), "", &["p", "abc"]));
        assert_eq!(hashes.len(), 8);
    }

    #[test]
    fn purposes_and_keys_separate() {
        let place = Key::new("a", "b");
        let one = text(keys(7).mac(), "a", &["b"]);
        assert_ne!(one, text(keys(7).mac(), "b", &["b"]));
        assert_ne!(one, text(keys(8).mac(), "a", &["b"]));
        assert_ne!(
            one,
            data(keys(7).mac(), &place, &SecretData::default(), &BTreeMap::new())
        );
    }

    #[test]
    fn data_is_hashed_with_its_place_and_keys() {
        let keys = keys(7);
        let hash = |namespace, name, list: &[_]| {
            data(
                keys.mac(),
                &Key::new(namespace, name),
                &entries(list),
                &BTreeMap::new(),
            )
        };
        let hashes: BTreeSet<_> = [
            hash("n", "s", &[("a", "b")]),
            hash("ns", "", &[("a", "b")]),
            hash("n", "s", &[("ab", "")]),
            hash("n", "s", &[("a", "b"), ("c", "d")]),
            hash("n", "s", &[]),
        ]
        .into();
        assert_eq!(hashes.len(), 5);
        assert!(hashes.iter().all(|h| h.len() == 32));
    }
}
