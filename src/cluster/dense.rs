//! An ordered map whose nodes stay full, however its keys come.
//!
//! A list comes in the order of its keys, and a tree of the standard library that is filled in ascending order leaves each node
//! half empty behind it. So it is laid out anew whenever it has grown by half, which costs each key about three moves.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

/// Fewer keys are one node.
const FEW: usize = 12;

/// A [`BTreeMap`], read and changed like one; what is new goes in by [`DenseMap::insert`] or [`DenseMap::or_default`].
#[derive(Clone, Debug)]
pub struct DenseMap<K, V> {
    tree: BTreeMap<K, V>,
    /// With so many keys it is laid out anew.
    anew_at: usize,
}

impl<K, V> Default for DenseMap<K, V> {
    fn default() -> Self {
        Self {
            tree: BTreeMap::new(),
            anew_at: FEW,
        }
    }
}

impl<K: Ord, V> DenseMap<K, V> {
    /// Puts a value in the place of whatever was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let before = self.tree.insert(key, value);
        self.keep_dense();
        before
    }

    /// The value of a key, which is there from now on.
    pub fn or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.keep_dense();
        self.tree.entry(key).or_default()
    }

    fn keep_dense(&mut self) {
        let now = self.tree.len();
        if now >= self.anew_at {
            // What is collected in order is put into full nodes.
            self.tree = std::mem::take(&mut self.tree).into_iter().collect();
            self.anew_at = now.saturating_add(now / 2);
        }
    }
}

impl<K, V> Deref for DenseMap<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &Self::Target {
        &self.tree
    }
}

impl<K, V> DerefMut for DenseMap<K, V> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_was_put_into_it_in_order() {
        let mut dense = DenseMap::default();
        for n in (0..1000).rev() {
            assert_eq!(dense.insert(n, n), None);
        }
        assert_eq!(dense.insert(7, 8), Some(7));
        *dense.or_default(1000) += 1;
        *dense.or_default(999) += 1;
        dense.remove(&0);
        let held: Vec<_> = dense.iter().map(|(key, value)| (*key, *value)).collect();
        let mut wanted: Vec<_> = (1..1000).map(|n| (n, n)).collect();
        wanted.push((1000, 1));
        (wanted[6].1, wanted[998].1) = (8, 1000);
        assert_eq!(held, wanted);
    }

    #[test]
    fn it_is_laid_out_anew_when_it_has_grown_by_half_and_not_before() {
        let mut dense = DenseMap::default();
        let mut at = Vec::new();
        for n in 0..1000 {
            let before = dense.anew_at;
            dense.insert(n, ());
            if dense.anew_at != before {
                at.push(dense.len());
            }
        }
        assert_eq!(at, [12, 18, 27, 40, 60, 90, 135, 202, 303, 454, 681]);
    }
}
