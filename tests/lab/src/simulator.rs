//! An Entra token service over TLS, with the authorities beside it, scripted faults and a journal.
//!
//! Faithful where the operator looks: validation order, error bodies, token answers, refresh-token families,
//! revocation, smart lockout. Tests embed it ([`Simulator::start`]); `entra-lab simulator` runs it alone.

#![allow(
    clippy::unreadable_literal,
    reason = "AADSTS codes are written as Microsoft writes them"
)]

mod authority;
mod behaviour;
mod catalogue;
mod certificate;
mod claims;
pub mod cli;
mod client;
mod client_assertion;
mod clock;
mod control;
mod dialect;
mod directory;
mod discovery;
mod error;
mod exchange;
mod faults;
mod federation;
mod form;
mod gate;
mod grant_password;
mod grant_refresh;
mod grant_saml;
mod issue;
mod journal;
pub(crate) mod listener;
mod lockout;
mod loops;
mod openid;
mod realm;
mod refresh_tokens;
mod reply;
mod routes;
mod scope;
mod service;
mod shape;
mod sign_in;
mod signing;
mod throttle;
pub mod tls;
mod token;
pub mod world;
mod yaml;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use behaviour::{
    Behaviour, FederationServer, Lifetime, LockoutPolicy, Metadata, Omit, RateLimit, RefreshIn,
};
pub use clock::{Clock, DAY};
pub use error::{Refusal, Separator};
pub use faults::{Fault, RetryAfter, Rule};
pub use federation::{SamlToken, SoapFault};
pub use gate::Gate;
pub use issue::ACCESS_TOKEN_MARK;
pub use journal::{Entry, Journal, Outcome, digest};
pub use refresh_tokens::{Event, INACTIVITY, REFRESH_TOKEN_MARK};
pub use tls::{Authority, ClientCertificate, TlsError};
pub use world::{
    Account, Application, ClientSecret, Consent, FederatedCredential, Issuer, Policy, Resource, Rotation,
    Tenant, User, World,
};
pub use yaml::YamlError;

use directory::Directory;
use exchange::{Shared, lock};
use listener::{Availability, Handler, Listener};
use service::{Issued, Service};

/// All AADSTS codes that the simulator can put on, in ascending order.
pub fn known_codes() -> impl Iterator<Item = u32> {
    catalogue::codes()
}

/// Why the simulator could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Address or port are not to be had.
    #[error("cannot listen on this address and port")]
    Bind(#[from] std::io::Error),
    /// No certificate.
    #[error("cannot set up TLS")]
    Tls(#[from] TlsError),
    /// No signing key.
    #[error("cannot make a signing key")]
    Signing(#[from] signing::SigningError),
}

/// How to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the service knows.
    pub world: World,
    /// Address to listen on. Only 127.0.0.1 has the name `localhost`; another one, such as 127.0.0.2, leaves port 443
    /// of the others free and stands in the URL itself.
    pub address: IpAddr,
    /// Port; 0 takes any free one.
    pub port: u16,
    /// Further host names for the certificate.
    pub aliases: Vec<String>,
    /// Authority that signs the certificate; a new one if absent.
    pub authority: Option<Authority>,
    /// Switches.
    pub behaviour: Behaviour,
    /// Clock; real time if not shared with a test.
    pub clock: Clock,
    /// Keep every issued token in plain for [`Simulator::secrets_issued`].
    pub keep_secrets: bool,
}

impl Options {
    /// The defaults around this world.
    pub fn new(world: World) -> Self {
        Self {
            world,
            address: listener::LOOPBACK,
            port: 0,
            aliases: Vec::new(),
            authority: None,
            behaviour: Behaviour::default(),
            clock: Clock::default(),
            keep_secrets: true,
        }
    }

    /// The same with access tokens that live this many seconds.
    #[must_use]
    pub fn token_lifetime(mut self, seconds: u64) -> Self {
        self.behaviour.lifetime = Lifetime::Seconds(seconds);
        self
    }
}

/// A running token service; dropping it stops it.
#[derive(Debug)]
pub struct Simulator {
    shared: Shared,
    authority: Authority,
    availability: Availability,
    address: SocketAddr,
    aliases: Vec<String>,
    task: JoinHandle<()>,
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl Simulator {
    /// Starts a token service.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        signing::shared()?;
        let authority = match options.authority.clone() {
            Some(authority) => authority,
            None => Authority::new("entra-lab simulator")?,
        };
        // HTTP/1.1 only: its connections can be cut at exact points.
        let (socket, address) = listener::bind(options.address, options.port).await?;
        let aliases = options.aliases.clone();
        let names = [&[address.ip().to_string()], aliases.as_slice()].concat();
        let tls = Arc::new(authority.server(&names, &["http/1.1"])?);
        let shared = shared(options, base(address));
        let availability = Availability::default();
        let listener = Listener {
            socket,
            tls,
            availability: availability.clone(),
            stop: shared.stop.clone(),
        };
        let task = tokio::spawn(listener.serve(handler(shared.clone())));
        Ok(Self {
            shared,
            authority,
            availability,
            address,
            aliases,
            task,
        })
    }

    /// Stops the service and drops every connection.
    pub async fn shutdown(mut self) {
        self.shared.stop.cancel();
        drop((&mut self.task).await);
    }

    /// Opens the control interface on a port of its own (0: any free one) and returns its URL.
    pub async fn open_control(&self, port: u16) -> Result<String, StartError> {
        let (socket, address) = listener::bind(self.address.ip(), port).await?;
        let names = [&[address.ip().to_string()], self.aliases.as_slice()].concat();
        let tls = Arc::new(self.authority.server(&names, &["http/1.1"])?);
        let (availability, stop) = (Availability::default(), self.shared.stop.clone());
        let listener = Listener {
            socket,
            tls,
            availability,
            stop,
        };
        tokio::spawn(listener.serve(control::handler(self.shared.clone())));
        Ok(base(address))
    }

    /// `https://localhost:PORT`, or the address instead of the name if it is another one.
    pub fn url(&self) -> String {
        self.shared.base.clone()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The certificate that clients must trust.
    pub fn ca_pem(&self) -> String {
        self.authority.pem()
    }

    /// The authority, to start another simulator that the same clients trust.
    pub fn authority(&self) -> Authority {
        self.authority.clone()
    }

    /// Drops all connections and refuses new ones.
    pub fn down(&self) {
        self.availability.down();
    }

    /// Accepts connections again.
    pub fn up(&self) {
        self.availability.up();
    }

    /// The requests so far.
    pub fn journal(&self) -> Journal {
        self.shared.journal.clone()
    }

    /// The clock.
    pub fn clock(&self) -> Clock {
        self.shared.clock.clone()
    }

    /// Every access and refresh token issued so far, in plain, for leak scans.
    pub fn secrets_issued(&self) -> Vec<String> {
        lock(&self.shared.service).issued.secrets.clone()
    }

    /// Turns switches.
    pub fn configure(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut lock(&self.shared.service).behaviour);
    }

    /// Sets the life of access tokens issued from now on.
    pub fn set_token_lifetime(&self, seconds: u64) {
        self.configure(|behaviour| behaviour.lifetime = Lifetime::Seconds(seconds));
    }

    /// Changes the world in any way.
    pub fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        lock(&self.shared.service).directory.change(change)
    }

    /// Changes one user; `None` if there is no such user.
    pub fn change_user<T>(&self, upn: &str, change: impl FnOnce(&mut User) -> T) -> Option<T> {
        lock(&self.shared.service).directory.change_user(upn, change)
    }

    /// Gives the user another password; `event` decides which refresh tokens die.
    pub fn change_password(&self, upn: &str, password: &str, event: Event) {
        self.change_user(upn, |user| password.clone_into(&mut user.password));
        self.happened(upn, event);
    }

    /// Revokes refresh tokens as Microsoft's matrix says for this event.
    pub fn happened(&self, upn: &str, event: Event) {
        lock(&self.shared.service).tokens.happened(upn, event);
    }

    /// "Revoke all sessions".
    pub fn revoke_sessions(&self, upn: &str) {
        self.happened(upn, Event::SessionsRevoked);
    }

    /// Enables, disables or locks an account.
    pub fn set_account(&self, upn: &str, account: Account) {
        self.change_user(upn, |user| user.account = account);
    }

    /// Sets what Conditional Access says about a user.
    pub fn set_policy(&self, upn: &str, policy: Policy) {
        self.change_user(upn, |user| user.policy = policy);
    }

    /// Withdraws a consent.
    pub fn withdraw_consent(&self, upn: &str, client: &str, resource: &str) {
        self.change_user(upn, |user| user.withheld.insert(Consent::new(client, resource)));
    }

    /// Grants a consent again.
    pub fn grant_consent(&self, upn: &str, client: &str, resource: &str) {
        self.change_user(upn, |user| user.withheld.remove(&Consent::new(client, resource)));
    }

    /// Replaces all secrets of an application by this one.
    pub fn set_client_secret(&self, client_id: &str, secret: &str) {
        let secrets = vec![ClientSecret {
            value: secret.to_owned(),
            expires: None,
        }];
        self.change(|world| {
            let mut applications = world.applications.iter_mut();
            if let Some(application) = applications.find(|app| app.client_id == client_id) {
                application.secrets = secrets;
            }
        });
    }

    /// The fault for the next request to the token endpoint.
    pub fn fault(&self, fault: Fault) {
        self.script(Rule::new(fault));
    }

    /// Adds a rule behind those that are there.
    pub fn script(&self, rule: Rule) {
        lock(&self.shared.script).add(rule);
    }

    /// Removes all rules.
    pub fn clear_faults(&self) {
        lock(&self.shared.script).clear();
    }

    /// How many rules have not run out.
    pub fn faults_left(&self) -> usize {
        lock(&self.shared.script).len()
    }
}

/// How clients address a listener; port 443 goes without saying.
fn base(address: SocketAddr) -> String {
    let host = match address.ip() {
        listener::LOOPBACK => "localhost".to_owned(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    match address.port() {
        443 => format!("https://{host}"),
        port => format!("https://{host}:{port}"),
    }
}

fn shared(options: Options, base: String) -> Shared {
    let service = Service {
        directory: Directory::new(options.world),
        behaviour: options.behaviour,
        issued: Issued {
            keep: options.keep_secrets,
            secrets: Vec::new(),
        },
        ..Service::default()
    };
    Shared {
        service: Arc::new(Mutex::new(service)),
        script: Arc::default(),
        journal: Journal::default(),
        clock: options.clock,
        base,
        stop: CancellationToken::new(),
    }
}

fn handler(shared: Shared) -> Handler {
    Arc::new(move |request| Box::pin(exchange::handle(shared.clone(), request)))
}
