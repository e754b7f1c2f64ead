//! Any history of turns: never a fourth send of an account in the window, and no turn is lost for good.

use entra_plan::Time;
use entra_plan::allowance::{Allowance, Ticket};
use entra_plan::mac::UserMac;
use entra_plan::schedule::{SEND_WINDOW, SENDS_PER_ACCOUNT};
use proptest::prelude::*;

/// A send of one of two accounts after so many seconds, and whether its turn is given back.
fn history() -> impl Strategy<Value = Vec<(i64, bool, bool)>> {
    prop::collection::vec((0..400_i64, any::<bool>(), any::<bool>()), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_fourth_send_of_an_account_in_the_window(history in history()) {
        let (mut allowance, mut now) = (Allowance::default(), Time(0));
        let mut sent: [Vec<Time>; 2] = [Vec::new(), Vec::new()];
        let mut open: Option<(Ticket, usize)> = None;
        for (pause, which, back) in history {
            now = now.plus(pause);
            if let Some((ticket, which)) = open.take().filter(|_| back) {
                allowance.give_back(ticket);
                sent[which].pop();
            }
            let which = usize::from(which);
            let recent = sent[which].iter().filter(|at| now.since(**at) < SEND_WINDOW).count();
            match allowance.reserve(&UserMac(["a", "b"][which].to_owned()), "namespace", now) {
                Ok(ticket) => {
                    prop_assert!(recent < SENDS_PER_ACCOUNT, "a fourth send");
                    sent[which].push(now);
                    open = Some((ticket, which));
                }
                Err(until) => {
                    prop_assert_eq!(recent, SENDS_PER_ACCOUNT, "a free turn is refused");
                    prop_assert!(until > now && until.since(now) <= SEND_WINDOW);
                }
            }
        }
    }
}
