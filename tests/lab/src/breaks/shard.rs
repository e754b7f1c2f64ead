//! A part of the sabotages, so that several machines can share them.

use std::str::FromStr;

/// The `k`-th of `n` parts, counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shard {
    k: usize,
    n: usize,
}

impl Shard {
    /// What belongs to this part. Neighbours go to different parts, because they often take equally long.
    pub(super) fn of<T>(self, all: Vec<T>) -> Vec<T> {
        all.into_iter().skip(self.k - 1).step_by(self.n).collect()
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text
            .split_once('/')
            .and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((k, n)) if (1..=n).contains(&k) => Ok(Self { k, n }),
            _ => Err("k/n with k from 1 to n is wanted, like 2/4".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shards_together_are_all_and_none_twice() {
        let all: Vec<u8> = (0..10).collect();
        let shards = ["1/3", "2/3", "3/3"].map(|text| text.parse::<Shard>().unwrap().of(all.clone()));
        assert_eq!(shards[1], [1, 4, 7]);
        let mut together = shards.concat();
        together.sort_unstable();
        assert_eq!(together, all);
    }

    #[test]
    fn a_shard_that_does_not_exist_is_refused() {
        for text in ["0/3", "4/3", "1/0", "1", "a/b", "-1/2", ""] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
