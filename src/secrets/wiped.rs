//! Buffers for secret text that are wiped when dropped, and also when they have to grow.
//!
//! A plain `Vec` that grows leaves its old content behind in freed memory; these do not.

use std::io;

use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

/// A growing buffer whose outgrown allocations are wiped.
#[derive(Default)]
pub(super) struct Buffer(Zeroizing<Vec<u8>>);

impl Buffer {
    /// What was written.
    pub(super) fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    fn reserve(&mut self, more: usize) {
        let needed = self.0.len().saturating_add(more);
        if needed <= self.0.capacity() {
            return;
        }
        let mut larger = Zeroizing::new(Vec::with_capacity(needed.saturating_mul(2).max(256)));
        larger.extend_from_slice(&self.0);
        self.0 = larger;
    }
}

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.reserve(bytes.len());
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `value` as JSON. It fails only for types that JSON cannot express.
pub(super) fn to_json<T: Serialize>(value: &T) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    let mut buffer = Buffer::default();
    serde_json::to_writer(&mut buffer, value)?;
    Ok(buffer.into_bytes())
}

/// A secret string inside parsed JSON.
pub(super) struct Text(Zeroizing<String>);

impl Text {
    /// The text, moved out without a copy.
    pub(super) fn take(mut self) -> String {
        std::mem::take(&mut *self.0)
    }

    /// The text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::{Buffer, to_json};

    #[test]
    fn a_buffer_grows_without_losing_bytes() {
        let mut buffer = Buffer::default();
        let text = "0123456789".repeat(100);
        for chunk in text.as_bytes().chunks(7) {
            assert!(buffer.write_all(chunk).is_ok());
        }
        assert_eq!(buffer.into_bytes().as_slice(), text.as_bytes());
    }

    /// The vector never grows by itself: it would leave behind what it held.
    #[test]
    fn a_buffer_has_room_before_it_is_written_to() {
        let mut buffer = Buffer::default();
        let mut capacity_after = |length: usize| {
            let more = vec![b'x'; length - buffer.0.len()];
            assert!(buffer.write_all(&more).is_ok());
            buffer.0.capacity()
        };
        assert_eq!(
            [1, 256, 257, 514, 600].map(&mut capacity_after),
            [256, 256, 514, 514, 1200]
        );
        assert_eq!(capacity_after(10_000), 20_000);
    }

    #[test]
    fn json_is_the_usual_json() {
        let bytes = to_json(&["a\"b"]).ok().map(|b| b.to_vec());
        assert_eq!(bytes, Some(br#"["a\"b"]"#.to_vec()));
    }
}
