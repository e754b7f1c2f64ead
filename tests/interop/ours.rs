//! The operator's own client against the same token service, as the same application.

use std::sync::Arc;

use entra_lab::simulator::Simulator;
use entra_operator::api::Realm;
use entra_operator::entra::{Authorities, Client, Declared, Federation, Kind, Limits, Peer};
use entra_operator::operator::SystemClock;
use entra_operator::plan::Time;
use entra_operator::plan::answer::{Account, Refusal};
use entra_operator::plan::identity::Pin;
use entra_operator::plan::snapshot::Binding;
use entra_operator::reconcile::material::{
    ClientAuthentication, ClientCertificate, LoginContent, Secret, StoredSession,
};
use entra_operator::reconcile::ports::{Clock, Key, Outcome, Provider, Request, Tokens, Wanted};

use crate::scene::{Registration, SCOPE, User, tenant};

/// Name under which the simulator is declared.
const AUTHORITY: &str = "lab";

/// The client and what it says about itself.
pub(crate) struct Ours {
    client: Client,
    credential: Key,
    binding: Binding,
    authentication: Option<ClientAuthentication>,
    scopes: Vec<String>,
}

impl Ours {
    pub(crate) fn new(simulator: &Simulator, kind: Kind, registration: &Registration) -> Self {
        let path = if kind == Kind::Adfs { "/adfs" } else { "" };
        let declared = Declared {
            name: AUTHORITY.to_owned(),
            kind,
            url: simulator.url() + path,
            ca_file: Some("/ca.pem".into()),
        };
        let limits = Limits {
            in_flight: 32,
            per_second_per_tenant: 1000,
        };
        let authorities = Authorities::new([declared]).unwrap();
        let wanted = Wanted {
            cloud: None,
            authority: Some(AUTHORITY),
            tenant: tenant(kind),
            client_id: &registration.client_id,
        };
        let binding = authorities.binding(&wanted).unwrap();
        let federation = Federation {
            allowed_hosts: [binding.authority.clone()].into(),
            ca_file: Some("/ca.pem".into()),
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let client = Client::new(authorities, limits, clock).unwrap();
        let client = client.federated(federation);
        for peer in [Peer::Authority(AUTHORITY.to_owned()), Peer::Federation] {
            client.trust(&peer, simulator.ca_pem().as_bytes()).unwrap();
        }
        Self {
            client,
            credential: Key::new("etl", "reporting"),
            binding,
            authentication: authentication(registration),
            scopes: vec![SCOPE.to_owned()],
        }
    }

    fn request(&self) -> Request<'_> {
        Request {
            credential: &self.credential,
            authority: Some(AUTHORITY),
            binding: &self.binding,
            client: self.authentication.as_ref(),
            scopes: &self.scopes,
            life: None,
        }
    }

    pub(crate) async fn sign_in(&self, user: &User) -> Result<Tokens, Box<Refusal>> {
        let content = LoginContent {
            username: Secret::new(user.name.clone()),
            password: Secret::new(user.password.clone()),
        };
        let permit = self.client.permit(&self.request()).unwrap();
        let login = self
            .client
            .login(permit, self.request(), Realm::Auto, &content, &|| true);
        settled(Box::pin(login).await)
    }

    /// Redeems a refresh token, wherever it came from; `account` is MSAL's key of its user.
    pub(crate) async fn redeem(&self, refresh_token: &str, account: &str) -> Result<Tokens, Box<Refusal>> {
        let session = StoredSession {
            refresh_token: Secret::new(refresh_token.to_owned()),
            pin: Pin {
                account: Account {
                    home_account_id: account.to_owned(),
                    ..Account::default()
                },
                ..Pin::default()
            },
            ends_at: None,
            answered_at: Time(0),
        };
        let permit = self.client.permit(&self.request()).unwrap();
        settled(Box::pin(self.client.redeem(permit, self.request(), &session)).await)
    }
}

fn authentication(registration: &Registration) -> Option<ClientAuthentication> {
    let Registration {
        secret,
        certificate,
        key,
        ..
    } = registration.clone();
    let certificate = certificate.zip(key).map(|(certificate, key)| {
        ClientAuthentication::Certificate(ClientCertificate {
            certificate: certificate.into_bytes(),
            key: Secret::new(key),
        })
    });
    certificate.or_else(|| secret.map(|secret| ClientAuthentication::Secret(Secret::new(secret))))
}

/// The limits of these clients are never reached.
fn settled(outcome: Outcome) -> Result<Tokens, Box<Refusal>> {
    match outcome {
        Outcome::Granted(tokens) => Ok(*tokens),
        Outcome::Refused(refusal) => Err(Box::new(refusal)),
        Outcome::Later(until) => panic!("held back until {until:?}"),
    }
}

/// MSAL's key of the account behind a token.
pub(crate) fn account(tokens: &Tokens) -> &str {
    &tokens.granted.account.as_ref().unwrap().home_account_id
}

pub(crate) fn refresh_token(tokens: &Tokens) -> &str {
    tokens.refresh_token.as_ref().unwrap().expose()
}
