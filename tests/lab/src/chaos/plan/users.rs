//! The part of the plan that people play. Each credential has one act at a time, and time to get over it.

use std::time::Duration;

use fastrand::Rng;

use super::{Act, Deed, Planned, Settings};
use crate::chaos::cast::{Content, signs_in_late};

/// Seconds that a credential is left alone after an act: a sign-in whose process was killed is taken over after a minute, and
/// every kill of the next one begins that minute anew.
const REST: u64 = 150;

/// Seconds from the begin of the longest act to its end.
const LONGEST: u64 = 25;

/// What one credential goes through.
#[derive(Clone, Debug, Default)]
struct Part {
    /// The user's password.
    right: Content,
    /// Wrong ones so far.
    wrong: u32,
    /// Second from which on it may be in another act.
    free: u64,
}

/// Acts of people, spread evenly over the time.
pub(super) fn plan(settings: &Settings, rng: &mut Rng, deeds: &mut Vec<Planned>) {
    let mut parts = vec![Part::default(); settings.credentials];
    for (i, part) in parts.iter_mut().enumerate().filter(|(i, _)| signs_in_late(*i)) {
        let at = rng.u64(..(settings.seconds / 2).max(1));
        part.free = at + REST;
        deeds.push(second(at, i, Act::Login(part.right)));
    }
    // One for each three seconds.
    for at in (0..settings.seconds.saturating_sub(LONGEST)).step_by(3) {
        let i = rng.usize(..settings.credentials.max(1));
        if let Some(part) = parts.get_mut(i).filter(|part| part.free <= at) {
            part.free = at + REST;
            deeds.extend(part.act(i, at, rng));
        }
    }
}

impl Part {
    fn act(&mut self, i: usize, at: u64, rng: &mut Rng) -> Vec<Planned> {
        let later = at + rng.u64(3..20);
        match rng.u8(..8) {
            0 => {
                self.wrong += 1;
                let wrong = Content::Wrong(self.wrong);
                // The second time it must not be sent.
                [at, later].map(|at| second(at, i, Act::Login(wrong))).into()
            }
            1 => vec![second(at, i, Act::Login(self.right))],
            2 => {
                let next = self.change();
                let revoke = second(at, i, Act::Revoke(next));
                vec![revoke, second(later, i, Act::Login(next))]
            }
            3 => vec![second(at, i, Act::Edit)],
            4 => vec![second(at, i, Act::Remove)],
            5 => vec![second(at, i, Act::Word)],
            6 => vec![second(at, i, Act::Collide), second(later, i, Act::Part)],
            _ => self.begin_anew(i, at, rng),
        }
    }

    /// Deleted, created again after a while, and signed in with another password: its record is gone.
    fn begin_anew(&mut self, i: usize, at: u64, rng: &mut Rng) -> Vec<Planned> {
        let next = self.change();
        let (created, signed_in) = (at + rng.u64(1..8), at + rng.u64(8..20));
        vec![
            second(at, i, Act::Revoke(next)),
            second(at, i, Act::Delete),
            second(created, i, Act::Create),
            second(signed_in, i, Act::Login(next)),
        ]
    }

    fn change(&mut self) -> Content {
        self.right = self.right.next();
        self.right
    }
}

fn second(at: u64, i: usize, act: Act) -> Planned {
    Planned {
        at: Duration::from_secs(at),
        deed: Deed::Of(i, act),
    }
}
