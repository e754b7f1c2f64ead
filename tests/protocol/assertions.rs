//! A certificate proves the client by an assertion of its own for every request, or nothing is sent at all.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use entra_operator::api::Reason;
use entra_operator::entra::Kind;
use entra_operator::plan::answer::Effect;
use entra_operator::reconcile::material::{ClientAuthentication, ClientCertificate, Secret};
use entra_operator::reconcile::ports::{Clock, Provider};
use rcgen::{
    Certificate, CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, PublicKeyData as _,
    RsaKeySize,
};
use serde_json::{Value, json};
use x509_parser::time::ASN1Time;

use crate::client::{CLIENT_ID, Setup, TENANT, granted, refused, tokens};
use crate::server::{Received, Server, say};

/// Bytes before the PKCS#1 key inside a PKCS#8 key of 2048 bits: version, algorithm and the headers around them.
const PKCS8_HEADER: usize = 26;

const DAY: i64 = 86_400;

fn rsa() -> KeyPair {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()
}

/// A certificate that is valid from a day ago for so many days.
fn certificate(key: &KeyPair, days: i64) -> Certificate {
    between(key, -DAY, (days - 1) * DAY)
}

/// A certificate that is valid between these seconds from now.
fn between(key: &KeyPair, from: i64, until: i64) -> Certificate {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let at = |seconds| ASN1Time::from_timestamp(i64::try_from(now).unwrap() + seconds).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    (params.not_before, params.not_after) = (at(from).to_datetime(), at(until).to_datetime());
    params.self_signed(key).unwrap()
}

fn material(certificate: &Certificate, key_pem: String) -> ClientCertificate {
    ClientCertificate {
        certificate: certificate.pem().into_bytes(),
        key: Secret::new(key_pem),
    }
}

fn good() -> (KeyPair, Certificate, ClientCertificate) {
    let key = rsa();
    let certificate = certificate(&key, 90);
    let material = material(&certificate, key.serialize_pem());
    (key, certificate, material)
}

fn parameter(request: &Received, name: &str) -> String {
    let form = url::form_urlencoded::parse(request.body.as_bytes());
    let values: Vec<_> = form
        .filter(|(n, _)| n == name)
        .map(|(_, v)| v.into_owned())
        .collect();
    assert_eq!(values.len(), 1, "{name} comes once");
    values[0].clone()
}

fn decoded(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).unwrap()
}

/// Header and claims of an assertion whose signature is good.
fn verified(assertion: &str, key: &KeyPair) -> (Value, Value) {
    verified_as(&RSA_PSS_2048_8192_SHA256, assertion, key)
}

fn verified_as(algorithm: &'static RsaParameters, assertion: &str, key: &KeyPair) -> (Value, Value) {
    let (statement, signature) = assertion.rsplit_once('.').unwrap();
    UnparsedPublicKey::new(algorithm, key.der_bytes())
        .verify(statement.as_bytes(), &decoded(signature))
        .unwrap();
    let (header, claims) = statement.split_once('.').unwrap();
    let json = |part| serde_json::from_slice(&decoded(part)).unwrap();
    (json(header), json(claims))
}

#[tokio::test]
async fn a_certificate_signs_an_assertion_for_this_endpoint_and_this_moment() {
    let server = Server::start([say(200, &[], &tokens())]).await;
    let mut setup = Setup::new(&server);
    let (key, certificate, material) = good();
    setup.client_auth = Some(ClientAuthentication::Certificate(material));
    let before = setup.clock.now();
    granted(setup.login().await);
    let request = server.journal().remove(0);
    assert_eq!(
        parameter(&request, "client_assertion_type"),
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
    assert!(!request.body.contains("client_secret"));
    let (header, claims) = verified(&parameter(&request, "client_assertion"), &key);
    let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, certificate.der()));
    assert_eq!(
        header,
        json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint})
    );
    let now = claims["iat"].as_i64().unwrap();
    assert!((0..=5).contains(&(now - before.0)), "{now}");
    assert_eq!(
        claims,
        json!({
            "aud": format!("https://{}/{TENANT}/oauth2/v2.0/token", server.host()),
            "iss": CLIENT_ID, "sub": CLIENT_ID, "jti": claims["jti"],
            "nbf": now, "iat": now, "exp": now + 600,
        })
    );
}

/// As every MSAL signs for AD FS and for generic issuers.
#[tokio::test]
async fn ad_fs_and_issuers_without_ps256_get_rs256_with_a_sha_1_thumbprint() {
    for (kind, path, offered, old) in [
        (Kind::Adfs, "/adfs", None, true),
        (Kind::Oidc, "", None, true),
        (Kind::Oidc, "", Some(json!(["RS256", "ES256"])), true),
        (Kind::Oidc, "", Some(json!(["RS256", "PS256"])), false),
    ] {
        let server = Server::start([]).await;
        let url = format!("https://{}{path}", server.host());
        if kind == Kind::Oidc {
            let mut document = json!({"issuer": url, "token_endpoint": format!("{url}/token")});
            if let Some(list) = offered {
                document["token_endpoint_auth_signing_alg_values_supported"] = list;
            }
            server.then(say(200, &[], &document.to_string()));
        }
        server.then(say(200, &[], &tokens()));
        let mut setup = Setup::of_kind(kind, &url, &server.ca_pem, None);
        let (key, certificate, material) = good();
        setup.client_auth = Some(ClientAuthentication::Certificate(material));
        granted(setup.login().await);
        let assertion = parameter(&server.journal().pop().unwrap(), "client_assertion");
        let old_thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate.der()));
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, certificate.der()));
        let (header, expected) = if old {
            let (header, _) = verified_as(&RSA_PKCS1_2048_8192_SHA256, &assertion, &key);
            (
                header,
                json!({"alg": "RS256", "typ": "JWT", "x5t": old_thumbprint}),
            )
        } else {
            let (header, _) = verified(&assertion, &key);
            (
                header,
                json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint}),
            )
        };
        assert_eq!(header, expected, "{kind:?}");
    }
}

#[tokio::test]
async fn an_issuer_gets_a_client_secret_where_its_document_wants_it() {
    for (methods, basic) in [
        (json!(["client_secret_basic", "private_key_jwt"]), true),
        (json!(["client_secret_post", "client_secret_basic"]), false),
    ] {
        let server = Server::start([]).await;
        let url = format!("https://{}", server.host());
        let document = json!({"issuer": url, "token_endpoint": format!("{url}/token"),
            "token_endpoint_auth_methods_supported": methods});
        server.then(say(200, &[], &document.to_string()));
        server.then(say(200, &[], &tokens()));
        server.then(say(200, &[], &tokens()));
        let mut setup = Setup::of_kind(Kind::Oidc, &url, &server.ca_pem, None);
        setup.client_auth = Some(ClientAuthentication::Secret(Secret::new("marker s&1".to_owned())));
        granted(setup.login().await);
        granted(setup.redeem().await);
        for request in server.journal().iter().skip(1) {
            let pair = STANDARD.encode(format!("{CLIENT_ID}:marker+s%261"));
            let header = basic.then(|| format!("Basic {pair}"));
            assert_eq!(request.header("authorization"), header.as_deref());
            assert_eq!(request.body.contains("client_secret="), !basic);
        }
    }
}

#[tokio::test]
async fn every_request_has_an_assertion_of_its_own() {
    let server = Server::start([say(200, &[], &tokens()), say(200, &[], &tokens())]).await;
    let mut setup = Setup::new(&server);
    let (key, _, material) = good();
    setup.client_auth = Some(ClientAuthentication::Certificate(material));
    granted(setup.redeem().await);
    setup.clock.forward(60);
    granted(setup.redeem().await);
    let claims: Vec<_> = server
        .journal()
        .iter()
        .map(|request| verified(&parameter(request, "client_assertion"), &key).1)
        .collect();
    assert_ne!(claims[0]["jti"], claims[1]["jti"]);
    assert!(claims[1]["iat"].as_i64().unwrap() >= claims[0]["iat"].as_i64().unwrap() + 60);
}

#[tokio::test]
async fn a_token_of_somebody_else_is_handed_on_as_it_is() {
    let server = Server::start([say(200, &[], &tokens())]).await;
    let mut setup = Setup::new(&server);
    let token = Secret::new("eyJ.service-account.sig".to_owned());
    setup.client_auth = Some(ClientAuthentication::Assertion(token));
    granted(setup.redeem().await);
    let request = server.journal().remove(0);
    assert_eq!(parameter(&request, "client_assertion"), "eyJ.service-account.sig");
    assert!(parameter(&request, "client_assertion_type").ends_with(":jwt-bearer"));
}

#[tokio::test]
async fn the_certificate_tells_when_it_ends_and_may_come_with_its_chain_and_an_older_kind_of_key() {
    let server = Server::start([]).await;
    let setup = Setup::new(&server);
    let (key, certificate, mut material) = good();
    let chain = format!("{}{}", certificate.pem(), self::certificate(&rsa(), 9).pem());
    material.certificate = chain.into_bytes();
    let pkcs1 = STANDARD.encode(&key.serialize_der()[PKCS8_HEADER..]);
    material.key = Secret::new(pem("RSA PRIVATE KEY", &pkcs1));
    let now = setup.clock.now();
    let ends = setup.client.certificate(&material, now).unwrap();
    assert!((ends.since(now) - 89 * DAY).abs() <= 5, "{ends:?}");
}

fn pem(label: &str, base64: &str) -> String {
    format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n")
}

/// What is wrong, the words that say so, and what it means for a login.
fn unusable() -> Vec<(&'static str, Effect, ClientCertificate)> {
    let (key, good, _) = good();
    let elliptic = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let future = between(&key, 3600, DAY);
    let text = |certificate: &str, key: &str| ClientCertificate {
        certificate: certificate.as_bytes().to_vec(),
        key: Secret::new(key.to_owned()),
    };
    let mine = || key.serialize_pem();
    vec![
        ("not a certificate in PEM", Effect::Person, text("", &mine())),
        (
            "not a certificate in PEM",
            Effect::Person,
            text(&pem("CERTIFICATE", "AAAA"), &mine()),
        ),
        (
            "not a private key in PEM",
            Effect::Person,
            text(&good.pem(), "marker-key"),
        ),
        (
            "not an RSA key",
            Effect::Person,
            material(&certificate(&elliptic, 90), elliptic.serialize_pem()),
        ),
        (
            "not an RSA key of 2048",
            Effect::Person,
            text(&good.pem(), &short_key()),
        ),
        (
            "do not belong together",
            Effect::Person,
            material(&good, rsa().serialize_pem()),
        ),
        (
            "is not valid before",
            Effect::Transient,
            material(&future, mine()),
        ),
        (
            "expired at",
            Effect::Person,
            material(&certificate(&key, 0), mine()),
        ),
    ]
}

/// A key of 1024 bits: nothing here makes such keys any more. It protects nothing.
fn short_key() -> String {
    pem("RSA PRIVATE KEY", include_str!("testdata/rsa-1024.b64").trim())
}

#[tokio::test]
async fn a_certificate_that_cannot_sign_sends_nothing_and_says_why() {
    let server = Server::start([]).await;
    let mut setup = Setup::new(&server);
    for (words, effect, material) in unusable() {
        let told = setup
            .client
            .certificate(&material, setup.clock.now())
            .unwrap_err();
        setup.client_auth = Some(ClientAuthentication::Certificate(material));
        for refusal in [refused(setup.login().await), refused(setup.redeem().await), *told] {
            assert_eq!(
                (refusal.reason, refusal.effect),
                (Reason::AppMisconfigured, effect),
                "{words}"
            );
            assert!(refusal.message.contains(words), "{}", refusal.message);
            assert!(
                !refusal.remedy.is_empty() && !refusal.message.contains("marker"),
                "{words}"
            );
        }
    }
    assert_eq!(server.handshakes(), 0, "not even a connection was made");
}
