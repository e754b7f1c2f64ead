//! The client under test, against a [`Server`], with a clock that the test may move.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use entra_operator::api::{Cloud, Realm};
use entra_operator::entra::{Authorities, Client, Declared, Federation, Grant, Kind, Limits, Peer};
use entra_operator::plan::Time;
use entra_operator::plan::answer::{Account, Effect, Refusal};
use entra_operator::plan::identity::Pin;
use entra_operator::plan::schedule::Life;
use entra_operator::plan::snapshot::Binding;
use entra_operator::reconcile::material::{ClientAuthentication, LoginContent, Secret, StoredSession};
use entra_operator::reconcile::ports::{Clock, Key, Outcome, Provider, Request, Tokens, Wanted};

use crate::server::Server;

pub(crate) const TENANT: &str = "contoso.example";
pub(crate) const CLIENT_ID: &str = "3f0c1a52-0000-4000-8000-000000000001";
pub(crate) const USER: &str = "alice@contoso.example";
pub(crate) const PASSWORD: &str = "marker-pass word&=+ä";
pub(crate) const REFRESH_TOKEN: &str = "marker-refresh-token";
/// Files that the configuration names. Nobody reads them here: the tests hand over what would be in them.
pub(crate) const CA: &str = "/etc/entra-operator/lab-ca.pem";
pub(crate) const FEDERATION_CA: &str = "/etc/entra-operator/federation-ca.pem";
pub(crate) const SCOPE: &str = "api://x/.default";

/// A request as the metrics hear of it.
pub(crate) type Observed = (Grant, Result<(), Effect>);

/// Real time plus what the test adds.
#[derive(Debug)]
pub(crate) struct TestClock {
    start: Instant,
    added: AtomicI64,
    nonces: AtomicU64,
}

impl TestClock {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            added: AtomicI64::new(0),
            nonces: AtomicU64::new(0),
        })
    }

    pub(crate) fn forward(&self, seconds: i64) {
        self.added.fetch_add(seconds, Ordering::SeqCst);
    }

    fn added(&self) -> Duration {
        Duration::from_secs(self.added.load(Ordering::SeqCst).try_into().unwrap())
    }
}

impl Clock for TestClock {
    fn now(&self) -> Time {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + self.added();
        Time(now.as_secs().try_into().unwrap())
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed() + self.added()
    }

    fn nonce(&self) -> String {
        format!("attempt-{}", self.nonces.fetch_add(1, Ordering::SeqCst))
    }
}

fn life(now: Time, seconds: i64) -> Life {
    Life {
        issued_at: now,
        expires_at: now.plus(seconds),
    }
}

/// A client whose authority `lab` is the server.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) client: Client,
    pub(crate) clock: Arc<TestClock>,
    credential: Key,
    binding: Binding,
    authority: Option<&'static str>,
    scopes: Vec<String>,
    pub(crate) client_auth: Option<ClientAuthentication>,
    pub(crate) life: Option<i64>,
    pub(crate) realm: Realm,
    pub(crate) content: LoginContent,
}

impl Setup {
    pub(crate) fn new(server: &Server) -> Self {
        Self::trusting(&server.host(), &server.ca_pem)
    }

    /// Reaches `host`, trusting `ca_pem` and nothing else; empty: no certificate has been read yet.
    pub(crate) fn trusting(host: &str, ca_pem: &str) -> Self {
        Self::of_kind(Kind::Entra, &format!("https://{host}"), ca_pem, Some(TENANT))
    }

    /// Reaches an authority of this kind.
    pub(crate) fn of_kind(kind: Kind, url: &str, ca_pem: &str, tenant: Option<&str>) -> Self {
        let setup = Self::of(lab(kind, url, Some(CA.into())), tenant);
        if !ca_pem.is_empty() {
            setup.client.trust(&authority(), ca_pem.as_bytes()).unwrap();
        }
        setup
    }

    /// Reaches `host`, trusting the system's certificates.
    pub(crate) fn by_the_system(host: &str) -> Self {
        Self::of(lab(Kind::Entra, &format!("https://{host}"), None), Some(TENANT))
    }

    fn of(authorities: Authorities, tenant: Option<&str>) -> Self {
        Self::wanting(authorities, (None, Some("lab")), tenant)
    }

    /// Reaches `host` as the authority `lab`, and the same as `other`; neither has its certificates yet.
    pub(crate) fn twice(host: &str) -> Self {
        let url = format!("https://{host}");
        let both = ["lab", "other"].map(|name| declared(name, Kind::Entra, &url, Some(CA.into())));
        Self::of(Authorities::new(both).unwrap(), Some(TENANT))
    }

    /// Reaches the authority of this name.
    pub(crate) fn by(mut self, authority: &'static str) -> Self {
        self.authority = Some(authority);
        self
    }

    /// Reaches this cloud.
    pub(crate) fn of_cloud(cloud: Cloud) -> Self {
        Self::wanting(Authorities::default(), (Some(cloud), None), Some(TENANT))
    }

    /// Reaches an authority of this kind at the slowest pace: one call a second.
    pub(crate) fn slow(kind: Kind, url: &str, ca_pem: &str) -> Self {
        let authorities = lab(kind, url, Some(CA.into()));
        let tenant = (kind == Kind::Entra).then_some(TENANT);
        let setup = Self::paced(1, authorities, (None, Some("lab")), tenant);
        setup.client.trust(&authority(), ca_pem.as_bytes()).unwrap();
        setup
    }

    fn wanting(
        authorities: Authorities,
        whom: (Option<Cloud>, Option<&'static str>),
        tenant: Option<&str>,
    ) -> Self {
        Self::paced(10_000, authorities, whom, tenant)
    }

    fn paced(
        per_second_per_tenant: u32,
        authorities: Authorities,
        (cloud, authority): (Option<Cloud>, Option<&'static str>),
        tenant: Option<&str>,
    ) -> Self {
        let clock = TestClock::new();
        let port: Arc<dyn Clock> = Arc::<TestClock>::clone(&clock);
        let limits = Limits {
            in_flight: 32,
            per_second_per_tenant,
        };
        let client = Client::new(authorities, limits, port).unwrap();
        let wanted = Wanted {
            cloud,
            authority,
            tenant,
            client_id: CLIENT_ID,
        };
        Self {
            binding: client.binding(&wanted).unwrap(),
            client,
            clock,
            credential: Key::new("etl", "reporting"),
            authority,
            scopes: vec![SCOPE.to_owned()],
            client_auth: None,
            life: Some(24),
            realm: Realm::Managed,
            content: content(),
        }
    }

    /// Looks for the account's realm, and allows this federation server.
    pub(crate) fn federated(self, sts: &Server) -> Self {
        let setup = self.federated_untrusted(sts);
        let trusted = setup.client.trust(&Peer::Federation, sts.ca_pem.as_bytes());
        trusted.unwrap();
        setup
    }

    /// The same before the certificates of federation servers have been read.
    pub(crate) fn federated_untrusted(mut self, sts: &Server) -> Self {
        let federation = Federation {
            allowed_hosts: [sts.host()].into(),
            ca_file: Some(FEDERATION_CA.into()),
        };
        self.client = self.client.federated(federation);
        self.realm = Realm::Auto;
        self
    }

    pub(crate) fn asking(mut self, scopes: &[&str]) -> Self {
        self.scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        self
    }

    pub(crate) fn of_tenant(mut self, tenant: &str) -> Self {
        tenant.clone_into(&mut self.binding.tenant);
        self
    }

    pub(crate) fn of_client(mut self, client_id: &str) -> Self {
        client_id.clone_into(&mut self.binding.client_id);
        self
    }

    pub(crate) fn request(&self) -> Request<'_> {
        Request {
            credential: &self.credential,
            authority: self.authority,
            binding: &self.binding,
            client: self.client_auth.as_ref(),
            scopes: &self.scopes,
            life: self.life.map(|seconds| life(self.clock.now(), seconds)),
        }
    }

    pub(crate) async fn login(&self) -> Outcome {
        self.login_if(&|| true).await
    }

    pub(crate) async fn login_if(&self, still_valid: &(dyn Fn() -> bool + Send + Sync)) -> Outcome {
        match self.client.permit(&self.request()) {
            Ok(permit) => {
                let login = self
                    .client
                    .login(permit, self.request(), self.realm, &self.content, still_valid);
                login.await
            }
            Err(later) => Outcome::Later(later),
        }
    }

    pub(crate) async fn redeem(&self) -> Outcome {
        self.redeem_of(&session()).await
    }

    pub(crate) async fn redeem_of(&self, session: &StoredSession) -> Outcome {
        match self.client.permit(&self.request()) {
            Ok(permit) => self.client.redeem(permit, self.request(), session).await,
            Err(later) => Outcome::Later(later),
        }
    }

    /// Seconds by which the authority's clock is taken to be ahead.
    pub(crate) fn ahead(&self) -> i64 {
        self.client.ahead(&self.binding)
    }

    pub(crate) async fn resolve(&self) -> Result<String, Refusal> {
        self.client.resolve(self.request()).await
    }
}

/// Who it is to [`Client::trust`].
pub(crate) fn authority() -> Peer {
    Peer::Authority("lab".to_owned())
}

fn lab(kind: Kind, url: &str, ca_file: Option<PathBuf>) -> Authorities {
    Authorities::new([declared("lab", kind, url, ca_file)]).unwrap()
}

fn declared(name: &str, kind: Kind, url: &str, ca_file: Option<PathBuf>) -> Declared {
    Declared {
        name: name.to_owned(),
        kind,
        url: url.to_owned(),
        ca_file,
    }
}

pub(crate) fn content() -> LoginContent {
    LoginContent {
        username: Secret::new(USER.to_owned()),
        password: Secret::new(PASSWORD.to_owned()),
    }
}

pub(crate) fn session() -> StoredSession {
    StoredSession {
        refresh_token: Secret::new(REFRESH_TOKEN.to_owned()),
        pin: Pin {
            account: Account {
                home_account_id: "uid-1.utid-1".to_owned(),
                ..Account::default()
            },
            ..Pin::default()
        },
        answered_at: Time(0),
        ends_at: None,
    }
}

pub(crate) fn granted(outcome: Outcome) -> Tokens {
    match outcome {
        Outcome::Granted(tokens) => *tokens,
        other @ (Outcome::Refused(_) | Outcome::Later(_)) => panic!("not granted: {other:?}"),
    }
}

pub(crate) fn refused(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Refused(refusal) => refusal,
        other @ (Outcome::Granted(_) | Outcome::Later(_)) => panic!("not refused: {other:?}"),
    }
}

/// Body of a token response.
pub(crate) fn tokens() -> String {
    serde_json::json!({
        "token_type": "Bearer", "scope": "api://x/access email openid profile", "expires_in": 4294,
        "ext_expires_in": 4294, "access_token": "marker-access-token", "refresh_token": "marker-new-refresh-token",
        "id_token": "e30.eyJvaWQiOiJvaWQtMSIsInRpZCI6InRpZC0xIiwiaWF0IjoxNzAwMDAwMDAwLCJwcmVmZXJyZWRfdXNlcm5hbWUiOiJhbGljZUBjb250b3NvLmV4YW1wbGUifQ.sig",
        "client_info": "eyJ1aWQiOiJ1aWQtMSIsInV0aWQiOiJ1dGlkLTEifQ"
    })
    .to_string()
}
