//! Who was put off by a host that failed or throttled several, to be told as soon as it answers anybody again: that it
//! did not answer was not theirs, so its end is not theirs to wait for.
//!
//! What fails for one credential alone keeps that one's own back-off, however well the others are answered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// So many different ones show that it is not their own failure.
const SEVERAL: usize = 2;

/// Outages by where they are: a circuit, or an authority, tenant and client. `T` is a moment of a clock that is never set.
#[derive(Clone, Debug)]
pub struct Outages<K, T> {
    by_scope: BTreeMap<String, Outage<K, T>>,
    told: VecDeque<K>,
}

#[derive(Clone, Debug)]
struct Outage<K, T> {
    /// Who was put off since the last answer.
    put_off: BTreeSet<K>,
    /// When the last outage of several ended.
    over: Option<T>,
}

impl<K, T> Default for Outages<K, T> {
    fn default() -> Self {
        Self {
            by_scope: BTreeMap::new(),
            told: VecDeque::new(),
        }
    }
}

impl<K, T> Default for Outage<K, T> {
    fn default() -> Self {
        Self {
            put_off: BTreeSet::new(),
            over: None,
        }
    }
}

impl<K: Ord + Clone, T: Ord + Copy> Outages<K, T> {
    /// A request that began then was not answered, or was held back. If an outage has ended since, it belongs to that one.
    /// Gives how many are put off there.
    pub fn put_off(&mut self, scope: &str, who: &K, began: T) -> usize {
        let outage = self.by_scope.entry(scope.to_owned()).or_default();
        if outage.over.is_some_and(|over| began < over) {
            self.told.push_back(who.clone());
        } else {
            outage.put_off.insert(who.clone());
        }
        outage.put_off.len()
    }

    /// One was answered: the others need not wait any longer, if they were several.
    pub fn answered(&mut self, scope: &str, now: T) {
        let Some(outage) = self.by_scope.get_mut(scope) else {
            return;
        };
        let put_off = std::mem::take(&mut outage.put_off);
        if put_off.len() >= SEVERAL {
            outage.over = Some(now);
            self.told.extend(put_off);
        } else if outage.over.is_none() {
            self.by_scope.remove(scope);
        }
    }

    /// The next one who need not wait any longer.
    pub fn tell(&mut self) -> Option<K> {
        self.told.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put_off(outages: &mut Outages<&'static str, u32>, names: &[&'static str], began: u32) {
        for name in names {
            outages.put_off("host", name, began);
        }
    }

    fn told(outages: &mut Outages<&'static str, u32>) -> Vec<&'static str> {
        std::iter::from_fn(|| outages.tell()).collect()
    }

    #[test]
    fn all_that_a_host_put_off_are_told_when_it_answers() {
        let mut outages = Outages::default();
        put_off(&mut outages, &["a", "b"], 1);
        outages.put_off("another", &"c", 1);
        put_off(&mut outages, &["a"], 2);
        assert_eq!(told(&mut outages), [""; 0]);
        outages.answered("host", 3);
        assert_eq!(told(&mut outages), ["a", "b"]);
        outages.answered("host", 4);
        assert_eq!(told(&mut outages), [""; 0], "once");
    }

    #[test]
    fn what_fails_for_one_alone_is_its_own() {
        let mut outages = Outages::default();
        for second in 1..9 {
            put_off(&mut outages, &["a"], second);
            put_off(&mut outages, &["a"], second);
            outages.answered("host", second);
        }
        assert_eq!(told(&mut outages), [""; 0]);
    }

    #[test]
    fn a_request_that_the_end_of_an_outage_overtook_belongs_to_it() {
        let mut outages = Outages::default();
        put_off(&mut outages, &["a", "b"], 1);
        outages.answered("host", 9);
        told(&mut outages);
        put_off(&mut outages, &["c"], 8);
        assert_eq!(told(&mut outages), ["c"]);
        put_off(&mut outages, &["d"], 9);
        outages.answered("host", 10);
        assert_eq!(told(&mut outages), [""; 0], "began after it");
    }

    #[test]
    fn nothing_is_kept_of_a_host_that_had_no_outage() {
        let mut outages = Outages::default();
        put_off(&mut outages, &["a"], 1);
        outages.answered("host", 2);
        assert!(outages.by_scope.is_empty());
    }
}
