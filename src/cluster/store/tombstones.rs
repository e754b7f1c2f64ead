//! Deletions, remembered against late events about what was deleted.

use std::collections::{HashMap, VecDeque};

use super::history::{Source, number};
use crate::plan::metadata::Uid;
use crate::reconcile::ports::SecretMeta;

/// Deletions that are remembered.
pub(super) const MOST: usize = 4096;

/// Until which resourceVersion events about a uid are history.
#[derive(Debug, Default)]
pub(super) struct Tombstones {
    dead_at: HashMap<Uid, Death>,
    order: VecDeque<Uid>,
}

/// When somebody died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Death {
    pub(super) version: u64,
    /// A watch shows it no longer, which may only mean that it is not selected any more: then this is the version in
    /// which it lives on, and an answer with it is news.
    pub(super) unseen: bool,
    /// When it was learnt.
    pub(super) learnt: u64,
}

impl Tombstones {
    pub(super) fn put(&mut self, uid: &Uid, death: Death) {
        if let Some(dead_at) = self.dead_at.get_mut(uid) {
            *dead_at = death.max(*dead_at);
            return;
        }
        self.dead_at.insert(uid.clone(), death);
        self.order.push_back(uid.clone());
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.dead_at.remove(&oldest);
        }
    }

    /// Whether this lives although it died in a later version and who asked for it knew that: it rose again in another
    /// history, and the death is none.
    pub(super) fn outlived(&mut self, live: &SecretMeta, asked: u64) -> bool {
        let died_later = |death: &Death| {
            // What is only not selected any more lives on in the version in which the watch lost it.
            let last = death.version.saturating_sub(u64::from(death.unseen));
            death.learnt <= asked && number(&live.version).is_some_and(|version| version <= last)
        };
        let outlived = self.dead_at.get(&live.uid).is_some_and(died_later);
        if outlived {
            self.raise(&live.uid);
        }
        outlived
    }

    fn raise(&mut self, uid: &Uid) {
        self.dead_at.remove(uid);
        self.order.retain(|dead| dead != uid);
    }

    pub(super) fn covers(&self, meta: &SecretMeta, source: Source) -> bool {
        let (Some(death), Some(version)) = (self.dead_at.get(&meta.uid), number(&meta.version)) else {
            return false;
        };
        if source.follows(death.learnt) {
            return false;
        }
        let lives_on = death.unseen && source == Source::Answer;
        version < death.version || (version == death.version && !lives_on)
    }
}
