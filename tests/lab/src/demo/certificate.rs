//! The certificate of a confidential client, in files as `kubectl create secret tls` wants them.

use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, RsaKeySize};
use tempfile::TempDir;

use super::Error;

/// Certificate and key in a directory that goes with it.
#[derive(Debug)]
pub(super) struct Certificate {
    directory: TempDir,
    pem: String,
}

impl Certificate {
    /// A new one.
    pub(super) fn new() -> Result<Self, Error> {
        let (pem, key) = generate().map_err(|error| Error::Certificate(error.to_string()))?;
        let directory = tempfile::tempdir().map_err(Error::io("make a directory"))?;
        let certificate = Self { directory, pem };
        let [(_, public), (_, private)] = certificate.files();
        write(&public, &certificate.pem)?;
        write(&private, &key)?;
        Ok(certificate)
    }

    /// The certificate, PEM: what the application's registration knows.
    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// Flag of `kubectl create secret tls` and file of each part.
    pub(super) fn files(&self) -> [(&'static str, PathBuf); 2] {
        [("cert", "tls.crt"), ("key", "tls.key")].map(|(flag, name)| (flag, self.directory.path().join(name)))
    }
}

/// Certificate and key, PEM. Entra ID takes RSA keys only.
fn generate() -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "ledger");
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(Error::io(format!("write {}", path.display())))
}
