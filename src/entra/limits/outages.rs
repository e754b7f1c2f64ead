//! Who was put off by a host that failed or throttled several, to be told as soon as it answers anybody again: that it
//! did not answer was not theirs, so its end is not theirs to wait for.
//!
//! What fails for one credential alone keeps that one's own back-off, however well the others are answered.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use crate::reconcile::ports::Key;

/// So many different ones show that it is not their own failure.
const SEVERAL: usize = 2;

/// How long the end of an outage is remembered: longer than any request lasts.
const REMEMBERED: Duration = Duration::from_mins(1);

/// Outages by where they are: a circuit, or an authority, tenant and client.
#[derive(Debug, Default)]
pub(super) struct Outages {
    by_scope: HashMap<String, Outage>,
    told: VecDeque<Key>,
}

#[derive(Debug, Default)]
struct Outage {
    /// Who was put off since the last answer.
    put_off: BTreeSet<Key>,
    /// When the last outage of several ended.
    over: Option<Duration>,
}

impl Outages {
    /// A request that began then was not answered, or was held back. If an outage has ended since, it belongs to that one.
    pub(super) fn put_off(&mut self, scope: &str, who: &Key, began: Duration) {
        let outage = self.by_scope.entry(scope.to_owned()).or_default();
        if outage.over.is_some_and(|over| began < over) {
            self.told.push_back(who.clone());
        } else {
            outage.put_off.insert(who.clone());
        }
    }

    /// One was answered: the others need not wait any longer, if they were several.
    pub(super) fn answered(&mut self, scope: &str, now: Duration) {
        let Some(outage) = self.by_scope.get_mut(scope) else {
            return;
        };
        let put_off = std::mem::take(&mut outage.put_off);
        if put_off.len() >= SEVERAL {
            outage.over = Some(now);
            self.told.extend(put_off);
        } else if outage
            .over
            .is_none_or(|over| now.saturating_sub(over) > REMEMBERED)
        {
            self.by_scope.remove(scope);
        }
    }

    /// The next one who need not wait any longer.
    pub(super) fn tell(&mut self) -> Option<Key> {
        self.told.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn put_off(outages: &mut Outages, names: &[&str], began: u32) {
        for name in names {
            outages.put_off("host", &Key::new("n", *name), SECOND * began);
        }
    }

    fn told(outages: &mut Outages) -> Vec<String> {
        std::iter::from_fn(|| outages.tell())
            .map(|key| key.name.to_string())
            .collect()
    }

    #[test]
    fn all_that_a_host_put_off_are_told_when_it_answers() {
        let mut outages = Outages::default();
        put_off(&mut outages, &["a", "b"], 1);
        outages.put_off("another", &Key::new("n", "c"), SECOND);
        put_off(&mut outages, &["a"], 2);
        assert_eq!(told(&mut outages), Vec::<String>::new());
        outages.answered("host", SECOND * 3);
        assert_eq!(told(&mut outages), ["a", "b"]);
        outages.answered("host", SECOND * 4);
        assert_eq!(told(&mut outages), Vec::<String>::new(), "once");
    }

    #[test]
    fn what_fails_for_one_alone_is_its_own() {
        let mut outages = Outages::default();
        for second in 1..9 {
            put_off(&mut outages, &["a"], second);
            put_off(&mut outages, &["a"], second);
            outages.answered("host", SECOND * second);
        }
        assert_eq!(told(&mut outages), Vec::<String>::new());
    }

    #[test]
    fn a_request_that_the_end_of_an_outage_overtook_belongs_to_it() {
        let mut outages = Outages::default();
        put_off(&mut outages, &["a", "b"], 1);
        outages.answered("host", SECOND * 9);
        told(&mut outages);
        put_off(&mut outages, &["c"], 8);
        assert_eq!(told(&mut outages), ["c"]);
        put_off(&mut outages, &["d"], 9);
        outages.answered("host", SECOND * 10);
        assert_eq!(told(&mut outages), Vec::<String>::new(), "began after it");
    }

    #[test]
    fn nothing_is_kept_of_a_host_that_answers() {
        let mut outages = Outages::default();
        put_off(&mut outages, &["a"], 1);
        outages.answered("host", SECOND);
        assert!(outages.by_scope.is_empty());
        put_off(&mut outages, &["a", "b"], 1);
        outages.answered("host", SECOND);
        outages.answered("host", SECOND + REMEMBERED);
        assert_eq!(outages.by_scope.len(), 1);
        outages.answered("host", SECOND * 2 + REMEMBERED);
        assert!(outages.by_scope.is_empty());
    }
}
