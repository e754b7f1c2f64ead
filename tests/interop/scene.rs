//! One token service on port 443 of a loopback address of its own, and who may use it.
//!
//! Port 443, because MSAL Python drops any other port on its way to the realm service.

use std::net::Ipv4Addr;
use std::sync::LazyLock;

use entra_lab::simulator::world::{
    self, CLIENT_SECRET, CONFIDENTIAL_CLIENT, FEDERATED_DOMAIN, PUBLIC_CLIENT, TENANT, World,
};
use entra_lab::simulator::{Application, ClientCertificate, Entry, Options, Simulator, StartError};
use entra_operator::entra::Kind;
use serde::Serialize;
use tempfile::TempDir;
use uuid::Uuid;

use crate::driver::Driver;
use crate::library::Library;
use crate::ours::Ours;

/// What every request asks for.
pub(crate) const SCOPE: &str = "api://orders/.default";

/// The application that has [`CERTIFICATE`].
const CERTIFIED_CLIENT: &str = "aaaaaaaa-0000-4000-8000-000000000003";

/// One for all scenes, because making an RSA key takes its time.
static CERTIFICATE: LazyLock<ClientCertificate> =
    LazyLock::new(|| ClientCertificate::new("interop").unwrap());

/// Users of a scene: one for each refusal, and some to spare.
const USERS: usize = 32;

/// An account.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct User {
    #[serde(rename = "username")]
    pub(crate) name: String,
    pub(crate) password: String,
}

/// An app registration and what its owner knows.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Registration {
    #[serde(rename = "client")]
    pub(crate) client_id: String,
    pub(crate) secret: Option<String>,
    /// In PEM, as is the key.
    pub(crate) certificate: Option<String>,
    pub(crate) key: Option<String>,
}

/// A running token service.
pub(crate) struct Scene {
    pub(crate) simulator: Simulator,
    /// Which of its authorities is used.
    kind: Kind,
    folder: TempDir,
}

impl User {
    /// The user with this index.
    pub(crate) fn nth(index: usize) -> Self {
        Self {
            name: world::user_name(index),
            password: world::password(index),
        }
    }

    /// The one whose password only the federation server knows; it has what XML must escape.
    pub(crate) fn federated() -> Self {
        Self {
            name: format!("dora@{FEDERATED_DOMAIN}"),
            password: "PWMARK-<correct> & 'horse\"".to_owned(),
        }
    }
}

impl Registration {
    /// A client that cannot keep a secret.
    pub(crate) fn public() -> Self {
        Self {
            client_id: PUBLIC_CLIENT.to_owned(),
            ..Self::default()
        }
    }

    /// A client with a secret.
    pub(crate) fn with_secret() -> Self {
        Self {
            client_id: CONFIDENTIAL_CLIENT.to_owned(),
            secret: Some(CLIENT_SECRET.to_owned()),
            ..Self::default()
        }
    }

    /// A client with a certificate.
    pub(crate) fn with_certificate() -> Self {
        Self {
            client_id: CERTIFIED_CLIENT.to_owned(),
            certificate: Some(CERTIFICATE.certificate.clone()),
            key: Some(CERTIFICATE.key.clone()),
            ..Self::default()
        }
    }
}

impl Scene {
    /// Starts a token service that nobody else uses, as Entra ID.
    pub(crate) async fn start() -> Self {
        Self::of(Kind::Entra).await
    }

    /// The same as an authority of this kind.
    pub(crate) async fn of(kind: Kind) -> Self {
        let simulator = loop {
            match Simulator::start(options()).await {
                Ok(simulator) => break simulator,
                Err(StartError::Bind(error)) if error.kind() == std::io::ErrorKind::AddrInUse => {}
                Err(error) => panic!(
                    "{error}: {:?}; the libraries need port 443 of a loopback address. Run as root, or \
                     `sysctl net.ipv4.ip_unprivileged_port_start=443`",
                    std::error::Error::source(&error)
                ),
            }
        };
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), simulator.ca_pem()).unwrap();
        Self {
            simulator,
            kind,
            folder,
        }
    }

    /// A library as this application.
    pub(crate) fn msal(&self, library: Library, registration: Registration) -> Driver {
        let path = tenant(self.kind).unwrap_or("adfs");
        let authority = format!("{}/{path}", self.simulator.url());
        let ca = self.folder.path().join("ca.pem");
        Driver::start(library, (&authority, &ca), registration)
    }

    /// The operator's client as this application.
    pub(crate) fn ours(&self, registration: &Registration) -> Ours {
        Ours::new(&self.simulator, self.kind, registration)
    }

    /// The grants that were asked for since `mark`, in order.
    pub(crate) fn grants(&self, mark: u64) -> Vec<String> {
        let requests = self.simulator.journal().since(mark);
        let grants = requests.iter().filter_map(Entry::grant);
        grants.map(str::to_owned).collect()
    }

    /// The journal's next number.
    pub(crate) fn mark(&self) -> u64 {
        self.simulator.journal().mark()
    }
}

/// The tenant of an authority, if it has any.
pub(crate) fn tenant(kind: Kind) -> Option<&'static str> {
    (kind == Kind::Entra).then_some(TENANT)
}

fn options() -> Options {
    let [a, b, c, ..] = Uuid::new_v4().into_bytes();
    Options {
        address: Ipv4Addr::new(127, a.max(1), b, c.clamp(1, 254)).into(),
        port: 443,
        ..Options::new(world())
    }
}

fn world() -> World {
    let dora = User::federated();
    World::with_users(USERS)
        .federated_user(&dora.name, &dora.password)
        .application(Application::with_certificate(
            CERTIFIED_CLIENT,
            &CERTIFICATE.certificate,
        ))
}
