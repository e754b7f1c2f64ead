//! The identity provider: users, refresh tokens that stay valid until they are revoked, access tokens, and its weather.

use std::collections::BTreeMap;

use entra_operator::api::Reason;
use entra_operator::plan::Time;
use entra_operator::plan::answer::{Account, Effect, Granted, Refusal};
use entra_operator::plan::snapshot::Binding;
use entra_operator::reconcile::material::Secret;
use entra_operator::reconcile::ports::Tokens;

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
}

/// An access token that was issued.
#[derive(Clone, Debug)]
pub struct Access {
    pub account: String,
    pub binding: Binding,
    pub scopes: Vec<String>,
    pub at: i64,
    pub expires_at: i64,
    pub refresh: Option<String>,
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
    /// Refresh tokens are called doubtful.
    Doubt,
    /// Logins bring no refresh token, renewals no new one.
    NoRefreshToken,
    /// Renewals are answered for somebody else.
    OtherAccount,
    /// No permits.
    NoPermits,
    /// Answers take their time.
    Slow,
}

impl Weather {
    /// All that is not fine.
    pub const BAD: [Self; 14] = [
        Self::Down,
        Self::Throttled,
        Self::AnswersLost,
        Self::RequestsLost,
        Self::Person(Reason::InteractionRequired),
        Self::Person(Reason::BlockedByPolicy),
        Self::Person(Reason::AccountLocked),
        Self::Person(Reason::AppMisconfigured),
        Self::FirstScope,
        Self::Doubt,
        Self::NoRefreshToken,
        Self::OtherAccount,
        Self::NoPermits,
        Self::Slow,
    ];
}

/// The provider.
#[derive(Debug)]
pub struct Idp {
    pub users: BTreeMap<String, User>,
    pub refresh: BTreeMap<String, Refresh>,
    pub access: BTreeMap<String, Access>,
    pub weather: Weather,
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
}

impl Idp {
    /// A provider in fine weather.
    pub fn new(life: (i64, i64)) -> Self {
        Self {
            users: BTreeMap::new(),
            refresh: BTreeMap::new(),
            access: BTreeMap::new(),
            weather: Weather::Fine,
            life,
            issued: 0,
        }
    }

    /// Answers a sign-in.
    pub fn login(&mut self, rng: &mut Rng, asked: &Asked, user: &str, password: &str) -> Answer {
        self.obstacle(rng, asked)?;
        let Some(known) = self.users.get(user) else {
            return Err(refusal(Effect::Person, Reason::UserNotFound, None));
        };
        if known.password != password {
            return Err(refusal(Effect::Condemned, Reason::WrongPassword, None));
        }
        let account = known.account.clone();
        Ok(self.issue(rng, asked, &account, true))
    }

    /// Answers a renewal.
    pub fn redeem(&mut self, rng: &mut Rng, asked: &Asked, token: &str) -> Answer {
        self.obstacle(rng, asked)?;
        let Some(known) = self.refresh.get(token) else {
            return Err(refusal(Effect::Suspect, Reason::LoginRequired, None));
        };
        if known.revoked {
            return Err(refusal(Effect::Dead, Reason::LoginRequired, None));
        }
        if self.weather == Weather::Doubt {
            return Err(refusal(Effect::Suspect, Reason::LoginRequired, None));
        }
        let account = if self.weather == Weather::OtherAccount {
            STRANGER.to_owned()
        } else {
            known.account.clone()
        };
        Ok(self.issue(rng, asked, &account, false))
    }

    fn obstacle(&self, rng: &mut Rng, asked: &Asked) -> Result<(), Refusal> {
        match self.weather {
            Weather::Down => Err(refusal(Effect::Transient, Reason::ServiceUnavailable, None)),
            Weather::Throttled => {
                let after = rng.range(1, 1200);
                Err(refusal(Effect::Transient, Reason::Throttled, Some(after)))
            }
            Weather::Person(reason) => Err(refusal(Effect::Person, reason, None)),
            Weather::FirstScope if asked.scopes.iter().any(|s| s.contains("api-a")) => {
                Err(refusal(Effect::Entry, Reason::ConsentMissing, None))
            }
            _ => Ok(()),
        }
    }

    fn issue(&mut self, rng: &mut Rng, asked: &Asked, account: &str, by_login: bool) -> Box<Tokens> {
        self.issued += 1;
        let life = rng.range(self.life.0, self.life.1);
        let refresh = (self.weather != Weather::NoRefreshToken).then(|| format!("rt-{}", self.issued));
        if let Some(token) = &refresh {
            let new = Refresh {
                account: account.to_owned(),
                binding: asked.binding.clone(),
                by_login,
                revoked: false,
            };
            self.refresh.insert(token.clone(), new);
        }
        let token = format!("at-{}", self.issued);
        let new = Access {
            account: account.to_owned(),
            binding: asked.binding.clone(),
            scopes: asked.scopes.clone(),
            at: asked.at,
            expires_at: asked.at + life,
            refresh: refresh.clone(),
        };
        self.access.insert(token.clone(), new);
        Box::new(Tokens {
            granted: granted(rng, asked, account, life, (refresh.is_some(), by_login)),
            access_token: Secret::new(token),
            refresh_token: refresh.map(Secret::new),
        })
    }

    /// Revokes all sessions of an account.
    pub fn revoke(&mut self, account: &str) {
        for token in self.refresh.values_mut().filter(|t| t.account == account) {
            token.revoked = true;
        }
    }
}

/// A renewal's answer sometimes does not say whose it is, but not when it is somebody else's.
fn granted(
    rng: &mut Rng,
    asked: &Asked,
    account: &str,
    life: i64,
    (has_refresh_token, by_login): (bool, bool),
) -> Granted {
    let skew = asked.at - asked.wall;
    let issued_at = Time(if skew.abs() > 60 { asked.at } else { asked.wall });
    Granted {
        issued_at,
        expires_at: issued_at.plus(life),
        refresh_at: rng.chance(200).then(|| issued_at.plus(life * 11 / 20)),
        answered_at: Time(asked.at),
        scopes: asked.scopes.clone(),
        account: (by_login || account == STRANGER || !rng.chance(20)).then(|| Account {
            home_account_id: account.to_owned(),
            object_id: format!("oid-{account}"),
            tenant_id: tenant_guid(&asked.binding.tenant),
            username: account.to_owned(),
        }),
        has_refresh_token,
        clock_skew: (skew.abs() > 60).then_some(skew),
    }
}
