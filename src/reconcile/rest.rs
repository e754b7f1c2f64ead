//! What rests is forgotten.
//!
//! The memory of a credential that waits for its next renewal holds nothing that its status does not tell, and is dropped.
//! Its next pass takes the status in, as a process does that starts.

use super::credential::Credential;
use super::memory::Memory;
use super::observe::first_ahead;
use super::ports::Ports;
use crate::api::EntraCredentialStatus;
use crate::plan::looks::Search;
use crate::plan::{Known, Time};

/// What a process remembers of one credential.
#[derive(Debug, Default)]
pub struct Remembered {
    memory: Option<Box<Memory>>,
    /// What was forgotten is what the status tells. Otherwise, without a memory, this process has not looked at it yet, or
    /// another one has since.
    as_told: bool,
    kept: Option<Box<Kept>>,
}

/// What no status tells and is kept of what rests all the same, because it is little.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Kept {
    deleted_login_at: Option<Time>,
    search: Search,
    login_waiting_since: Option<Time>,
}

impl Remembered {
    /// The memory for a pass.
    pub fn recall<P: Ports>(&mut self, ports: &P, credential: &Credential) -> &mut Memory {
        let as_told = std::mem::take(&mut self.as_told);
        let kept = &mut self.kept;
        self.memory.get_or_insert_with(|| {
            let mut memory = if as_told {
                woken(credential, first_ahead(ports, credential))
            } else {
                Memory::default()
            };
            kept.take().unwrap_or_default().back_into(&mut memory);
            Box::new(memory)
        })
    }

    /// Forgets what `credential` tells, if that is all.
    pub fn rest<P: Ports>(&mut self, ports: &P, credential: &Credential) {
        let rests = |memory: &Memory| rests(memory, credential, first_ahead(ports, credential));
        if let Some(memory) = self.memory.take_if(|memory| rests(memory)) {
            self.kept = Kept::of(&memory);
            self.as_told = true;
        }
    }

    /// The watch tells `credential`, and told `before` so far. What was forgotten is not in another status.
    pub fn is_told(&mut self, before: &Credential, credential: &Credential) {
        self.as_told &= before.status == credential.status;
    }

    /// Another process may have been at work: what the status tells is taken in again. The pocket stays.
    pub fn look_at_status_again(&mut self) {
        self.as_told = false;
        if let Some(memory) = &mut self.memory {
            memory.look_at_status_again();
        }
    }

    /// A list that began anew tells the status, see [`Memory::compare_status`].
    pub fn compare_status(&mut self, credential: &Credential) {
        if let Some(memory) = &mut self.memory {
            memory.compare_status(credential);
        }
    }

    /// The status that was decided last: of a credential that rests it is the one that is told. None before its first pass, and of
    /// one that is gone.
    pub fn decided<'a>(&'a self, credential: &'a Credential) -> Option<&'a EntraCredentialStatus> {
        match &self.memory {
            Some(memory) => (memory.restored && !self.is_gone()).then(|| memory.decided()),
            None => credential.status.as_ref().filter(|_| self.as_told),
        }
    }

    /// Whether the API server said that the credential is gone. The watch tells it later.
    pub fn is_gone(&self) -> bool {
        self.memory.as_ref().is_some_and(|memory| memory.known.deleting)
    }

    /// Since when this process has seen a login Secret wait.
    pub fn login_waiting_since(&self) -> Option<Time> {
        let kept = || self.kept.as_ref().and_then(|kept| kept.login_waiting_since);
        let memory = self.memory.as_ref();
        memory.map_or_else(kept, |memory| memory.login_waiting_since)
    }

    /// What it holds beyond the status, if it holds more.
    pub fn more(&self) -> Option<&Memory> {
        self.memory.as_deref()
    }
}

impl Kept {
    fn of(memory: &Memory) -> Option<Box<Self>> {
        let kept = Self {
            deleted_login_at: memory.known.deleted_login_at,
            search: memory.known.search,
            login_waiting_since: memory.login_waiting_since,
        };
        (kept != Self::default()).then(|| Box::new(kept))
    }

    fn back_into(self, memory: &mut Memory) {
        memory.known.deleted_login_at = self.deleted_login_at;
        memory.known.search = self.search;
        memory.login_waiting_since = self.login_waiting_since;
    }
}

/// Whether forgetting a memory loses nothing: it is told by the status, or read again with the next renewal.
fn rests(memory: &Memory, credential: &Credential, ahead: i64) -> bool {
    let told = credential
        .status
        .as_ref()
        .is_some_and(|status| *status == memory.written);
    let same = memory.generation == memory.written.observed_generation;
    told && same && memory.restored && !holds_more(memory) && {
        let again = woken(credential, ahead).known;
        like(&again, memory.known.clone()) == again
    }
}

fn woken(credential: &Credential, ahead: i64) -> Memory {
    let mut memory = Memory::default();
    memory.restore(credential, || ahead);
    memory.generation = memory.written.observed_generation;
    memory
}

/// Whether it holds what no status tells.
fn holds_more(memory: &Memory) -> bool {
    !memory.pocket.is_empty()
        || memory.unwritten.is_some()
        || memory.account_token.is_some()
        || memory.ticket.is_some()
        || has_failed(&memory.written)
}

/// The status tells one failure where several entries have the same: which of them is tried next is remembered alone.
fn has_failed(status: &EntraCredentialStatus) -> bool {
    status.failure.is_some() || status.tokens.iter().any(|token| token.failure.is_some())
}

/// What is known, without what the next pass learns again or has no use for.
fn like(again: &Known, mut known: Known) -> Known {
    // A renewal reads both; the metrics tell of a certificate's end all the while.
    known.session = None;
    known.client = known.client.filter(|client| client.expires_at.is_some());
    // Who rests asks for nothing soon.
    known.unsteady = None;
    // Who waits for leave to call asks again when it wakes, or is called.
    known.withheld = None;
    // Of one pass.
    known.taken.clear();
    known.stored = 0;
    // It is kept.
    known.deleted_login_at = None;
    known.search = Search::default();
    // The rest of it is in the seal.
    if let (Some(known), Some(told)) = (&mut known.account, &again.account) {
        known.subject.clone_from(&told.subject);
        known.issuer.clone_from(&told.issuer);
    }
    for (name, note) in &mut known.entries {
        // The status tells of every renewal; only one that was put off differs from what the Secret says.
        let told = again.entries.get(name).and_then(|note| note.deferred_until);
        note.deferred_until = note.deferred_until.or(told);
    }
    known.forget_empty_notes();
    known
}

#[cfg(test)]
impl Remembered {
    /// Of a credential that a pass found to be gone.
    pub fn of_what_is_gone(credential: &Credential) -> Self {
        let mut memory = woken(credential, 0);
        memory.known.deleting = true;
        Self {
            memory: Some(Box::new(memory)),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::TokenStatus;
    use crate::plan::metadata::EntryName;
    use crate::reconcile::memory::Unwritten;

    const NOW: Time = Time(1_795_631_000);

    fn usual() -> Credential {
        serde_json::from_str(include_str!("packed/usual.json")).unwrap()
    }

    /// Whether a memory rests that was woken by the usual status, and then changed.
    fn rests_with(change: impl FnOnce(&mut Memory)) -> bool {
        let credential = usual();
        let mut memory = woken(&credential, 0);
        change(&mut memory);
        rests(&memory, &credential, 0)
    }

    #[test]
    fn what_the_status_tells_is_forgotten() {
        assert!(rests_with(|_| ()));
        assert!(rests_with(|m| m.known.stored = 3), "that was of one pass");
        let asked_about = EntryName("asked-about".to_owned());
        assert!(
            rests_with(|m| {
                m.known.note(&asked_about);
            }),
            "nothing was noted"
        );
    }

    /// As a credential is that has never signed in: its status names the Secret, and knows nothing of it.
    #[test]
    fn a_token_of_which_nothing_is_told_is_no_memory() {
        let mut credential = usual();
        for token in &mut credential.status.as_mut().unwrap().tokens {
            *token = TokenStatus {
                secret_name: token.secret_name.clone(),
                ..TokenStatus::default()
            };
        }
        assert!(woken(&credential, 0).known.entries.is_empty());
    }

    /// A credential that waits for its login, and one that has just signed in.
    #[test]
    fn what_is_kept_of_what_rests_is_known_again() {
        let search = Search::begun(NOW, false, false, 7);
        let knows = |memory: &mut Memory| {
            memory.known.search = search;
            memory.known.deleted_login_at = Some(NOW);
            memory.login_waiting_since = Some(NOW);
        };
        assert!(rests_with(knows));
        let (mut before, mut after) = (Memory::default(), Memory::default());
        assert_eq!(Kept::of(&before), None, "nothing is no memory");
        knows(&mut before);
        Kept::of(&before).unwrap().back_into(&mut after);
        assert_eq!(after.known, before.known);
        assert_eq!(after.login_waiting_since, before.login_waiting_since);
    }

    #[test]
    fn of_what_is_gone_nothing_is_told() {
        let credential = usual();
        let lives = Remembered {
            memory: Some(Box::new(woken(&credential, 0))),
            ..Remembered::default()
        };
        assert!(!lives.is_gone() && lives.decided(&credential).is_some());
        let gone = Remembered::of_what_is_gone(&credential);
        assert!(gone.is_gone() && gone.decided(&credential).is_none());
    }

    #[test]
    fn what_no_status_tells_is_remembered() {
        assert!(!rests_with(|m| m.known.turn_at = Some(NOW.plus(60))));
        assert!(!rests_with(|m| m.known.deleting = true));
        assert!(!rests_with(|m| m.generation = Some(1)));
        assert!(!rests_with(|m| m.restored = false));
        assert!(!rests_with(|m| m.written.observed_generation = None));
        assert!(!rests_with(|m| {
            m.unwritten = Some(Box::new(Unwritten {
                status: usual().status.unwrap(),
                tries: 1,
                next_attempt_at: NOW,
            }));
        }));
    }
}
