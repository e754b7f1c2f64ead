//! Kubeconfig files. Guarantees: self-contained (no reference to other files), and kept in the control
//! plane's private directory. JSON, which every YAML reader accepts.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};

use super::{Error, certificates::Identity};

/// Where a kubeconfig points to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) server: &'a str,
    pub(super) authority_pem: &'a str,
}

/// Writes `<name>.kubeconfig` for the holder of a client certificate.
pub(super) fn for_identity(
    directory: &Path,
    name: &str,
    target: Target<'_>,
    identity: &Identity,
) -> Result<PathBuf, Error> {
    let user = json!({
        "client-certificate-data": encoded(&identity.certificate)?,
        "client-key-data": encoded(&identity.key)?,
    });
    write(directory, name, target, &user)
}

/// Writes `<name>.kubeconfig` for the holder of a bearer token.
pub(super) fn for_token(
    directory: &Path,
    name: &str,
    target: Target<'_>,
    token: &str,
) -> Result<PathBuf, Error> {
    write(directory, name, target, &json!({ "token": token }))
}

/// A client for a kubeconfig file. Proxy variables of the surrounding environment do not apply: the server
/// is on this machine.
pub(super) async fn client(path: &Path) -> Result<Client, Error> {
    let kubeconfig = Kubeconfig::read_from(path)?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.proxy_url = None;
    Ok(Client::try_from(config)?)
}

fn write(directory: &Path, name: &str, target: Target<'_>, user: &Value) -> Result<PathBuf, Error> {
    let path = directory.join(format!("{name}.kubeconfig"));
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "entra-lab",
        "contexts": [{ "name": "entra-lab", "context": { "cluster": "entra-lab", "user": name } }],
        "clusters": [{ "name": "entra-lab", "cluster": {
            "server": target.server,
            "certificate-authority-data": BASE64_STANDARD.encode(target.authority_pem),
        }}],
        "users": [{ "name": name, "user": user }],
    });
    fs::write(&path, format!("{kubeconfig:#}")).map_err(Error::io(format!("write {}", path.display())))?;
    Ok(path)
}

fn encoded(path: &Path) -> Result<String, Error> {
    let bytes = fs::read(path).map_err(Error::io(format!("read {}", path.display())))?;
    Ok(BASE64_STANDARD.encode(bytes))
}
