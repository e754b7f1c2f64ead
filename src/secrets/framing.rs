//! One unambiguous byte string from several: every part is preceded by its length.
//!
//! Different lists of parts never give the same bytes, whatever the parts hold.

/// Length of a part as it is written in front of it.
pub(super) fn prefix(part: &[u8]) -> [u8; 8] {
    u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes()
}

/// All `parts`, each behind its length.
pub(super) fn frame(parts: &[&str]) -> Vec<u8> {
    let mut framed = Vec::new();
    for part in parts {
        framed.extend_from_slice(&prefix(part.as_bytes()));
        framed.extend_from_slice(part.as_bytes());
    }
    framed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::frame;

    fn parts() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec("[ab\\x00]{0,3}", 0..4)
    }

    fn framed(parts: &[String]) -> Vec<u8> {
        frame(&parts.iter().map(String::as_str).collect::<Vec<_>>())
    }

    proptest! {
        #[test]
        fn equal_bytes_mean_equal_parts(a in parts(), b in parts()) {
            prop_assert_eq!(a == b, framed(&a) == framed(&b));
        }
    }
}
