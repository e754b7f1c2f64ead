//! The ports of one process: every call waits before and after the server acts, and meets its fate there.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use entra_operator::api::{Cloud, EntraCredentialStatus, Realm, Reason};
use entra_operator::cluster::{Brake, Class, SecretStore, Selects};
use entra_operator::entra::{Clocks, Timing};
use entra_operator::plan::Time;
use entra_operator::plan::answer::{Effect, Refusal};
use entra_operator::plan::metadata::Uid;
use entra_operator::plan::outages::Outages;
use entra_operator::plan::policy::Policy;
use entra_operator::plan::schedule::DAY;
use entra_operator::plan::snapshot::Binding;
use entra_operator::reconcile::material::{ClientCertificate, LoginContent, Secret, StoredSession};
use entra_operator::reconcile::ports::{
    AuthorityRefused, Clock, Cluster, ClusterError, Event, IssuedToken, Key, KeyStore, Kind, Later,
    NewSecret, Outcome, Owner, Ports, Provider, Request, SecretChange, SecretMeta, SecretObject,
    ServiceAccount, View, Wanted,
};
use entra_operator::secrets::Keyring;

use super::faults::Fate;
use super::feed::SecretFeeds;
use super::idp::{Answer, Asked, Weather, refusal, tenant_guid};
use super::spells::{Call, Verb};
use super::wide::is_withdrawn;
use super::world::{START, Shared, Ticks, World, millis};

/// How many of a thousand looks happen after a watch that just spoke.
const EARLY: u32 = 100;

/// A process' hands and eyes.
#[derive(Debug)]
pub struct Process {
    pub world: Shared,
    pub store: SecretStore,
    pub feeds: Mutex<SecretFeeds>,
    pub ring: Keyring,
    pub ticks: Ticks,
    pub slept: Ticks,
    /// How far the node's wall clock is ahead of the true time, seconds.
    pub offset: Arc<AtomicI64>,
    /// What the answers taught about that.
    pub clocks: Clocks,
    /// Whom the provider put off.
    pub outages: Mutex<Outages<Key, Duration>>,
    pub brake: Brake,
    /// What its ticks count from.
    pub epoch: Instant,
}

/// Waits until a moment of virtual time.
struct Gate<'a> {
    world: &'a Shared,
    pause: i64,
    until: Option<i64>,
}

impl Future for Gate<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let mut world = self.world.lock().unwrap();
        let now = world.now();
        let until = self.until.unwrap_or(now + self.pause);
        if now >= until {
            return Poll::Ready(());
        }
        world.sleep_until = Some(until);
        drop(world);
        self.until = Some(until);
        Poll::Pending
    }
}

impl Process {
    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    fn gate(&self, pause: i64) -> Gate<'_> {
        Gate {
            world: &self.world,
            pause,
            until: None,
        }
    }

    fn instant(&self) -> Instant {
        let ticks = self.ticks.load(Ordering::Relaxed);
        self.epoch + Duration::from_millis(u64::try_from(ticks).unwrap())
    }

    fn wall(&self) -> i64 {
        self.ticks.load(Ordering::Relaxed) / 1000 + self.offset.load(Ordering::Relaxed)
    }

    /// One call: it fails before the server acts, or the server acts and the answer may be lost.
    async fn call<T>(
        &self,
        verb: Verb,
        key: &Key,
        act: impl FnOnce(&mut World) -> Result<T, ClusterError>,
    ) -> Result<T, ClusterError> {
        let class = match verb {
            Verb::Read | Verb::Write | Verb::Delete => Class::Secrets,
            Verb::Ask | Verb::Status => Class::Others,
        };
        let Some(wait) = self.brake.turn(class, self.instant()) else {
            return Err(away("it did not answer the last calls"));
        };
        if !wait.is_zero() {
            self.gate(i64::try_from(wait.as_millis()).unwrap()).await;
        }
        let (call, fate) = (Call { verb, key }, self.lock().fate_of(verb));
        self.gate(fate.before).await;
        let done = self.done(call, fate, act);
        self.gate(fate.after).await;
        let failed = done.is_err() || fate.lost;
        let unanswered = fate.lost || matches!(done, Err(ClusterError::Unavailable { .. }));
        self.brake.came(class, !unanswered);
        if failed || !done.as_ref().is_ok_and(|(_, news)| *news) {
            self.lock().count_fruitless(|| format!("{verb:?} {}", key.name));
        }
        if fate.lost {
            return Err(away("the answer was lost"));
        }
        done.map(|(done, _)| done)
    }

    /// What the API server does, and whether it is news.
    fn done<T>(
        &self,
        call: Call<'_>,
        fate: Fate,
        act: impl FnOnce(&mut World) -> Result<T, ClusterError>,
    ) -> Result<(T, bool), ClusterError> {
        if fate.fails {
            return Err(away("the connection was refused"));
        }
        if fate.refused {
            return Err(ClusterError::Refused(
                "the resource quota q is exceeded".to_owned(),
            ));
        }
        let w = &mut *self.lock();
        if w.now() < w.away_until {
            w.book.api_trouble_at = w.now();
            return Err(away("the API server is away"));
        }
        if let Some(error) = w.spell.and_then(|spell| spell.ends(call)) {
            w.book.api_trouble_at = w.now();
            w.note(|| format!("{:?} {}: {error}", call.verb, call.key.name));
            return Err(error);
        }
        w.meddle(call);
        let before = w.api.version();
        let done = act(w)?;
        Ok((done, w.brought_news(call, before)))
    }
}

impl Cluster for Process {
    fn mistold(&self) {
        self.store.mistold();
    }

    async fn date(&self) -> Option<Time> {
        let w = self.lock();
        w.api_answers().then(|| Time(w.seconds()))
    }

    async fn read(&self, key: &Key) -> Result<Option<SecretObject>, ClusterError> {
        let known = self.store.known(key);
        let live = self
            .call(Verb::Read, key, |w| {
                w.judge_read(key, known.meta.as_ref());
                Ok(w.api.read(key))
            })
            .await?;
        self.store
            .answered(key, &known, live.as_ref().map(|object| &object.meta));
        Ok(live)
    }

    async fn peek(&self, key: &Key) -> Result<Option<SecretMeta>, ClusterError> {
        let known = self.store.known(key);
        let live = self
            .call(Verb::Read, key, |w| {
                w.note(|| format!("peek {}", key.name));
                Ok(w.api.read(key).map(|o| o.meta))
            })
            .await?;
        self.store.answered(key, &known, live.as_ref());
        Ok(live)
    }

    async fn create(&self, secret: NewSecret) -> Result<SecretMeta, ClusterError> {
        let meta = self
            .call(Verb::Write, &secret.key, |w| {
                w.judged_write("create", &secret.key, |api| api.create(&secret))
            })
            .await?;
        let by_label = meta.managed.then_some(Selects::Tokens);
        let selects = Selects::of_type(secret.kind).or(by_label);
        self.store.wrote(&secret.key, &meta, selects);
        Ok(meta)
    }

    async fn change(
        &self,
        key: &Key,
        seen: &SecretMeta,
        change: SecretChange,
    ) -> Result<SecretMeta, ClusterError> {
        let meta = self
            .call(Verb::Write, key, |w| {
                w.judged_write("change", key, |api| api.change(key, seen, &change))
            })
            .await?;
        self.store
            .wrote(key, &meta, meta.managed.then_some(Selects::Tokens));
        Ok(meta)
    }

    async fn delete(&self, key: &Key, seen: &SecretMeta) -> Result<(), ClusterError> {
        self.call(Verb::Delete, key, |w| {
            w.judged_write("delete", key, |api| api.delete(key, seen))
        })
        .await?;
        self.store.deleted(key, seen);
        Ok(())
    }

    async fn claims(&self, namespace: &str, claimant: &Owner, login: &str) -> Result<bool, ClusterError> {
        let key = Key::new(namespace, login);
        self.call(Verb::Ask, &key, |w| Ok(w.api.claims(namespace, claimant, login)))
            .await
    }

    async fn lives(&self, key: &Key, uid: &Uid) -> Result<Option<i64>, ClusterError> {
        self.call(Verb::Ask, key, |w| Ok(w.api.lives(key, uid))).await
    }

    async fn namespace_active(&self, name: &str) -> Result<bool, ClusterError> {
        let key = Key::new("", name);
        self.call(Verb::Ask, &key, |w| Ok(w.api.terminating_since.is_none()))
            .await
    }

    async fn service_account(&self, key: &Key) -> Result<Option<ServiceAccount>, ClusterError> {
        self.call(Verb::Ask, key, |w| Ok(w.api.service_account(key)))
            .await
    }

    async fn service_account_token(
        &self,
        key: &Key,
        audience: &str,
        seconds: i64,
    ) -> Result<IssuedToken, ClusterError> {
        let wall = self.wall();
        self.call(Verb::Ask, key, |w| {
            w.note(|| format!("token of {} for {audience}", key.name));
            Ok(IssuedToken {
                token: Secret::new(format!("{}.{}", key.name, w.nonce())),
                expires_at: Time(wall + seconds),
            })
        })
        .await
    }

    async fn write_status(
        &self,
        key: &Key,
        uid: &Uid,
        status: &EntraCredentialStatus,
    ) -> Result<(), ClusterError> {
        self.call(Verb::Status, key, |w| {
            w.judge_status(key, uid, status);
            w.api.write_status(key, uid, status)
        })
        .await
    }

    async fn event(&self, key: &Key, _: &Owner, event: Event) {
        let mut world = self.lock();
        world.note(|| format!("event on {}: {}", key.name, event.reason));
    }
}

fn away(text: &str) -> ClusterError {
    ClusterError::Unavailable {
        text: text.to_owned(),
        retry_after: None,
    }
}

/// What of a call to the provider reaches whom.
struct Trip {
    before: i64,
    after: i64,
    arrives: bool,
    returns: bool,
    later: bool,
}

impl Process {
    fn trip(&self, deadline: i64) -> Trip {
        let mut w = self.lock();
        let weather = w.idp.weather;
        let slow = weather == Weather::Slow;
        let (lost_login, top) = (w.faults.lost_login, if slow { deadline * 600 } else { 300 });
        let lost = w.rng.chance(lost_login);
        let odd = weather != Weather::Fine && w.rng.chance(700);
        if lost || weather != Weather::Fine {
            w.counts.faults += 1;
            w.trouble();
        }
        let before = w.rng.range(5, top / 2);
        let after = w.rng.range(5, top.max(600));
        Trip {
            before,
            after: after.min(deadline * 1000),
            arrives: !(weather == Weather::RequestsLost && odd),
            returns: !(lost || (weather == Weather::AnswersLost && odd)),
            later: weather == Weather::Paused || (weather == Weather::NoPermits && odd),
        }
    }

    fn asked(&self, request: &Request<'_>, wall: i64) -> Asked {
        Asked {
            binding: request.binding.clone(),
            scopes: request.scopes.to_vec(),
            at: self.ticks.load(Ordering::Relaxed) / 1000,
            wall,
            withdrawn: request.client.is_some_and(is_withdrawn),
        }
    }

    fn later(&self) -> Later {
        let mut w = self.lock();
        let now = w.seconds();
        let pause = match w.idp.weather {
            Weather::Paused => {
                // Whoever asks again is told to wait again.
                if w.idp.paused_until <= now {
                    w.idp.paused_until = now + 3600;
                }
                w.idp.paused_until - now
            }
            // Turns are at most a minute away.
            _ => w.rng.pick(&[5, 20, 60]),
        };
        drop(w);
        Later {
            until: Time(self.wall() + pause),
            reason: Reason::Throttled,
            message: "the provider asked to wait".to_owned(),
        }
    }

    fn unanswered() -> Refusal {
        refusal(Effect::Unanswered, Reason::ServiceUnavailable, None)
    }

    /// What the gate in front of the provider learns.
    fn heard(&self, request: &Request<'_>, began: Duration, outcome: &Outcome) {
        let mut outages = self.outages.lock().unwrap();
        let authority = &request.binding.authority;
        match outcome {
            Outcome::Refused(r) if r.reason == Reason::ServiceUnavailable => {
                outages.put_off(authority, request.credential, began);
            }
            Outcome::Granted(_) | Outcome::Refused(_) => outages.answered(authority, self.monotonic()),
            Outcome::Later(_) => {}
        }
    }

    /// The next one who need not wait any longer.
    pub fn tell(&self) -> Option<Key> {
        self.outages.lock().unwrap().tell()
    }

    async fn arrive(&self, trip: &Trip, asked: &Asked, answer: Option<Answer>, deadline: i64) -> Outcome {
        if !(trip.arrives && trip.returns) {
            self.gate(deadline * 1000).await;
            self.lock()
                .count_fruitless(|| "the provider, unanswered".to_owned());
            return Outcome::Refused(Self::unanswered());
        }
        self.gate(trip.after).await;
        let timing = Timing {
            start: Time(asked.wall),
            end: Time(self.wall()),
            date: Some(Time(asked.at)),
        };
        self.clocks.heard(&asked.binding.authority, &timing, self);
        if !matches!(answer, Some(Ok(_))) {
            self.lock().count_fruitless(|| "the provider".to_owned());
        }
        match answer {
            Some(Ok(tokens)) => Outcome::Granted(tokens),
            Some(Err(refusal)) => Outcome::Refused(refusal),
            None => Outcome::Refused(Self::unanswered()),
        }
    }
}

impl Provider for Process {
    /// Whoever has one may still be turned away on the way, as where a realm is asked for first.
    type Permit = ();

    fn permit(&self, _: &Request<'_>) -> Result<(), Later> {
        let mut w = self.lock();
        let held = match w.idp.weather {
            Weather::Paused => true,
            Weather::NoPermits => w.rng.chance(700),
            _ => false,
        };
        drop(w);
        if held { Err(self.later()) } else { Ok(()) }
    }

    fn binding(&self, wanted: &Wanted<'_>) -> Result<Binding, AuthorityRefused> {
        let (authority, tenant) = match (wanted.authority, wanted.tenant) {
            (None, Some(tenant)) => ("login.example", tenant),
            (Some("lab"), Some(tenant)) => ("lab.example", tenant),
            _ => {
                return Err(AuthorityRefused {
                    reason: Reason::AppMisconfigured,
                    message: "no such authority".to_owned(),
                });
            }
        };
        Ok(Binding {
            authority: authority.to_owned(),
            tenant: tenant.to_owned(),
            client_id: wanted.client_id.to_owned(),
        })
    }

    fn ahead(&self, binding: &Binding) -> i64 {
        self.clocks.ahead(&binding.authority, self)
    }

    fn estimate_time(&self, start: Time, end: Time, date: Time) {
        let date = Some(date);
        self.clocks.estimate(&Timing { start, end, date }, self);
    }

    fn audience(&self, _: Option<Cloud>) -> String {
        "api://AzureADTokenExchange".to_owned()
    }

    /// Every certificate is a good one that ends soon: what may be wrong with one is the concern of the protocol tests.
    fn certificate(&self, _: &ClientCertificate, now: Time) -> Result<Time, Box<Refusal>> {
        Ok(now.plus(20 * DAY))
    }

    async fn login(
        &self,
        (): (),
        request: Request<'_>,
        _: Realm,
        content: &LoginContent,
        still_valid: &(dyn Fn() -> bool + Send + Sync),
    ) -> Outcome {
        let began = self.monotonic();
        let trip = self.trip(45);
        let (user, password) = (content.username.expose(), content.password.expose());
        let wall = self.wall();
        let asked = self.asked(&request, wall);
        if trip.later {
            self.lock().judge_unsent(&asked, user, password);
            return Outcome::Later(self.later());
        }
        self.gate(trip.before).await;
        if !still_valid() {
            self.lock().judge_unsent(&asked, user, password);
            return Outcome::Refused(refusal(Effect::Transient, Reason::ServiceUnavailable, None));
        }
        let asked = self.asked(&request, wall);
        let send = self.lock().judge_send(&asked, user, password);
        let answer = trip.arrives.then(|| {
            let w = &mut *self.lock();
            w.idp.login(&mut w.rng, &asked, user, password)
        });
        let outcome = self.arrive(&trip, &asked, answer, 45).await;
        self.heard(&request, began, &outcome);
        self.lock().judge_answer(send, &outcome);
        outcome
    }

    async fn redeem(&self, (): (), request: Request<'_>, session: &StoredSession) -> Outcome {
        let began = self.monotonic();
        let deadline = request.life.map_or(30, |l| (l.seconds() / 8).clamp(1, 30));
        let trip = self.trip(deadline);
        if trip.later {
            return Outcome::Later(self.later());
        }
        let wall = self.wall();
        let asking = self.asked(&request, wall);
        self.lock().judge_due(&asking, &self.store);
        self.gate(trip.before).await;
        let asked = self.asked(&request, wall);
        let token = session.refresh_token.expose();
        self.lock().judge_redemption(&asked, token, &self.store);
        let answer = trip.arrives.then(|| {
            let w = &mut *self.lock();
            w.idp.redeem(&mut w.rng, &asked, session)
        });
        let outcome = self.arrive(&trip, &asked, answer, deadline).await;
        self.heard(&request, began, &outcome);
        self.lock()
            .note(|| format!("redeemed {token}: {}", told(&outcome)));
        outcome
    }

    async fn resolve(&self, request: Request<'_>) -> Result<String, Refusal> {
        let trip = self.trip(30);
        self.gate(trip.before + trip.after).await;
        let down = trip.later || !trip.returns || !trip.arrives;
        if down || self.lock().idp.weather == Weather::Down {
            return Err(refusal(Effect::Transient, Reason::ServiceUnavailable, None));
        }
        Ok(tenant_guid(&request.binding.tenant))
    }
}

/// An outcome in a word.
pub fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Granted(t) => format!("granted {}", t.access_token.expose()),
        Outcome::Refused(r) => format!("{:?} {}", r.effect, r.reason),
        Outcome::Later(at) => format!("later {at:?}"),
    }
}

impl Clock for Process {
    fn now(&self) -> Time {
        Time(self.wall())
    }

    fn monotonic(&self) -> Duration {
        millis(self.ticks.load(Ordering::Relaxed) - self.slept.load(Ordering::Relaxed) - START)
    }

    fn nonce(&self) -> String {
        self.lock().nonce()
    }
}

const fn selects(kind: Kind) -> Selects {
    match kind {
        Kind::Login => Selects::Logins,
        Kind::Session => Selects::RefreshTokens,
        Kind::ClientSecret => Selects::ClientSecrets,
        Kind::Certificate => Selects::Certificates,
        Kind::Token => Selects::Tokens,
    }
}

impl Process {
    /// Sometimes a watch speaks just now: no two looks need to agree. None does while another one tells something.
    fn hear(&self) {
        let Ok(mut w) = self.world.try_lock() else {
            return;
        };
        if w.rng.chance(EARLY) {
            let which = w.rng.below(Selects::ALL.len());
            self.feeds.lock().unwrap().deliver_early(which, &self.store);
        }
    }
}

/// As the operator's own view over its store.
impl View for Process {
    fn secret(&self, kind: Kind, key: &Key) -> Option<SecretMeta> {
        self.hear();
        self.store.get_as(key, selects(kind))
    }

    fn controlled(
        &self,
        namespace: &str,
        owner: &Owner,
        skip: impl Fn(&str) -> bool,
    ) -> Vec<(String, SecretMeta)> {
        self.store.controlled_by(namespace, &owner.uid, skip)
    }

    fn wrote(&self, kind: Kind, key: &Key, meta: SecretMeta) {
        self.store.wrote(key, &meta, Some(selects(kind)));
    }

    fn gone(&self, _: Kind, key: &Key, uid: &Uid) {
        if let Some(meta) = self.store.get(key).filter(|meta| meta.uid == *uid) {
            self.store.deleted(key, &meta);
        }
    }
}

impl KeyStore for Process {
    async fn look(&self) -> Result<(), ClusterError> {
        self.gate(5).await;
        let keys = self.lock().keys.set();
        self.ring.replace(keys);
        Ok(())
    }
}

impl Ports for Process {
    type Cluster = Self;
    type Provider = Self;
    type Vault = Keyring;
    type Keys = Self;
    type View = Self;
    type Clock = Self;

    fn cluster(&self) -> &Self {
        self
    }

    fn provider(&self) -> &Self {
        self
    }

    fn vault(&self) -> &Keyring {
        &self.ring
    }

    fn keys(&self) -> &Self {
        self
    }

    fn view(&self) -> &Self {
        self
    }

    fn clock(&self) -> &Self {
        self
    }

    fn policy(&self) -> &Policy {
        static OPEN: Policy = Policy::open();
        &OPEN
    }
}
