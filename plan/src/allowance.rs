//! How often passwords may be sent, whoever asks: by account, so that nobody locks it; by namespace, so that nobody sprays
//! passwords through us. Counted in one process.

use std::collections::BTreeMap;

use super::Time;
use super::mac::UserMac;
use super::schedule::{REFUSALS_PER_NAMESPACE, SEND_WINDOW, SENDS_PER_ACCOUNT};

/// Turns that were taken.
#[derive(Debug, Default)]
pub struct Allowance {
    turns: BTreeMap<Turn, Vec<Time>>,
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// Who signs in, at which authority.
    Account(UserMac),
    /// Name of the namespace.
    Namespace(String),
}

/// A turn that was taken, to be given back if the send does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    account: UserMac,
    namespace: String,
    at: Time,
}

impl Allowance {
    /// Takes a turn, or says when there is one.
    pub fn reserve(&mut self, account: &UserMac, namespace: &str, now: Time) -> Result<Ticket, Time> {
        let turns = [
            (Turn::Account(account.clone()), SENDS_PER_ACCOUNT),
            (Turn::Namespace(namespace.to_owned()), REFUSALS_PER_NAMESPACE),
        ];
        self.forget(now);
        if let Some(at) = turns
            .iter()
            .filter_map(|(turn, most)| self.full_until(turn, *most))
            .max()
        {
            return Err(at);
        }
        for (turn, _) in turns {
            self.turns.entry(turn).or_default().push(now);
        }
        Ok(Ticket {
            account: account.clone(),
            namespace: namespace.to_owned(),
            at: now,
        })
    }

    /// Gives a turn back: the send was accepted, refused for a scope, or did not happen.
    pub fn give_back(&mut self, ticket: Ticket) {
        for turn in [Turn::Account(ticket.account), Turn::Namespace(ticket.namespace)] {
            if let Some(times) = self.turns.get_mut(&turn)
                && let Some(place) = times.iter().position(|at| *at == ticket.at)
            {
                times.remove(place);
            }
        }
    }

    /// When the oldest of so many turns is over, if all are taken.
    fn full_until(&self, turn: &Turn, most: usize) -> Option<Time> {
        let taken = self.turns.get(turn)?;
        let oldest = taken.len().checked_sub(most)?;
        taken.get(oldest).map(|at| at.plus(SEND_WINDOW))
    }

    /// Turns of the future count as well: the clock was set back, and they end with the window that began then.
    fn forget(&mut self, now: Time) {
        for times in self.turns.values_mut() {
            times.retain(|at| now.since(*at).abs() < SEND_WINDOW);
        }
        self.turns.retain(|_, times| !times.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserMac {
        UserMac(name.to_owned())
    }

    #[test]
    fn an_account_gets_three_sends_in_the_window_whoever_asks() {
        let mut allowance = Allowance::default();
        for (n, namespace) in ["a", "b", "c"].into_iter().enumerate() {
            assert!(
                allowance
                    .reserve(&user("user"), namespace, Time(i64::try_from(n).unwrap()))
                    .is_ok()
            );
        }
        assert_eq!(
            allowance.reserve(&user("user"), "d", Time(10)),
            Err(Time(SEND_WINDOW))
        );
        assert!(allowance.reserve(&user("other"), "d", Time(10)).is_ok());
        assert!(allowance.reserve(&user("user"), "d", Time(SEND_WINDOW)).is_ok());
    }

    #[test]
    fn a_namespace_gets_twenty() {
        let mut allowance = Allowance::default();
        for n in 0..REFUSALS_PER_NAMESPACE {
            assert!(allowance.reserve(&user(&n.to_string()), "a", Time(0)).is_ok());
        }
        assert_eq!(
            allowance.reserve(&user("x"), "a", Time(5)),
            Err(Time(SEND_WINDOW))
        );
        assert!(allowance.reserve(&user("x"), "b", Time(5)).is_ok());
    }

    #[test]
    fn a_turn_that_is_given_back_is_free_again() {
        let mut allowance = Allowance::default();
        let ticket = allowance.reserve(&user("user"), "a", Time(0));
        for _ in 0..2 {
            assert!(allowance.reserve(&user("user"), "a", Time(0)).is_ok());
        }
        assert!(allowance.reserve(&user("user"), "a", Time(0)).is_err());
        allowance.give_back(ticket.unwrap());
        assert!(allowance.reserve(&user("user"), "a", Time(0)).is_ok());
    }
}
