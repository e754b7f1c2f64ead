//! How often passwords may be sent, whoever asks: by account, so that nobody locks it; by namespace, so that nobody sprays
//! passwords through us. Counted in one process.

use std::collections::BTreeMap;

use super::Time;
use super::mac::UserMac;
use super::schedule::{REFUSALS_PER_NAMESPACE, SEND_WINDOW, SENDS_PER_ACCOUNT, SIGN_IN_LONGEST, TURN_AGAIN};

/// Turns that were taken.
#[derive(Debug, Default)]
pub struct Allowance {
    turns: BTreeMap<Turn, Vec<Taken>>,
}

/// A turn that was taken: for good once its send counts.
#[derive(Clone, Copy, Debug)]
struct Taken {
    at: Time,
    for_good: bool,
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
            .filter_map(|(turn, most)| self.full_until(turn, *most, now))
            .max()
        {
            return Err(at);
        }
        for (turn, _) in turns {
            let taken = Taken {
                at: now,
                for_good: false,
            };
            self.turns.entry(turn).or_default().push(taken);
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
                && let Some(place) = times.iter().position(|taken| taken.is_of(ticket.at))
            {
                times.remove(place);
            }
        }
    }

    /// The send counts: its turn is taken for the whole window.
    pub fn keep(&mut self, ticket: Ticket) {
        for turn in [Turn::Account(ticket.account), Turn::Namespace(ticket.namespace)] {
            let mut times = self.turns.get_mut(&turn).into_iter().flatten();
            if let Some(taken) = times.find(|taken| taken.is_of(ticket.at)) {
                taken.for_good = true;
            }
        }
    }

    /// If all turns are taken: when the oldest is over, or soon where one may be given back. Each question costs a read, so it is
    /// put the later the longer the sign-ins under way take.
    fn full_until(&self, turn: &Turn, most: usize, now: Time) -> Option<Time> {
        let taken = self.turns.get(turn)?;
        let oldest = taken.len().checked_sub(most)?;
        let over = taken.get(oldest)?.at.plus(SEND_WINDOW);
        let under_way = taken.iter().filter(|taken| taken.is_under_way(now));
        let again = under_way.map(|taken| now.plus(TURN_AGAIN.max(now.since(taken.at) / 2)));
        Some(over.min(again.min().unwrap_or(over)))
    }

    /// Turns of the future count as well: the clock was set back, and they end with the window that began then.
    fn forget(&mut self, now: Time) {
        for times in self.turns.values_mut() {
            times.retain(|taken| now.since(taken.at).abs() < SEND_WINDOW);
        }
        self.turns.retain(|_, times| !times.is_empty());
    }
}

impl Taken {
    fn is_of(&self, at: Time) -> bool {
        self.at == at && !self.for_good
    }

    fn is_under_way(&self, now: Time) -> bool {
        !self.for_good && (0..SIGN_IN_LONGEST).contains(&now.since(self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserMac {
        UserMac(name.to_owned())
    }

    /// A send of this account that was refused.
    fn refused(allowance: &mut Allowance, name: &str, namespace: &str, at: i64) {
        let ticket = allowance.reserve(&user(name), namespace, Time(at)).unwrap();
        allowance.keep(ticket);
    }

    #[test]
    fn an_account_gets_three_sends_in_the_window_whoever_asks() {
        let mut allowance = Allowance::default();
        for (at, namespace) in (0..).zip(["a", "b", "c"]) {
            refused(&mut allowance, "user", namespace, at);
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
            refused(&mut allowance, &n.to_string(), "a", 0);
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
        refused(&mut allowance, "user", "a", 0);
        refused(&mut allowance, "user", "a", 0);
        assert!(allowance.reserve(&user("user"), "a", Time(0)).is_err());
        allowance.give_back(ticket.unwrap());
        assert!(allowance.reserve(&user("user"), "a", Time(0)).is_ok());
    }

    /// Three hundred credentials that are applied at once are signed in within seconds, twenty at a time.
    #[test]
    fn who_waits_for_sign_ins_under_way_asks_again_soon() {
        let mut allowance = Allowance::default();
        let tickets: Vec<_> = (0..REFUSALS_PER_NAMESPACE)
            .map(|n| allowance.reserve(&user(&n.to_string()), "a", Time(0)).unwrap())
            .collect();
        let asks = |allowance: &mut Allowance, at| allowance.reserve(&user("x"), "a", Time(at)).err();
        assert_eq!(asks(&mut allowance, 0), Some(Time(TURN_AGAIN)));
        assert_eq!(asks(&mut allowance, 3), Some(Time(3 + TURN_AGAIN)));
        assert_eq!(asks(&mut allowance, 44), Some(Time(44 + 22)));
        assert_eq!(
            asks(&mut allowance, SIGN_IN_LONGEST),
            Some(Time(SEND_WINDOW)),
            "whoever had it is gone"
        );
        assert_eq!(
            asks(&mut allowance, -1),
            Some(Time(SEND_WINDOW)),
            "the clock was set back"
        );
        for ticket in tickets {
            allowance.keep(ticket);
        }
        assert_eq!(
            asks(&mut allowance, 1),
            Some(Time(SEND_WINDOW)),
            "all were refused"
        );
    }
}
