//! A read or a look brought something.

use super::trouble;
use crate::Time;
use crate::answer::{Effect, Refusal};
use crate::hold::Object;
use crate::known::{ClientSeen, Known, LoginSeen, SessionSeen};
use crate::metadata::Version;
use crate::schedule::retry_login;
use crate::snapshot::{AttemptSeen, Claim, Opened, Snapshot};

/// The login Secret was read. What holds it is not over by that: a write may be refused all the same.
pub fn login(known: &mut Known, seen: LoginSeen) {
    known.login = Some(seen);
}

/// There is none.
pub fn no_login(known: &mut Known) {
    known.login = None;
}

/// There is one, of another type: it is not looked into.
pub fn login_of_another_type(known: &mut Known) {
    known.login = None;
    known.search.seen = known.search.seen.max(2);
}

/// Our claim is on the login Secret, in this version.
pub fn claimed(known: &mut Known, version: Version) {
    trouble::over(known, &Object::Login);
    if let Some(login) = &mut known.login {
        login.version = version;
        login.claim = Claim::Ours;
    }
}

/// The refresh-token Secret was read and opened. What holds it is not over by that.
pub fn session(known: &mut Known, seen: SessionSeen, immutable: bool, now: Time) {
    if let Opened::Read {
        record: Some(record), ..
    } = &seen.opened
    {
        let id = record.attempt.as_ref().map(|a| a.id.as_str());
        see_attempt(known, id, now);
    }
    if immutable {
        known.immutable_session = Some(seen.version.clone());
    }
    known.session = Some(seen);
}

/// There is none.
pub fn no_session(known: &mut Known) {
    known.session = None;
}

/// The 60 s after which an attempt is taken over count from when this process first saw it.
fn see_attempt(known: &mut Known, id: Option<&str>, now: Time) {
    let Some(id) = id else {
        known.attempt = None;
        return;
    };
    if known.attempt.as_ref().is_none_or(|seen| seen.id != id) {
        known.attempt = Some(AttemptSeen {
            id: id.to_owned(),
            first_seen: now,
            unsent_ours: false,
        });
    }
}

/// The client credential was read and can be used.
pub fn client(known: &mut Known, seen: ClientSeen) {
    trouble::over(known, &Object::Client);
    known.client = Some(seen);
}

/// The client credential cannot be used, and says why: no call is made with it. What no watch shows is looked at again by
/// itself.
pub fn client_refused(known: &mut Known, s: &Snapshot, refusal: Refusal, now: Time) {
    let before = s.holds.get(&Object::Client);
    let looked_at_again = refusal.effect == Effect::Transient;
    let mut next = super::failure::next(before, refusal, now, s.object.spread, None);
    if looked_at_again {
        next.next_attempt_at = Some(retry_login(now, next.consecutive, None));
    }
    next.under = Some(s.circumstances());
    known.handled = s.word_for_renewal(now).or(known.handled);
    known.holds.insert(Object::Client, next);
}

/// `object` was looked at; the view was told what there is.
pub fn looked(known: &mut Known, s: &Snapshot, object: &Object, exists: bool, now: Time) {
    known.moved.retain(|moved| moved != object);
    match object {
        Object::Token(name) => {
            let note = known.note(name);
            note.looked_at = Some(now);
            note.gone = !exists;
        }
        Object::Session => known.search.session_looked_at = Some(now),
        Object::Login if s.lacks_login() => known.search = known.search.looked(exists, now),
        Object::Login | Object::Client | Object::Contents(_) => {}
    }
}
