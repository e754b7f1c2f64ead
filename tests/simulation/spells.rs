//! Spells: one thing goes wrong for hours, and nothing else does.

use entra_operator::api::LOGIN_TYPE;
use entra_operator::plan::metadata::Uid;
use entra_operator::reconcile::ports::{ClusterError, Key};

use super::api::Object;
use super::book::credential_of;
use super::idp::Weather;
use super::world::World;

/// What goes wrong, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spell {
    pub on: Target,
    pub how: Trouble,
}

/// What calls it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Token Secrets of this letter.
    Token(char),
    /// Those up to this letter.
    UpTo(char),
    /// All of them.
    Tokens,
    Session,
    Login,
    Status,
    All,
}

/// How they go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Writes are refused.
    Refused,
    /// Deletions are refused.
    Undeletable,
    /// 500, whatever is asked.
    Error,
    /// 429, whatever is asked, with `Retry-After` or without.
    Busy(Option<i64>),
    /// Somebody changes the object as soon as a write is under way.
    Meddled,
}

/// A call to the API server.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub verb: Verb,
    pub key: &'a Key,
}

/// What is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    Read,
    /// A question about something else than a Secret.
    Ask,
    Write,
    Delete,
    Status,
}

impl Target {
    /// Whether it is about the token Secret of this name.
    fn is_token(self, name: &str) -> bool {
        let letter = name
            .rsplit_once('-')
            .and_then(|(_, last)| last.parse::<char>().ok());
        letter.is_some_and(|letter| match self {
            Self::Token(one) => letter == one,
            Self::UpTo(last) => letter <= last,
            Self::Tokens => true,
            Self::Session | Self::Login | Self::Status | Self::All => false,
        })
    }
}

impl Spell {
    /// All that there are.
    pub const ALL: [Self; 17] = [
        Self::new(Target::Token('a'), Trouble::Refused),
        Self::new(Target::Token('a'), Trouble::Error),
        Self::new(Target::Token('a'), Trouble::Meddled),
        Self::new(Target::Token('a'), Trouble::Undeletable),
        Self::new(Target::Token('b'), Trouble::Refused),
        Self::new(Target::Token('b'), Trouble::Busy(Some(7))),
        Self::new(Target::Session, Trouble::Refused),
        Self::new(Target::Session, Trouble::Error),
        Self::new(Target::Session, Trouble::Meddled),
        Self::new(Target::Login, Trouble::Undeletable),
        Self::new(Target::Login, Trouble::Refused),
        Self::new(Target::Login, Trouble::Error),
        Self::new(Target::Login, Trouble::Meddled),
        Self::new(Target::Status, Trouble::Refused),
        Self::new(Target::Status, Trouble::Error),
        Self::new(Target::All, Trouble::Error),
        Self::new(Target::All, Trouble::Busy(Some(3))),
    ];

    pub const fn new(on: Target, how: Trouble) -> Self {
        Self { on, how }
    }

    fn concerns(self, call: Call<'_>) -> bool {
        let of_secret = !matches!(call.verb, Verb::Ask | Verb::Status);
        match self.on {
            Target::Token(_) | Target::UpTo(_) | Target::Tokens => {
                of_secret && self.on.is_token(&call.key.name)
            }
            Target::Session => of_secret && credential_of(call.key).is_some(),
            Target::Login => of_secret && call.key.name.ends_with("-login"),
            Target::Status => call.verb == Verb::Status,
            Target::All => true,
        }
    }

    /// Whether a call ends in it before anything is done.
    pub fn ends(self, call: Call<'_>) -> Option<ClusterError> {
        if !self.concerns(call) {
            return None;
        }
        let away = |text: &str, retry_after| ClusterError::Unavailable {
            text: text.to_owned(),
            retry_after,
        };
        let writes = matches!(call.verb, Verb::Write | Verb::Delete | Verb::Status);
        match self.how {
            Trouble::Refused if writes => Some(ClusterError::Refused("a policy says no".to_owned())),
            Trouble::Undeletable if call.verb == Verb::Delete => {
                Some(ClusterError::Refused("a policy keeps it".to_owned()))
            }
            Trouble::Error => Some(away("500 Internal Server Error", None)),
            Trouble::Busy(after) => Some(away("429 Too Many Requests", after)),
            Trouble::Refused | Trouble::Undeletable | Trouble::Meddled => None,
        }
    }

    fn meddles(self, call: Call<'_>) -> bool {
        self.how == Trouble::Meddled && self.concerns(call) && matches!(call.verb, Verb::Write | Verb::Delete)
    }

    /// Whether it keeps a whole credential from its tokens.
    const fn is_general(self) -> bool {
        matches!(self.on, Target::Tokens | Target::Session | Target::All)
    }
}

impl World {
    /// Somebody is faster than the operator.
    pub fn meddle(&mut self, call: Call<'_>) {
        if self.spell.is_some_and(|spell| spell.meddles(call)) {
            let nonce = self.nonce();
            self.api
                .edit(call.key, |o| drop(o.labels.insert("meddled".to_owned(), nonce)));
        }
        let login = self.api.secrets.get(call.key).filter(|o| o.kind == LOGIN_TYPE);
        if let (true, Verb::Write, Some(login)) = (self.replaced_as_claimed, call.verb, login.cloned()) {
            self.replaced_as_claimed = false;
            self.api.remove(call.key);
            let (uid, kind) = (Uid::default(), "Opaque".to_owned());
            self.api.put(call.key, Object { uid, kind, ..login });
        }
    }

    /// Whether something goes wrong that concerns more than an entry, a login or a status.
    pub fn is_troubled(&self) -> bool {
        let of_entry = [
            Weather::Fine,
            Weather::FirstPolicy,
            Weather::FirstScope,
            Weather::Paused,
        ];
        !self.faults.is_calm()
            || self.api.terminating_since.is_some()
            || self.faults.watch_delay > 0
            || self.untimed()
            || !of_entry.contains(&self.idp.weather)
            || self.spell.is_some_and(Spell::is_general)
    }

    /// Whether the entry's own trouble may keep this token Secret from being what it should be.
    pub fn is_concerned(&self, secret: &str) -> bool {
        let of_first = [Weather::FirstPolicy, Weather::FirstScope];
        let by_spell = self.spell.is_some_and(|s| s.on.is_token(secret));
        by_spell || (secret.ends_with('a') && of_first.contains(&self.idp.weather))
    }
}
