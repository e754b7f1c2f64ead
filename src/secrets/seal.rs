//! Sealing: AES-256-GCM under a random 96-bit nonce, with the place as additional data.
//!
//! A blob that was changed, or moved to another namespace, name, purpose or binding, does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use zeroize::Zeroizing;

use super::framing::frame;
use super::key_id::KeyId;
use super::keys::{KeySet, RawKey};
use crate::plan::snapshot::Binding;
use crate::reconcile::ports::{Key, Names, OpenError, Sealed};

/// First byte of every blob. Then: length of the key id (one byte), key id, nonce, ciphertext with its tag.
const VERSION: u8 = 1;

/// Additional data of a session's blob.
pub(super) fn session_context(place: &Key, binding: &Binding) -> Vec<u8> {
    let Names { namespace, name } = &**place;
    let Binding {
        authority,
        tenant,
        client_id,
    } = binding;
    frame(&[
        "entra-operator/session/v1",
        namespace,
        name,
        authority,
        tenant,
        client_id,
    ])
}

/// Additional data of a record's blob.
pub(super) fn record_context(place: &Key) -> Vec<u8> {
    frame(&["entra-operator/record/v1", &place.namespace, &place.name])
}

/// Seals `plain` with the key `id`. It fails only if the system's random numbers do.
pub(super) fn seal(
    id: &KeyId,
    key: &RawKey,
    context: &[u8],
    mut plain: Zeroizing<Vec<u8>>,
) -> Result<Sealed, Unspecified> {
    let cipher = RandomizedNonceKey::new(&AES_256_GCM, key.bytes())?;
    let (nonce, tag) = cipher.seal_in_place_separate_tag(Aad::from(context), &mut plain)?;
    let mut bytes = header(id)?;
    bytes.extend_from_slice(nonce.as_ref());
    bytes.extend_from_slice(&plain);
    bytes.extend_from_slice(tag.as_ref());
    Ok(Sealed {
        key_id: id.to_string(),
        bytes,
    })
}

fn header(id: &KeyId) -> Result<Vec<u8>, Unspecified> {
    let length = u8::try_from(id.as_str().len()).map_err(|_| Unspecified)?;
    Ok([&[VERSION, length], id.as_str().as_bytes()].concat())
}

/// Id of the key that sealed `blob`, if it names one.
pub(super) fn key_of(blob: &[u8]) -> Option<KeyId> {
    Envelope::parse(blob).map(|envelope| envelope.id)
}

/// Opens `blob`, if it was sealed for `context` with one of `keys`.
pub(super) fn open(keys: &KeySet, context: &[u8], blob: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let Envelope { id, nonce, sealed } = Envelope::parse(blob).ok_or(OpenError::UnknownForm)?;
    let key = keys
        .sealing(&id)
        .ok_or_else(|| OpenError::UnknownKey(id.to_string()))?;
    decrypt(key, nonce, context, sealed).map_err(|_| OpenError::Broken)
}

fn decrypt(
    key: &RawKey,
    nonce: &[u8; NONCE_LEN],
    context: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
    let cipher = RandomizedNonceKey::new(&AES_256_GCM, key.bytes())?;
    let mut buffer = Zeroizing::new(sealed.to_vec());
    let plain = cipher.open_in_place(Nonce::from(nonce), Aad::from(context), &mut buffer)?;
    let length = plain.len();
    buffer.truncate(length);
    Ok(buffer)
}

/// Parts of a blob.
struct Envelope<'a> {
    id: KeyId,
    nonce: &'a [u8; NONCE_LEN],
    sealed: &'a [u8],
}

impl<'a> Envelope<'a> {
    fn parse(blob: &'a [u8]) -> Option<Self> {
        let (version, rest) = blob.split_first()?;
        let (length, rest) = rest.split_first()?;
        let (id, rest) = rest.split_at_checked(usize::from(*length))?;
        let (nonce, sealed) = rest.split_first_chunk()?;
        let id = KeyId::parse(std::str::from_utf8(id).ok()?)?;
        (*version == VERSION).then_some(Self { id, nonce, sealed })
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test fails by panicking"
    )]

    use aws_lc_rs::rand::SystemRandom;
    use proptest::prelude::*;

    use super::*;
    use crate::plan::Time;

    fn keys() -> KeySet {
        KeySet::generate(&SystemRandom::new(), Time(0)).unwrap()
    }

    fn sealed(keys: &KeySet, context: &[u8], plain: &[u8]) -> Sealed {
        let id = keys.ids().next().unwrap();
        seal(
            id,
            keys.sealing(id).unwrap(),
            context,
            Zeroizing::new(plain.to_vec()),
        )
        .unwrap()
    }

    fn binding(authority: &str, tenant: &str, client_id: &str) -> Binding {
        Binding {
            authority: authority.to_owned(),
            tenant: tenant.to_owned(),
            client_id: client_id.to_owned(),
        }
    }

    #[test]
    fn contexts_are_never_ambiguous() {
        let place = |namespace: &str, name: &str| Key::new(namespace, name);
        let contexts = [
            record_context(&place("a", "bc")),
            record_context(&place("ab", "c")),
            session_context(&place("a", "bc"), &binding("h", "t", "c")),
            session_context(&place("ab", "c"), &binding("h", "t", "c")),
            session_context(&place("a", "bc"), &binding("ht", "", "c")),
            session_context(&place("a", "bc"), &binding("h", "tc", "")),
        ];
        for (i, a) in contexts.iter().enumerate() {
            assert!(contexts.iter().enumerate().all(|(j, b)| (i == j) == (a == b)));
        }
    }

    #[test]
    fn the_same_text_is_never_sealed_alike() {
        let keys = keys();
        assert_ne!(
            sealed(&keys, b"c", b"text").bytes,
            sealed(&keys, b"c", b"text").bytes
        );
    }

    #[test]
    fn an_unknown_key_is_named() {
        let blob = sealed(&keys(), b"c", b"text");
        assert_eq!(
            open(&keys(), b"c", &blob.bytes),
            Err(OpenError::UnknownKey(blob.key_id))
        );
    }

    #[test]
    fn every_key_of_a_set_opens() {
        let old = keys();
        let blob = sealed(&old, b"c", b"text");
        let both = KeySet::generate(&SystemRandom::new(), Time(9))
            .unwrap()
            .merge(old);
        assert_eq!(open(&both, b"c", &blob.bytes).unwrap().as_slice(), b"text");
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens(plain in proptest::collection::vec(any::<u8>(), 0..300), context in ".*") {
            let keys = keys();
            let blob = sealed(&keys, context.as_bytes(), &plain);
            prop_assert_eq!(open(&keys, context.as_bytes(), &blob.bytes).unwrap().to_vec(), plain);
        }

        #[test]
        fn a_changed_byte_breaks_the_seal(at in any::<prop::sample::Index>(), flip in 1_u8..) {
            let keys = keys();
            let mut blob = sealed(&keys, b"c", b"refresh token").bytes;
            let at = at.index(blob.len());
            blob[at] ^= flip;
            prop_assert!(open(&keys, b"c", &blob).is_err());
        }

        #[test]
        fn a_cut_or_longer_blob_does_not_open(cut in any::<prop::sample::Index>(), more in any::<u8>()) {
            let keys = keys();
            let mut blob = sealed(&keys, b"c", b"refresh token").bytes;
            prop_assert!(open(&keys, b"c", &blob[..cut.index(blob.len())]).is_err());
            blob.push(more);
            prop_assert_eq!(open(&keys, b"c", &blob), Err(OpenError::Broken));
        }

        #[test]
        fn another_context_does_not_open(a in ".{0,4}", b in ".{0,4}") {
            let keys = keys();
            let blob = sealed(&keys, a.as_bytes(), b"refresh token");
            prop_assert_eq!(open(&keys, b.as_bytes(), &blob.bytes).is_ok(), a == b);
        }

        #[test]
        fn any_bytes_are_refused_quietly(blob in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(open(&keys(), b"c", &blob).is_err());
        }
    }
}
