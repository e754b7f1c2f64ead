//! The key set: sealing keys by id, all of which open, and one MAC key that is not rotated with them.
//!
//! A set always has at least one sealing key, every key has 32 bytes, all are wiped on drop and never shown.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use aws_lc_rs::hmac::{HMAC_SHA256, Key as HmacKey};
use aws_lc_rs::rand::SecureRandom;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::key_error::KeyError;
use super::key_id::KeyId;
use super::wiped::Text;
use crate::plan::Time;
use crate::reconcile::material::SecretData;

/// Length of every key: AES-256 and HMAC-SHA256.
const KEY_LENGTH: usize = 32;

/// Prefix of a sealing key's entry in the key Secret.
const SEAL_PREFIX: &str = "seal.";

/// Entry of the MAC key in the key Secret.
const MAC_ENTRY: &str = "mac";

/// 32 bytes on the heap (a moved key leaves no copy behind), wiped on drop.
pub(super) struct RawKey(Zeroizing<Vec<u8>>);

impl RawKey {
    fn new(bytes: Zeroizing<Vec<u8>>, name: &str) -> Result<Self, KeyError> {
        if bytes.len() == KEY_LENGTH {
            Ok(Self(bytes))
        } else {
            Err(KeyError::Length(name.to_owned()))
        }
    }

    fn generate(rng: &dyn SecureRandom) -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new(vec![0; KEY_LENGTH]);
        rng.fill(&mut bytes).map_err(|_| KeyError::Random)?;
        Ok(Self(bytes))
    }

    fn from_base64(text: &Text, name: &str) -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.as_str().len()));
        let decoded = STANDARD.decode_vec(text.as_str(), &mut bytes);
        decoded.map_err(|_| KeyError::Base64(name.to_owned()))?;
        Self::new(bytes, name)
    }

    /// The key itself.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Sealing keys by id, and the MAC key.
///
/// Text form, one entry per key: `seal.<key id>` and `mac` in the key Secret (32 raw bytes each), or a mounted JSON
/// file `{"mac": "<base64>", "keys": {"<key id>": "<base64>"}}`. The form of an id is that of [`KeyId`].
pub struct KeySet {
    sealing: BTreeMap<KeyId, RawKey>,
    mac: MacKey,
}

/// The MAC key, prepared once: some hashes are made of every credential at every look.
struct MacKey {
    raw: RawKey,
    hmac: HmacKey,
}

impl MacKey {
    fn of(raw: RawKey) -> Self {
        let hmac = HmacKey::new(HMAC_SHA256, raw.bytes());
        Self { raw, hmac }
    }
}

impl KeySet {
    /// A new set with one sealing key, made at `now`.
    pub fn generate(rng: &dyn SecureRandom, now: Time) -> Result<Self, KeyError> {
        let mut keys = Self {
            sealing: BTreeMap::new(),
            mac: MacKey::of(RawKey::generate(rng)?),
        };
        keys.add(rng, now)?;
        Ok(keys)
    }

    /// Adds a new sealing key, made at `now`: the first half of a rotation.
    pub fn add(&mut self, rng: &dyn SecureRandom, now: Time) -> Result<KeyId, KeyError> {
        let id = KeyId::generate(rng, now)?;
        self.sealing.insert(id.clone(), RawKey::generate(rng)?);
        Ok(id)
    }

    /// The set in the key Secret's data. Entries that are not keys are ignored.
    pub fn from_data(data: &SecretData) -> Result<Self, KeyError> {
        let mac = data.get(MAC_ENTRY).ok_or(KeyError::NoMacKey)?;
        let mac = RawKey::new(Zeroizing::new(mac.to_vec()), MAC_ENTRY)?;
        let entries = data
            .iter()
            .filter_map(|(k, v)| Some((k.strip_prefix(SEAL_PREFIX)?, v)));
        let sealing =
            entries.map(|(id, value)| sealing_key(id, |id| RawKey::new(Zeroizing::new(value.to_vec()), id)));
        Self::from_parts(sealing, mac)
    }

    /// Data of the key Secret.
    pub fn to_data(&self) -> SecretData {
        let mut data = SecretData::default();
        data.insert(MAC_ENTRY, self.mac.raw.bytes().to_vec());
        for (id, key) in &self.sealing {
            data.insert(format!("{SEAL_PREFIX}{id}"), key.bytes().to_vec());
        }
        data
    }

    /// The set in a mounted file.
    pub fn read_file(path: &Path) -> Result<Self, KeyError> {
        let text = std::fs::read(path).map(Zeroizing::new);
        Self::from_json(&text.map_err(|e| KeyError::Read(e.kind()))?)
    }

    /// The set in the text of a key file.
    pub fn from_json(text: &[u8]) -> Result<Self, KeyError> {
        let file: KeyFile = serde_json::from_slice(text).map_err(|_| KeyError::File)?;
        let mac = RawKey::from_base64(&file.mac, MAC_ENTRY)?;
        let sealing = file
            .keys
            .iter()
            .map(|(id, text)| sealing_key(id, |id| RawKey::from_base64(text, id)));
        Self::from_parts(sealing, mac)
    }

    fn from_parts(
        sealing: impl Iterator<Item = Result<(KeyId, RawKey), KeyError>>,
        mac: RawKey,
    ) -> Result<Self, KeyError> {
        let sealing: BTreeMap<_, _> = sealing.collect::<Result<_, _>>()?;
        if sealing.is_empty() {
            return Err(KeyError::NoSealingKey);
        }
        let mac = MacKey::of(mac);
        Ok(Self { sealing, mac })
    }

    /// The union of both sets. Keys of `self` prevail under equal ids, and its MAC key stays: with another one everything
    /// that was hashed, contents that were found wrong among it, would be unknown at once.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let mut sealing = other.sealing;
        sealing.extend(self.sealing);
        Self {
            sealing,
            mac: self.mac,
        }
    }

    /// Whether `other` has a sealing key that this set has not.
    pub fn lacks_of(&self, other: &Self) -> bool {
        other.sealing.keys().any(|id| !self.sealing.contains_key(id))
    }

    /// A second copy, made on purpose.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let sealing = self.sealing.iter().map(|(id, key)| (id.clone(), key.duplicate()));
        Self {
            sealing: sealing.collect(),
            mac: MacKey::of(self.mac.raw.duplicate()),
        }
    }

    /// Ids of the sealing keys, oldest first.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = &KeyId> {
        self.sealing.keys()
    }

    /// The sealing key of that id.
    pub(super) fn sealing(&self, id: &KeyId) -> Option<&RawKey> {
        self.sealing.get(id)
    }

    /// The MAC key, for signing.
    pub(super) const fn mac(&self) -> &HmacKey {
        &self.mac.hmac
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.sealing.keys()).finish()
    }
}

/// Ids and keys are the same.
impl PartialEq for KeySet {
    fn eq(&self, other: &Self) -> bool {
        self.mac.raw.bytes() == other.mac.raw.bytes()
            && self.ids().eq(other.ids())
            && self
                .sealing
                .values()
                .map(RawKey::bytes)
                .eq(other.sealing.values().map(RawKey::bytes))
    }
}

#[derive(Deserialize)]
struct KeyFile {
    mac: Text,
    keys: BTreeMap<String, Text>,
}

fn sealing_key(
    id: &str,
    key: impl FnOnce(&str) -> Result<RawKey, KeyError>,
) -> Result<(KeyId, RawKey), KeyError> {
    let id = KeyId::parse(id).ok_or(KeyError::Id)?;
    let key = key(id.as_str())?;
    Ok((id, key))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::io::ErrorKind;

    use aws_lc_rs::rand::SystemRandom;
    use proptest::prelude::*;

    use super::*;

    const OLD: &str = "20260101T000000Z-aa";
    const NEW: &str = "20260601T000000Z-bb";

    fn data(entries: &[(&str, usize)]) -> SecretData {
        let mut data = SecretData::default();
        for (key, length) in entries {
            data.insert(*key, vec![7; *length]);
        }
        data
    }

    fn generated(now: i64) -> KeySet {
        KeySet::generate(&SystemRandom::new(), Time(now)).unwrap()
    }

    fn file(keys: &str) -> Result<KeySet, KeyError> {
        let key = STANDARD.encode([7; KEY_LENGTH]);
        KeySet::from_json(keys.replace("KEY", &key).as_bytes())
    }

    #[test]
    fn a_set_survives_its_secret() {
        let mut keys = generated(1);
        let added = keys.add(&SystemRandom::new(), Time(100)).unwrap();
        let back = KeySet::from_data(&keys.to_data()).unwrap();
        assert!(back.to_data() == keys.to_data() && keys.duplicate().to_data() == keys.to_data());
        assert_eq!(back.ids().next_back(), Some(&added));
        assert_eq!(back.ids().count(), 2);
    }

    #[test]
    fn generated_keys_differ() {
        let (a, b) = (generated(1), generated(1));
        assert_ne!(a.mac.raw.bytes(), b.mac.raw.bytes());
        assert!(a.sealing.values().all(|k| k.bytes() != a.mac.raw.bytes()));
    }

    #[test]
    fn a_wrong_secret_is_explained() {
        let seal = format!("seal.{OLD}");
        let cases = [
            (vec![("mac", 32)], KeyError::NoSealingKey),
            (vec![(seal.as_str(), 32)], KeyError::NoMacKey),
            (
                vec![("mac", 31), (seal.as_str(), 32)],
                KeyError::Length("mac".to_owned()),
            ),
            (
                vec![("mac", 32), (seal.as_str(), 33)],
                KeyError::Length(OLD.to_owned()),
            ),
            (vec![("mac", 32), ("seal.1", 32)], KeyError::Id),
        ];
        for (entries, expected) in cases {
            assert_eq!(KeySet::from_data(&data(&entries)).err(), Some(expected));
        }
        assert!(KeySet::from_data(&data(&[("mac", 32), (&seal, 32), ("note", 3)])).is_ok());
    }

    #[test]
    fn a_file_holds_the_same_set() {
        let keys = file(&format!(
            r#"{{"mac": "KEY", "keys": {{"{OLD}": "KEY", "{NEW}": "KEY"}}, "later": 1}}"#
        ));
        let same = KeySet::from_data(&data(&[
            ("mac", 32),
            (&format!("seal.{OLD}"), 32),
            (&format!("seal.{NEW}"), 32),
        ]));
        assert!(keys.unwrap().to_data() == same.unwrap().to_data());
    }

    #[test]
    fn a_wrong_file_is_explained_without_its_content() {
        for (text, expected) in [
            (r#"{"mac": "KEY", "keys": {}}"#, KeyError::NoSealingKey),
            (r#"{"mac": "KEY", "keys": {"KEY": "x"}}"#, KeyError::Id),
            (
                r#"{"mac": "AA==", "keys": {"20260101T000000Z-aa": "KEY"}}"#,
                KeyError::Length("mac".to_owned()),
            ),
            (
                r#"{"mac": "KEY", "keys": {"20260101T000000Z-aa": "?"}}"#,
                KeyError::Base64(OLD.to_owned()),
            ),
            (r#"{"mac": "KEY", "keys": "KEY"}"#, KeyError::File),
            (r#"{"keys": {"20260101T000000Z-aa": "KEY"}}"#, KeyError::File),
            ("", KeyError::File),
        ] {
            let error = file(text).err().unwrap();
            assert_eq!(error, expected);
            assert!(!error.to_string().contains(&STANDARD.encode([7; KEY_LENGTH])));
        }
    }

    #[test]
    fn a_mounted_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        assert_eq!(
            KeySet::read_file(&path).err(),
            Some(KeyError::Read(ErrorKind::NotFound))
        );
        let key = STANDARD.encode([7; KEY_LENGTH]);
        std::fs::write(
            &path,
            format!(r#"{{"mac": "{key}", "keys": {{"{OLD}": "{key}"}}}}"#),
        )
        .unwrap();
        assert_eq!(KeySet::read_file(&path).unwrap().ids().count(), 1);
    }

    #[test]
    fn merged_sets_have_all_keys_and_the_mac_key_in_use_stays() {
        let (older, newer) = (generated(1), generated(2));
        assert!(older.lacks_of(&newer) && newer.lacks_of(&older) && !older.lacks_of(&older));
        for (in_use, added) in [(&older, &newer), (&newer, &older)] {
            let merged = in_use.duplicate().merge(added.duplicate());
            assert_eq!(merged.mac.raw.bytes(), in_use.mac.raw.bytes());
            assert!(
                merged
                    .ids()
                    .eq([&older, &newer].into_iter().flat_map(KeySet::ids))
            );
        }
    }

    #[test]
    fn sets_are_the_same_by_their_keys() {
        let set = |mac: u8, id: &str, key: u8| {
            let mut data = SecretData::default();
            data.insert("mac", vec![mac; 32]);
            data.insert(format!("seal.{id}"), vec![key; 32]);
            KeySet::from_data(&data).unwrap()
        };
        let one = set(1, OLD, 2);
        assert!(one == one.duplicate());
        assert!(
            [set(9, OLD, 2), set(1, NEW, 2), set(1, OLD, 9)]
                .iter()
                .all(|other| *other != one)
        );
    }

    #[test]
    fn debug_shows_ids_only() {
        let keys = KeySet::from_data(&data(&[("mac", 32), (&format!("seal.{OLD}"), 32)])).unwrap();
        assert_eq!(format!("{keys:?}"), format!("{{KeyId({OLD:?})}}"));
    }

    proptest! {
        #[test]
        fn any_file_is_parsed_or_refused(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(KeySet::from_json(&text).is_err());
        }
    }
}
