//! Bundles of certificates as they are handed out: PEM blocks glued together without a line between them, with text around
//! them, a bad one among good ones; or one certificate in DER.
//!
//! What is good is used, and the rest is told by its place: a root that is silently missing shows only when the server
//! that needs it is met.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

/// The standard alphabet; padding is no reason to lose a root.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Labels of a certificate (RFC 7468 §5.1, and the older one of OpenSSL).
const LABELS: [&str; 2] = ["CERTIFICATE", "X509 CERTIFICATE"];

/// First byte of a certificate in DER: a sequence.
const SEQUENCE: u8 = 0x30;

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Bundle {
    /// Certificates that can be trusted.
    pub(super) good: Vec<CertificateDer<'static>>,
    /// Places of those that cannot, counted from 1.
    pub(super) bad: Vec<usize>,
}

/// Reads a file.
pub(super) fn read(file: &[u8]) -> Bundle {
    let mut bundle = Bundle::default();
    for (at, der) in certificates(file).into_iter().enumerate() {
        match der.filter(is_root) {
            Some(der) => bundle.good.push(der),
            None => bundle.bad.push(at.saturating_add(1)),
        }
    }
    bundle
}

fn certificates(file: &[u8]) -> Vec<Option<CertificateDer<'static>>> {
    if file.first() == Some(&SEQUENCE) {
        return vec![Some(CertificateDer::from(file.to_vec()))];
    }
    let text = String::from_utf8_lossy(file);
    let blocks = text.split("-----BEGIN ").skip(1);
    blocks.filter_map(|block| Some(der(content(block)?))).collect()
}

/// The base64 of a block, if it is a certificate's.
fn content(block: &str) -> Option<&str> {
    let (label, rest) = block.split_once("-----")?;
    let content = rest.split("-----END").next();
    content.filter(|_| LABELS.contains(&label))
}

fn der(base64: &str) -> Option<CertificateDer<'static>> {
    let compact: String = base64.split_whitespace().collect();
    BASE64.decode(compact).ok().map(CertificateDer::from)
}

/// Whether a TLS client can take it for a root.
fn is_root(der: &CertificateDer<'static>) -> bool {
    RootCertStore::empty().add(der.clone()).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair};
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    fn pem() -> String {
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    }

    fn found(file: &str) -> (usize, Vec<usize>) {
        let bundle = read(file.as_bytes());
        (bundle.good.len(), bundle.bad)
    }

    #[test]
    fn certificates_are_found_however_they_are_glued() {
        let (a, b) = (pem(), pem());
        let glued = format!("{}{}", a.trim_end(), b.trim_end());
        assert_eq!(found(&glued), (2, vec![]));
        assert_eq!(
            found(&format!(
                "\u{feff}subject=x\r\n{}\r\nissuer=y\n{b}",
                a.replace('\n', "\r\n")
            )),
            (2, vec![])
        );
        assert_eq!(found(&a.replace("CERTIFICATE", "X509 CERTIFICATE")), (1, vec![]));
        assert_eq!(found(&a.replace('=', "")), (1, vec![]));
        let der = CertificateDer::from_pem_slice(a.as_bytes()).unwrap();
        assert_eq!(read(&der).good, [der]);
    }

    #[test]
    fn a_bad_one_is_told_by_its_place_and_costs_no_other() {
        let (a, b) = (pem(), pem());
        let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let worse = "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n";
        assert_eq!(found(&format!("{a}{bad}{b}{worse}")), (2, vec![2, 4]));
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(found(&format!("{key}{a}")), (1, vec![]));
        for nothing in ["", "no PEM", key, "0"] {
            assert_eq!(found(nothing).0, 0, "{nothing}");
        }
    }

    proptest! {
        #[test]
        fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _seen = read(&bytes);
        }
    }
}
