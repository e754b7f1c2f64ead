//! Whose turn it is: round and round over the places, and inside one by deadline. A place with a thousand who wait delays
//! another one by one turn.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};

use super::Time;

/// Who waits, by place.
#[derive(Clone, Debug)]
pub struct Turns<P, K> {
    waiting: BTreeMap<P, BTreeSet<(Time, K)>>,
    /// The place that had the last turn.
    last: Option<P>,
}

impl<P, K> Default for Turns<P, K> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            last: None,
        }
    }
}

impl<P: Ord + Clone, K: Ord> Turns<P, K> {
    /// `who` waits at `place`.
    pub fn wait(&mut self, place: P, deadline: Time, who: K) {
        self.waiting.entry(place).or_default().insert((deadline, who));
    }

    /// `who` waits no longer.
    pub fn leave(&mut self, place: &P, deadline: Time, who: K) {
        if let Some(waiting) = self.waiting.get_mut(place) {
            waiting.remove(&(deadline, who));
            if waiting.is_empty() {
                self.waiting.remove(place);
            }
        }
    }

    /// Takes the next one among the places that may have a turn.
    pub fn next(&mut self, may: impl Fn(&P) -> bool) -> Option<K> {
        let place = self.after_last().find(|place| may(place))?.clone();
        let waiting = self.waiting.get_mut(&place)?;
        let (_, who) = waiting.pop_first()?;
        if waiting.is_empty() {
            self.waiting.remove(&place);
        }
        self.last = Some(place);
        Some(who)
    }

    /// Places where somebody waits.
    pub fn places(&self) -> impl Iterator<Item = &P> + Clone {
        self.waiting.keys()
    }

    /// Whoever waits, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &K> {
        self.waiting.values().flatten().map(|(_, who)| who)
    }

    fn after_last(&self) -> impl Iterator<Item = &P> {
        let after = self.last.as_ref().map_or(Unbounded, Excluded);
        let later = self.waiting.range((after, Unbounded));
        later.chain(self.waiting.iter()).map(|(place, _)| place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(turns: &mut Turns<char, &'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| turns.next(|_| true)).collect()
    }

    fn crowd() -> Turns<char, &'static str> {
        let mut turns = Turns::default();
        for (place, deadline, who) in [
            ('a', 3, "a3"),
            ('a', 1, "a1"),
            ('a', 2, "a2"),
            ('b', 9, "b9"),
            ('c', 7, "c7"),
            ('c', 5, "c5"),
        ] {
            turns.wait(place, Time(deadline), who);
        }
        turns
    }

    #[test]
    fn places_have_turns_and_inside_one_the_deadline_counts() {
        assert_eq!(order(&mut crowd()), ["a1", "b9", "c5", "a2", "c7", "a3"]);
    }

    #[test]
    fn a_place_that_may_not_is_passed_over_and_loses_nothing() {
        let mut turns = crowd();
        assert_eq!(turns.next(|place| *place != 'a'), Some("b9"));
        assert_eq!(turns.next(|place| *place != 'c'), Some("a1"));
        assert_eq!(turns.next(|_| false), None);
        assert_eq!(order(&mut turns), ["c5", "a2", "c7", "a3"]);
    }

    #[test]
    fn who_left_has_no_turn() {
        let mut turns = crowd();
        turns.leave(&'a', Time(1), "a1");
        turns.leave(&'b', Time(9), "b9");
        turns.leave(&'z', Time(9), "b9");
        assert_eq!(turns.places().collect::<Vec<_>>(), [&'a', &'c']);
        assert_eq!(turns.iter().count(), 4);
        assert_eq!(order(&mut turns), ["a2", "c5", "a3", "c7"]);
    }
}
