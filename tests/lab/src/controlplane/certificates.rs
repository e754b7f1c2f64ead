//! The keys of one control plane, made anew each time. Guarantee: whoever answers with a certificate of this
//! authority is a process of this control plane, because the private keys never leave its directory.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use super::Error;

/// Names under which the servers are reached, from the machine and from pods. `10.0.0.1` is the ClusterIP
/// of the `kubernetes` Service, and [`NODE_ADDRESS`] that of the node, if there is one.
const SERVER_NAMES: [&str; 7] = [
    "localhost",
    "127.0.0.1",
    "10.0.0.1",
    NODE_ADDRESS,
    "kubernetes",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

/// Where the kubelet of [`crate::pods`] listens.
pub(crate) const NODE_ADDRESS: &str = "10.87.0.1";
/// Name of that node.
pub(crate) const NODE: &str = "entra-lab";

/// PEM files of one identity.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// Everything that the programs and their clients need to trust each other.
#[derive(Debug, Clone)]
pub(super) struct Certificates {
    pub(super) authority: PathBuf,
    pub(super) authority_pem: String,
    pub(super) etcd: Identity,
    pub(super) etcd_client: Identity,
    pub(super) apiserver: Identity,
    pub(super) controller_manager: Identity,
    pub(super) admin: Identity,
    pub(super) scheduler: Identity,
    pub(super) node: Identity,
    pub(super) service_accounts: PathBuf,
    pub(super) service_accounts_public: PathBuf,
}

// === impl Certificates ===

impl Certificates {
    pub(super) fn issue(directory: &Path) -> Result<Self, Error> {
        let authority = authority()?;
        let issue = |name: &str, user: &str, group: Option<&str>| {
            issue(&authority, directory, name, &parameters(user, group)?)
        };
        let (service_accounts, service_accounts_public) = service_account_keys(directory)?;
        Ok(Self {
            authority: write(directory, "ca.pem", &authority.pem())?,
            authority_pem: authority.pem(),
            etcd: issue("etcd", "etcd", None)?,
            etcd_client: issue("etcd-client", "etcd-client", None)?,
            apiserver: issue("kube-apiserver", "kube-apiserver", None)?,
            controller_manager: issue("controller-manager", "system:kube-controller-manager", None)?,
            admin: issue("admin", "admin", Some("system:masters"))?,
            scheduler: issue("scheduler", "system:kube-scheduler", None)?,
            node: issue("node", &format!("system:node:{NODE}"), Some("system:nodes"))?,
            service_accounts,
            service_accounts_public,
        })
    }
}

// === impl Identity ===

impl Identity {
    /// Certificate and key in one PEM text.
    pub(super) fn pem(&self) -> Result<Vec<u8>, Error> {
        let mut pem = read(&self.certificate)?;
        pem.extend(read(&self.key)?);
        Ok(pem)
    }
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>, Error> {
    let mut parameters = CertificateParams::default();
    parameters
        .distinguished_name
        .push(DnType::CommonName, "entra-lab control plane");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?)
}

/// Kubernetes reads user and group from common name and organization. Every certificate serves both sides:
/// etcd's JSON gateway calls etcd itself with the server's certificate.
fn parameters(user: &str, group: Option<&str>) -> Result<CertificateParams, Error> {
    let mut parameters = CertificateParams::new(SERVER_NAMES.map(str::to_owned))?;
    parameters.distinguished_name.push(DnType::CommonName, user);
    if let Some(group) = group {
        parameters
            .distinguished_name
            .push(DnType::OrganizationName, group);
    }
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    Ok(parameters)
}

fn issue(
    authority: &CertifiedIssuer<'static, KeyPair>,
    directory: &Path,
    name: &str,
    parameters: &CertificateParams,
) -> Result<Identity, Error> {
    let key = KeyPair::generate()?;
    let certificate = parameters.signed_by(&key, authority)?;
    Ok(Identity {
        certificate: write(directory, &format!("{name}.pem"), &certificate.pem())?,
        key: write(directory, &format!("{name}-key.pem"), &key.serialize_pem())?,
    })
}

fn service_account_keys(directory: &Path) -> Result<(PathBuf, PathBuf), Error> {
    let key = KeyPair::generate()?;
    let private = write(directory, "service-accounts-key.pem", &key.serialize_pem())?;
    Ok((
        private,
        write(directory, "service-accounts.pem", &key.public_key_pem())?,
    ))
}

fn write(directory: &Path, name: &str, text: &str) -> Result<PathBuf, Error> {
    let path = directory.join(name);
    fs::write(&path, text).map_err(Error::io(format!("write {}", path.display())))?;
    Ok(path)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(Error::io(format!("read {}", path.display())))
}
