//! A private certificate authority and the TLS settings that go with it.
//!
//! Every listener of the laboratory is TLS only: the clients under test refuse plain HTTP.

use std::collections::BTreeSet;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Why a certificate or a TLS configuration could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate could not be generated.
    #[error("cannot generate a certificate")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refused the configuration.
    #[error("cannot configure TLS")]
    Configuration(#[from] rustls::Error),
    /// A certificate given as PEM could not be read.
    #[error("cannot read a PEM certificate")]
    Pem(#[from] rustls::pki_types::pem::Error),
}

/// A private certificate authority, cheap to clone.
///
/// Give the same authority to a listener that is stopped and started again, so that its clients go on
/// trusting it.
#[derive(Clone)]
pub struct Authority {
    issuer: Arc<CertifiedIssuer<'static, KeyPair>>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes a new authority; `name` becomes the common name of its certificate.
    pub fn new(name: &str) -> Result<Self, TlsError> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self {
            issuer: Arc::new(issuer),
        })
    }

    /// The authority's certificate, for the client's trust store.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// TLS settings of a listener that answers for `localhost`, `127.0.0.1` and `aliases`.
    pub(crate) fn server(&self, aliases: &[String], alpn: &[&str]) -> Result<rustls::ServerConfig, TlsError> {
        let (certificate, key) = self.issue(aliases)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone(), self.issuer.der().clone()], key)?;
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(config)
    }

    /// Certificate and key in PEM for a server of another program, which answers for `localhost` and `127.0.0.1`.
    pub(crate) fn server_pem(&self) -> Result<(String, String), TlsError> {
        let (certificate, key) = self.issue(&[])?;
        Ok((certificate.pem(), key.serialize_pem()))
    }

    fn issue(&self, aliases: &[String]) -> Result<(Certificate, KeyPair), TlsError> {
        let key = KeyPair::generate()?;
        let certificate = server_params(aliases)?.signed_by(&key, &self.issuer)?;
        Ok((certificate, key))
    }
}

/// A self-signed certificate with which an application can prove itself, and its key.
#[derive(Clone)]
pub struct ClientCertificate {
    /// The certificate in PEM.
    pub certificate: String,
    /// The RSA key in PEM (PKCS#8).
    pub key: String,
}

impl ClientCertificate {
    /// Makes a certificate with a new key; `name` becomes its common name.
    pub fn new(name: &str) -> Result<Self, TlsError> {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        Ok(Self {
            certificate: params.self_signed(&key)?.pem(),
            key: key.serialize_pem(),
        })
    }
}

impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ClientCertificate")
            .finish_non_exhaustive()
    }
}

/// The one crypto library of the laboratory, named so that no process-wide default is needed.
pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn server_params(aliases: &[String]) -> Result<CertificateParams, rcgen::Error> {
    let mut names = BTreeSet::from(["localhost".to_owned(), "127.0.0.1".to_owned()]);
    names.extend(aliases.iter().cloned());
    let mut params = CertificateParams::new(names.into_iter().collect::<Vec<_>>())?;
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}
