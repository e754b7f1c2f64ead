//! Facts by choice: the small domains whose products the small world enumerates and the random world samples.

mod held;
mod keys;

pub use held::{holds, withheld};
pub use keys::with_keys;

use entra_plan::mac::{RequestMac, ScopesMac, ShapeMac};
use entra_plan::metadata::{Uid, Version};
use entra_plan::reason::Reason;

use crate::build::CLIENT_SECRET_TYPE;
use entra_plan::Time;
use entra_plan::answer::Effect;
use entra_plan::client::{Client, Expiry};
use entra_plan::policy::{Permission, Permissions};
use entra_plan::record::{Entry, Inputs, Record, Verdict};
use entra_plan::snapshot::{
    Binding, Claim, Content, Failure, Held, LastLogin, LastVerdict, Leftover, Login, LoginOutcome,
    LoginSecret, Newer, Object, Opened, Ownership, Pocket, Published, RefreshOutcome, Repairs, Session,
    StoredToken, Target, Token,
};

use super::build::{
    LIFE, NOW, attempt, binding, failure, first_sight, granted, held, inputs, login, mac, name, names, pin,
    published, refusal, said, sealed, seen, sent_to, session, stored, tag, token, token_mac, tried, word,
};
use super::choice::Choice;
use entra_plan::word::Word;

/// Object: at first sight or known, asked for a renewal, suspended, deleted.
pub fn object(c: &mut Choice<'_>) -> Object {
    let plain = first_sight().object;
    match c.index(5) {
        0 => plain,
        1 => Object {
            was_ready: true,
            ..plain
        },
        2 => requested(&plain),
        3 => Object {
            suspended: true,
            ..plain
        },
        _ => Object {
            deleting: true,
            ..plain
        },
    }
}

/// Object with or without a request; neither suspended nor deleted.
pub fn object_asked(c: &mut Choice<'_>) -> Object {
    let plain = first_sight().object;
    if c.flag() { requested(&plain) } else { plain }
}

/// The same, asked for a renewal just now.
pub fn requested(object: &Object) -> Object {
    Object {
        said: said(-1),
        ..object.clone()
    }
}

/// Other inputs than those of [`inputs`].
pub fn older_inputs() -> Inputs {
    Inputs {
        scopes: ScopesMac("older".to_owned()),
        ..inputs()
    }
}

/// Target: known, refused, written differently (resolved to the same or another tenant or not yet), another client.
pub fn target(c: &mut Choice<'_>) -> Target {
    let known = |binding: Binding, resolved: Option<&str>| Target::Known {
        binding,
        resolved_tenant: resolved.map(str::to_owned),
    };
    let renamed = Binding {
        tenant: "contoso.other".to_owned(),
        ..binding()
    };
    match c.index(7) {
        0 => known(binding(), None),
        5 => known(other_client(), Some(super::build::TENANT_ID)),
        1 => known(renamed, None),
        2 => known(renamed, Some(super::build::TENANT_ID)),
        3 => known(renamed, Some("22222222-0000-4000-8000-000000000002")),
        4 => known(other_client(), None),
        _ => Target::Refused {
            reason: Reason::AppMisconfigured,
            message: "no such authority".to_owned(),
        },
    }
}

/// Policy: silent, against the target or the account, or waiting for the tenant's GUID.
pub fn permissions(c: &mut Choice<'_>) -> Permissions {
    let denied = || Permission::Denied("the policy does not allow it".to_owned());
    let (target, account) = match c.index(4) {
        0 => (Permission::Granted, Permission::Granted),
        1 => (Permission::Unresolved, Permission::Granted),
        2 => (denied(), Permission::Granted),
        _ => (Permission::Granted, denied()),
    };
    Permissions { target, account }
}

fn other_client() -> Binding {
    Binding {
        client_id: "other".to_owned(),
        ..binding()
    }
}

/// Client: public, with a credential, or with one that is missing.
pub fn client(c: &mut Choice<'_>) -> Client {
    let secret = "client-secret".to_owned();
    let kind = CLIENT_SECRET_TYPE;
    let expires = Expiry::Unknown;
    c.of(&[
        Client::Public,
        Client::Missing { secret, kind },
        Client::Credential { expires },
    ])
}

/// Login Secret in every state of claim and content.
pub fn any_login(c: &mut Choice<'_>) -> Login {
    match c.index(4) {
        0 => Login::Absent,
        1 => Login::WrongType,
        2 => Login::Present(LoginSecret {
            deleting: true,
            ..login("A")
        }),
        _ => Login::Present(LoginSecret {
            claim: c.of(&[Claim::Ours, Claim::Free, Claim::Unchecked, Claim::Held]),
            content: content(c),
            ..login("A")
        }),
    }
}

fn content(c: &mut Choice<'_>) -> Content {
    match c.index(4) {
        0 => Content::Unread,
        1 => Content::Invalid("it has no key password".to_owned()),
        2 => Content::Forbidden("this user is not allowed here".to_owned()),
        _ => Content::Valid { mac: mac("A") },
    }
}

/// Refresh-token Secret of every owner, with what a token of ours can be.
pub fn any_session(c: &mut Choice<'_>) -> Session {
    let ownership = c.of(&[
        Ownership::Ours,
        Ownership::Absent,
        Ownership::Foreign,
        Ownership::Predecessor,
        Ownership::Adoptable,
    ]);
    match ownership {
        Ownership::Absent => Session::default(),
        Ownership::Ours => Session {
            immutable: c.flag(),
            ..session_with(c, Record::default())
        },
        ownership => Session {
            ownership,
            opened: Opened::Unread,
            ..session()
        },
    }
}

/// Refresh-token Secret of ours that holds `record` and a token in some state; perhaps not read yet.
pub fn session_with(c: &mut Choice<'_>, record: Record) -> Session {
    let read = session_that_was_read(c, record);
    let opened = if read.token.is_some() && c.flag() {
        Opened::Unread
    } else {
        read.opened
    };
    Session { opened, ..read }
}

/// The same, after a read: a token opens or not.
pub fn session_that_was_read(c: &mut Choice<'_>, record: Record) -> Session {
    let token = refresh_token(c);
    let unsealable = token.is_some() && c.flag();
    let opens = token.is_some() && !unsealable;
    let opened = Opened::Read {
        record: Some(record),
        session: opens.then(|| sealed(pin())),
        unsealable,
    };
    Session {
        token,
        opened,
        ..session()
    }
}

/// None, living, dead, of another tenant.
pub fn refresh_token(c: &mut Choice<'_>) -> Option<StoredToken> {
    let other = Binding {
        tenant: "other.example".to_owned(),
        ..binding()
    };
    match c.index(4) {
        0 => Some(stored(binding())),
        1 => None,
        2 => Some(StoredToken {
            ends_at: None,
            dead_since: Some(c.moment(&[-60])),
            ..stored(binding())
        }),
        _ => Some(StoredToken {
            ends_at: None,
            tenant_id: "other".to_owned(),
            ..stored(other)
        }),
    }
}

/// What is remembered of content A, and perhaps an attempt in flight with it or with another content.
pub fn record(c: &mut Choice<'_>) -> (Record, Option<entra_plan::snapshot::AttemptSeen>) {
    let entry = history(c);
    let mut record = Record {
        entries: vec![entry],
        attempt: None,
    };
    if c.flag() {
        record.attempt = Some(attempt(c.of(&["A", "B"])));
    }
    let unsent_ours = record.attempt.is_some() && c.flag();
    let known = unsent_ours || c.flag();
    let seen = known.then(|| seen(c.moment(&[-5, -45, -90]), unsent_ours));
    (record, seen)
}

/// What is remembered of content A.
pub fn history(c: &mut Choice<'_>) -> Entry {
    let verdict = c.of(&[
        Verdict::Open,
        Verdict::Accepted,
        Verdict::Wrong,
        Verdict::Kept(Reason::InteractionRequired),
    ]);
    let open = verdict == Verdict::Open;
    let uid = Uid(c.of(&["login-1", "login-0"]).to_owned());
    let (inputs, word) = sent_under(c);
    Entry {
        unanswered: if open { c.of(&[0, 1, 3]) } else { c.of(&[0, 3]) },
        next_attempt_at: if open && c.flag() {
            Some(c.moment(&[-5, 30]))
        } else {
            None
        },
        last_sent_at: Some(c.moment(&[-5, -45, -3600])),
        inputs,
        word,
        refused_entries: if c.flag() { names(&["graph"]) } else { Vec::new() },
        login_uid: Some(uid),
        ..tried(verdict)
    }
}

/// What was in force when a content was sent last: the same as now, older inputs, a person's word.
fn sent_under(c: &mut Choice<'_>) -> (Option<Inputs>, Option<Word>) {
    c.of(&[
        (Some(inputs()), None),
        (Some(older_inputs()), None),
        (Some(inputs()), Some(word(-1))),
    ])
}

/// The clear annotation about content A.
pub fn last_login(c: &mut Choice<'_>) -> Option<LastLogin> {
    let (inputs, word) = sent_under(c);
    c.flag().then(|| LastLogin {
        verdict: Some(c.of(&[
            LastVerdict::Open,
            LastVerdict::Accepted,
            LastVerdict::Wrong,
            LastVerdict::Kept,
        ])),
        login_uid: Some(Uid(c.of(&["login-1", "login-0"]).to_owned())),
        login_version: Some(Version(c.of(&["1", "0"]).to_owned())),
        sends: 1,
        last_sent_at: Some(NOW.plus(-45)),
        next_attempt_at: if c.flag() { Some(c.moment(&[30, -5])) } else { None },
        made_for: Some(sent_to()),
        inputs,
        word,
    })
}

/// Failure of the refresh token, client or tenant: none, put off, due again, not before something changes.
pub fn any_failure(c: &mut Choice<'_>) -> Option<Failure> {
    let (effect, reason) = match c.index(5) {
        0 => return None,
        1 => (Effect::Transient, Reason::ServiceUnavailable),
        2 => (Effect::Person, Reason::InteractionRequired),
        3 => return Some(failure(Effect::Person, Reason::NotAllowed, None)),
        _ => (Effect::Suspect, Reason::LoginRequired),
    };
    Some(failure(effect, reason, Some(c.moment(&[40, -5, 1200]))))
}

/// The same in four states.
pub fn brief_failure(c: &mut Choice<'_>) -> Option<Failure> {
    let transient = |next| Some(failure(Effect::Transient, Reason::ServiceUnavailable, Some(next)));
    match c.index(4) {
        0 => None,
        1 => transient(c.moment(&[40])),
        2 => transient(c.moment(&[-5])),
        _ => Some(failure(Effect::Person, Reason::InteractionRequired, None)),
    }
}

/// Failure of a login: none, put off, its answer was a refusal.
pub fn login_failure(c: &mut Choice<'_>) -> Option<Failure> {
    let refused = |reason, next| Some(failure(Effect::Transient, reason, Some(next)));
    match c.index(4) {
        0 => None,
        1 => refused(Reason::Throttled, c.moment(&[40, -5])),
        2 => Some(failure(Effect::Person, Reason::InteractionRequired, None)),
        _ => Some(failure(Effect::Condemned, Reason::WrongPassword, None)),
    }
}

/// Answers that are not stored yet.
pub fn pocket(c: &mut Choice<'_>) -> Pocket {
    let outcome = |result| LoginOutcome {
        content: mac("A"),
        attempt: "attempt-1".to_owned(),
        entry: name("graph"),
        client: None,
        user: pin().user,
        result,
    };
    match c.index(5) {
        0 => Pocket::default(),
        1 => Pocket {
            refresh: Some(newer(c.moment(&[-1]))),
            login: None,
        },
        2 => Pocket {
            refresh: Some(RefreshOutcome::Dead {
                redeemed: token_mac("stored"),
                since: c.moment(&[-1]),
            }),
            login: None,
        },
        3 => Pocket {
            login: Some(outcome(Ok(granted(NOW, LIFE)))),
            refresh: None,
        },
        _ => {
            let wrong = refusal(Effect::Condemned, Reason::WrongPassword);
            Pocket {
                login: Some(outcome(Err(wrong))),
                refresh: None,
            }
        }
    }
}

/// A newer refresh token for the one that is stored.
pub fn newer(answered_at: Time) -> RefreshOutcome {
    RefreshOutcome::Newer(Newer {
        redeemed: token_mac("stored"),
        answered_at,
        account: tag(),
    })
}

/// A token entry in every state.
pub fn any_token(c: &mut Choice<'_>, name: &str) -> Token {
    let ownership = c.of(&[
        Ownership::Ours,
        Ownership::Absent,
        Ownership::Foreign,
        Ownership::Predecessor,
        Ownership::Adoptable,
    ]);
    let usable = matches!(ownership, Ownership::Ours | Ownership::Absent);
    let published = if ownership == Ownership::Ours {
        any_published(c)
    } else {
        None
    };
    Token {
        held: if usable { any_held(c) } else { None },
        failure: if usable { token_failure(c) } else { None },
        deferred_until: if published.is_some() && c.flag() {
            Some(c.moment(&[300, -5]))
        } else {
            None
        },
        repairs: if usable && c.flag() {
            Some(Repairs {
                count: 1,
                at: c.moment(&[-5, -60]),
            })
        } else {
            None
        },
        unlooked: ownership == Ownership::Absent && c.flag(),
        ownership,
        published,
        ..token(name)
    }
}

/// What is published: early, due within a minute, due, close to expiry, expired; of another request or shape; edited,
/// not verified, not writable, under other labels.
pub fn any_published(c: &mut Choice<'_>) -> Option<Published> {
    let at = |c: &mut Choice<'_>, age: i64| published(c.moment(&[age]), LIFE);
    let early = |c: &mut Choice<'_>| at(c, -600);
    Some(match c.index(12) {
        0 => early(c),
        1 => at(c, -2130),
        2 => at(c, -2170),
        3 => at(c, -3590),
        4 => at(c, -3601),
        5 => Published {
            request: RequestMac("former".to_owned()),
            ..early(c)
        },
        6 => Published {
            shape: ShapeMac("former".to_owned()),
            ..early(c)
        },
        7 => Published {
            edited: true,
            ..early(c)
        },
        8 => Published {
            verified: false,
            ..early(c)
        },
        9 => Published {
            unwritable: true,
            ..early(c)
        },
        10 => Published {
            unlabelled: true,
            ..early(c)
        },
        _ => return None,
    })
}

/// What the pocket holds for an entry: nothing; a token that outlives all, some or nothing; one of another request.
pub fn any_held(c: &mut Choice<'_>) -> Option<Held> {
    match c.index(5) {
        0 => None,
        1 => Some(held(super::build::REQUEST, 3600)),
        2 => Some(held(super::build::REQUEST, 1000)),
        3 => Some(held(super::build::REQUEST, -1)),
        _ => Some(held("former", 3600)),
    }
}

/// Failure of one entry.
pub fn token_failure(c: &mut Choice<'_>) -> Option<Failure> {
    match c.index(4) {
        0 => None,
        1 => Some(failure(
            Effect::Entry,
            Reason::ConsentMissing,
            Some(c.moment(&[900, -5])),
        )),
        2 => Some(failure(
            Effect::Transient,
            Reason::UnexpectedResponse,
            Some(c.moment(&[40, -5])),
        )),
        _ => Some(failure(Effect::Person, Reason::AppMisconfigured, None)),
    }
}

/// Token Secrets that the spec dropped.
pub fn leftovers(c: &mut Choice<'_>) -> Vec<Leftover> {
    let leftover = Leftover {
        name: name("dropped"),
    };
    if c.flag() { vec![leftover] } else { Vec::new() }
}
