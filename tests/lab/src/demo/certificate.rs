//! The certificate of a confidential client, in files as `kubectl create secret tls` wants them.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::Error;
use crate::simulator::{ClientCertificate, StartError};

/// Certificate and key in a directory that goes with it.
#[derive(Debug)]
pub(super) struct Certificate {
    directory: TempDir,
    material: ClientCertificate,
}

impl Certificate {
    /// A new one.
    pub(super) fn new() -> Result<Self, Error> {
        let certificate = Self {
            directory: tempfile::tempdir().map_err(Error::io("make a directory"))?,
            material: ClientCertificate::new("ledger").map_err(StartError::from)?,
        };
        let [(_, public), (_, private)] = certificate.files();
        write(&public, &certificate.material.certificate)?;
        write(&private, &certificate.material.key)?;
        Ok(certificate)
    }

    /// The certificate, PEM: what the application's registration knows.
    pub(super) fn pem(&self) -> &str {
        &self.material.certificate
    }

    /// Flag of `kubectl create secret tls` and file of each part.
    pub(super) fn files(&self) -> [(&'static str, PathBuf); 2] {
        [("cert", "tls.crt"), ("key", "tls.key")].map(|(flag, name)| (flag, self.directory.path().join(name)))
    }
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(Error::io(format!("write {}", path.display())))
}
