//! The identity provider: users, refresh tokens that stay valid until they are revoked, access tokens, and its weather.

use std::collections::BTreeMap;

use entra_operator::api::Reason;
use entra_operator::plan::Time;
use entra_operator::plan::answer::{Account, Deed, Effect, Granted, Refusal};
use entra_operator::plan::snapshot::Binding;
use entra_operator::reconcile::material::{Secret, StoredSession};
use entra_operator::reconcile::ports::Tokens;

use super::identity;
use super::rng::Rng;

/// Whose answers come by mistake.
pub const STRANGER: &str = "stranger";

/// An account.
#[derive(Clone, Debug)]
pub struct User {
    pub password: String,
    pub account: String,
}

/// A refresh token that was issued.
#[derive(Clone, Debug)]
pub struct Refresh {
    pub account: String,
    pub binding: Binding,
    /// It came with a password, not with another refresh token.
    pub by_login: bool,
    pub revoked: bool,
    /// The token that it was given for.
    pub from: Option<String>,
    /// What its answer says of the time, seconds.
    pub claimed_at: i64,
}

/// An access token that was issued.
#[derive(Clone, Debug)]
pub struct Access {
    pub account: String,
    pub binding: Binding,
    pub scopes: Vec<String>,
    pub expires_at: i64,
    pub refresh: Option<String>,
    /// Its answer says that it is none that can be used.
    pub odd: bool,
}

/// What is wrong with it at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    Fine,
    /// 5xx, refused connections.
    Down,
    /// 429 with `Retry-After`.
    Throttled,
    /// The work is done, the answer is lost.
    AnswersLost,
    /// The request is lost after its bytes left.
    RequestsLost,
    /// Only a person can help.
    Person(Reason),
    /// The scopes of the first entry are refused.
    FirstScope,
    /// Conditional Access refuses the scopes of the first entry.
    FirstPolicy,
    /// Refresh tokens are called doubtful.
    Doubt,
    /// Refresh tokens are called unreadable.
    Unreadable,
    /// User names and passwords are refused, but not without doubt.
    DoubtfulLogins,
    /// Access tokens come that cannot be used.
    Odd,
    /// Logins bring no refresh token, renewals no new one.
    NoRefreshToken,
    /// Renewals are answered for somebody else.
    OtherAccount,
    /// No permits.
    NoPermits,
    /// Another credential of the same client was told to wait for an hour.
    Paused,
    /// Answers take their time.
    Slow,
}

impl Weather {
    /// All that is not fine.
    pub const BAD: [Self; 19] = [
        Self::Down,
        Self::Throttled,
        Self::AnswersLost,
        Self::RequestsLost,
        Self::Person(Reason::InteractionRequired),
        Self::Person(Reason::BlockedByPolicy),
        Self::Person(Reason::AccountLocked),
        Self::Person(Reason::AppMisconfigured),
        Self::FirstScope,
        Self::FirstPolicy,
        Self::Doubt,
        Self::Unreadable,
        Self::DoubtfulLogins,
        Self::Odd,
        Self::NoRefreshToken,
        Self::OtherAccount,
        Self::NoPermits,
        Self::Paused,
        Self::Slow,
    ];
}

/// Whether its answers say who signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// They lack some identifiers now and then, and sometimes all.
    Patchy,
    /// No id_token at a sign-in; renewals name the account.
    Late,
    /// They never say it.
    Silent,
}

/// The provider.
#[derive(Debug)]
pub struct Idp {
    pub issuer: Issuer,
    /// It says that a used refresh token stays redeemable. They all do; only some providers say so.
    pub redeemed_stays_valid: bool,
    pub users: BTreeMap<String, User>,
    pub refresh: BTreeMap<String, Refresh>,
    pub access: BTreeMap<String, Access>,
    pub weather: Weather,
    /// When a pause ends, seconds.
    pub paused_until: i64,
    /// Lives of the tokens it issues, seconds.
    pub life: (i64, i64),
    issued: u64,
}

/// What came of a request, before the network had its say.
pub type Answer = Result<Box<Tokens>, Refusal>;

/// GUID of a tenant, however it is written.
pub fn tenant_guid(tenant: &str) -> String {
    match tenant {
        "contoso.example" | "contoso.alias" => "guid-contoso".to_owned(),
        other => format!("guid-{other}"),
    }
}

/// A refusal.
pub fn refusal(effect: Effect, reason: Reason, retry_after: Option<i64>) -> Refusal {
    Refusal {
        effect,
        reason,
        code: None,
        message: format!("refused: {reason}"),
        remedy: String::new(),
        deed: Deed::Wait,
        correlation_id: None,
        trace_id: None,
        retry_after,
    }
}

/// Where a request goes, what it asks for, and when.
#[derive(Clone, Debug)]
pub struct Asked {
    pub binding: Binding,
    pub scopes: Vec<String>,
    /// Provider's time, seconds.
    pub at: i64,
    /// The node's wall clock as the request starts.
    pub wall: i64,
    /// The client credential that comes with it is one that was withdrawn.
    pub withdrawn: bool,
}

impl Idp {
    /// A provider in fine weather.
    pub fn new(life: (i64, i64), redeemed_stays_valid: bool) -> Self {
        Self {
            issuer: Issuer::Patchy,
            redeemed_stays_valid,
            users: BTreeMap::new(),
            refresh: BTreeMap::new(),
            access: BTreeMap::new(),
            weather: Weather::Fine,
            paused_until: 0,
            life,
            issued: 0,
        }
    }

    /// Answers a sign-in.
    pub fn login(&mut self, rng: &mut Rng, asked: &Asked, user: &str, password: &str) -> Answer {
        self.obstacle(rng, asked)?;
        if self.weather == Weather::DoubtfulLogins {
            return Err(refusal(Effect::Doubtful, Reason::WrongPassword, None));
        }
        let Some(known) = self.users.get(user) else {
            return Err(refusal(Effect::Person, Reason::UserNotFound, None));
        };
        if known.password != password {
            return Err(refusal(Effect::Condemned, Reason::WrongPassword, None));
        }
        let account = known.account.clone();
        Ok(self.issue(rng, asked, &account, None))
    }

    /// Answers a renewal.
    pub fn redeem(&mut self, rng: &mut Rng, asked: &Asked, session: &StoredSession) -> Answer {
        self.obstacle(rng, asked)?;
        let token = session.refresh_token.expose();
        let Some(known) = self.refresh.get(token) else {
            return Err(refusal(Effect::Suspect, Reason::LoginRequired, None));
        };
        match self.weather {
            _ if known.revoked => return Err(refusal(Effect::Dead, Reason::LoginRequired, None)),
            Weather::Doubt => return Err(refusal(Effect::Suspect, Reason::LoginRequired, None)),
            Weather::Unreadable => return Err(refusal(Effect::Unreadable, Reason::LoginRequired, None)),
            _ => {}
        }
        // Nobody can tell a stranger from an account that no answer has named yet.
        let stranger = self.weather == Weather::OtherAccount && identity::is_named(&session.pin);
        let account = if stranger {
            STRANGER.to_owned()
        } else {
            known.account.clone()
        };
        Ok(self.issue(rng, asked, &account, Some(token)))
    }

    fn obstacle(&self, rng: &mut Rng, asked: &Asked) -> Result<(), Refusal> {
        let first = asked.scopes.iter().any(|s| s.contains("api-a"));
        if asked.withdrawn {
            return Err(refusal(Effect::Person, Reason::AppMisconfigured, None));
        }
        match self.weather {
            Weather::Down => Err(refusal(Effect::Transient, Reason::ServiceUnavailable, None)),
            Weather::Throttled => {
                let after = rng.range(1, 1200);
                Err(refusal(Effect::Transient, Reason::Throttled, Some(after)))
            }
            Weather::Person(reason) => Err(refusal(Effect::Person, reason, None)),
            Weather::FirstScope if first => Err(refusal(Effect::Entry, Reason::ConsentMissing, None)),
            Weather::FirstPolicy if first => Err(refusal(Effect::Person, Reason::BlockedByPolicy, None)),
            _ => Ok(()),
        }
    }

    fn issue(&mut self, rng: &mut Rng, asked: &Asked, account: &str, from: Option<&str>) -> Box<Tokens> {
        self.issued += 1;
        let life = rng.range(self.life.0, self.life.1);
        let dry = self.weather == Weather::NoRefreshToken || (from.is_some() && rng.chance(50));
        let refresh = (!dry).then(|| format!("rt-{}", self.issued));
        let odd = self.weather == Weather::Odd && rng.chance(700);
        // Answers are dated by whatever machine gave them.
        let behind = if rng.chance(50) { rng.range(1, 300) } else { 0 };
        let claimed_at = asked.at - behind;
        if let Some(token) = &refresh {
            let new = Refresh {
                account: account.to_owned(),
                binding: asked.binding.clone(),
                by_login: from.is_none(),
                revoked: false,
                from: from.map(str::to_owned),
                claimed_at,
            };
            self.refresh.insert(token.clone(), new);
        }
        let token = format!("at-{}", self.issued);
        let new = Access {
            account: account.to_owned(),
            binding: asked.binding.clone(),
            scopes: asked.scopes.clone(),
            expires_at: asked.at + life,
            refresh: refresh.clone(),
            odd,
        };
        self.access.insert(token.clone(), new);
        let granted = Granted {
            has_refresh_token: refresh.is_some(),
            answered_at: Time(claimed_at),
            unusable: odd.then(|| Box::new(refusal(Effect::Transient, Reason::UnexpectedResponse, None))),
            ..self.granted(rng, asked, account, life, from.is_some())
        };
        Box::new(Tokens {
            granted,
            access_token: Secret::new(token),
            refresh_token: refresh.map(Secret::new),
        })
    }

    fn granted(&self, rng: &mut Rng, asked: &Asked, account: &str, life: i64, renewal: bool) -> Granted {
        let skew = asked.at - asked.wall;
        let issued_at = Time(if skew.abs() > 60 { asked.at } else { asked.wall });
        Granted {
            issued_at,
            expires_at: issued_at.plus(life),
            refresh_at: rng.chance(200).then(|| issued_at.plus(life * 11 / 20)),
            answered_at: Time(asked.at),
            scopes: asked.scopes.clone(),
            account: self.named(rng, asked, account, renewal),
            has_refresh_token: false,
            unusable: None,
            refresh_token_life: rng.chance(300).then_some(90 * 86_400),
            redeemed_stays_valid: self.redeemed_stays_valid,
            checked_by: None,
        }
    }

    /// An answer names an account by some identifiers or by none, but somebody else by all.
    fn named(&self, rng: &mut Rng, asked: &Asked, account: &str, renewal: bool) -> Option<Account> {
        let tenant = tenant_guid(&asked.binding.tenant);
        match self.issuer {
            _ if account == STRANGER => Some(identity::all(account, &tenant)),
            Issuer::Patchy => identity::some(rng, account, &tenant),
            Issuer::Late => renewal.then(|| identity::all(account, &tenant)),
            Issuer::Silent => None,
        }
    }

    /// Whether a refresh token that came back need not be stored yet: it was given for one that is younger than a day and
    /// stays valid. The lives that answers tell are too long to shorten that.
    pub fn may_wait(&self, new: &Refresh) -> bool {
        let from = new.from.as_ref().and_then(|from| self.refresh.get(from));
        let age = from.map(|from| new.claimed_at - from.claimed_at);
        self.redeemed_stays_valid && age.is_some_and(|age| (0..86_400).contains(&age))
    }

    /// Whether somebody was told to wait, and still waits.
    pub fn is_pausing(&self, now: i64) -> bool {
        self.weather == Weather::Paused || now < self.paused_until
    }

    /// Revokes all sessions of an account.
    pub fn revoke(&mut self, account: &str) {
        for token in self.refresh.values_mut().filter(|t| t.account == account) {
            token.revoked = true;
        }
    }
}
