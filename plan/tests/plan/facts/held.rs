//! What holds a credential up by choice: no permit, refused objects.

use entra_plan::answer::Effect;
use entra_plan::hold::Holds;
use entra_plan::reason::Reason;
use entra_plan::snapshot::Withheld;
use entra_plan::{Object, Time};

use super::super::build::{NOW, failure, name, rationed};
use super::super::choice::Choice;
use super::other_client;

/// No permit for a call: none, for a turn, for an hour, of another binding.
pub fn withheld(c: &mut Choice<'_>) -> Option<Withheld> {
    let for_all = |until: Time, reason| Withheld {
        until,
        long: until >= NOW.plus(20),
        reason,
        message: "the host asked to wait".to_owned(),
        binding: None,
    };
    match c.index(4) {
        0 => None,
        1 => Some(for_all(c.moment(&[5, -5]), Reason::Throttled)),
        2 => Some(for_all(c.moment(&[3600]), Reason::ServiceUnavailable)),
        _ => Some(Withheld {
            binding: Some(other_client()),
            ..for_all(c.moment(&[3600]), Reason::Throttled)
        }),
    }
}

/// What the API server refuses, or was not asked for: nothing, or one object, put off or due again.
pub fn holds(c: &mut Choice<'_>) -> Holds {
    let one = match c.index(6) {
        0 => return Holds::new(),
        1 => Object::Login,
        2 => Object::Session,
        3 => Object::Client,
        4 => Object::Contents(name("graph")),
        _ => Object::Token(name("graph")),
    };
    let refused = failure(Effect::Transient, Reason::WriteRefused, Some(c.moment(&[40, -5])));
    let turned_away = rationed(c.moment(&[6, -5]));
    [(one, if c.index(3) == 0 { turned_away } else { refused })].into()
}
