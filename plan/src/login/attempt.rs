//! A send is about to begin, and is written down.

use super::inputs;
use crate::Time;
use crate::record::{Attempt, Changed, FirstForm, Record, Verdict};
use crate::schedule;
use crate::snapshot::{LoginSecret, Snapshot};

impl Record {
    /// Writes down that `attempt` is about to be sent from `login`.
    pub fn begin(&mut self, attempt: Attempt, s: &Snapshot, login: &LoginSecret, now: Time) {
        let inputs = inputs(s, login);
        let e = self.entry_mut(&attempt.content);
        let changed = inputs.changed_since(e.inputs.as_ref()) != Changed::No;
        let word = s.word_for(e, now);
        if changed || word.is_some() {
            e.refused_entries.clear();
            e.proven = 0;
        }
        match e.verdict {
            // It stays condemned: an interrupted send is not repeated without another word.
            Verdict::Wrong => {
                e.lifts.retain(|at| now.since(*at) < schedule::DAY);
                e.lifts.push(now);
            }
            Verdict::Accepted => {}
            Verdict::Open | Verdict::Kept(_) => e.verdict = Verdict::Open,
        }
        e.unanswered += 1;
        e.sends += 1;
        e.login_uid = Some(login.uid.clone());
        e.last_sent_at = Some(now);
        e.next_attempt_at = None;
        e.inputs = Some(inputs);
        e.first_form = FirstForm(format!(
            "{};leave={}",
            s.object.first_form.0, login.allows_identity_change
        ));
        e.word_before = e.word;
        e.word = s.word(now).or(e.word);
        self.attempt = Some(attempt);
    }
}
