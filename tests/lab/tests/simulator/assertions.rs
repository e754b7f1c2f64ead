//! Clients that prove themselves with a certificate or with a token of another issuer.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use entra_lab::simulator::world::{PUBLIC_CLIENT, TENANT};
use entra_lab::simulator::{
    Application, ClientCertificate, FederatedCredential, Issuer, Options, Rotation, World,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};

use crate::client::{Lab, but, password_form, refresh_form, with};

const CLIENT: &str = "aaaaaaaa-0000-4000-8000-000000000004";
const WORKLOAD: &str = "aaaaaaaa-0000-4000-8000-000000000005";
const ISSUER: &str = "https://kubernetes.default.svc";
const SUBJECT: &str = "system:serviceaccount:etl:reporting";

static CERTIFICATE: LazyLock<ClientCertificate> =
    LazyLock::new(|| ClientCertificate::new("reporting").unwrap());
static OTHER: LazyLock<ClientCertificate> = LazyLock::new(|| ClientCertificate::new("other").unwrap());

async fn lab() -> Lab {
    let credential = FederatedCredential::new(ISSUER, SUBJECT, key_set(&CERTIFICATE));
    let world = World::with_users(1)
        .application(Application::with_certificate(CLIENT, &CERTIFICATE.certificate))
        .application(Application::with_federated_credential(WORKLOAD, credential));
    with(Options::new(world)).await
}

fn der(certificate: &ClientCertificate) -> Vec<u8> {
    CertificateDer::from_pem_slice(certificate.certificate.as_bytes())
        .unwrap()
        .to_vec()
}

fn sha256(certificate: &ClientCertificate) -> Vec<u8> {
    digest(&SHA256, &der(certificate)).as_ref().to_vec()
}

/// As an API server publishes its keys.
fn key_set(certificate: &ClientCertificate) -> Value {
    let public = key(certificate);
    // PKCS#1 in DER: nine bytes of headers and a zero byte come before the modulus.
    let modulus = &public.public_key().as_ref()[9..265];
    let n = URL_SAFE_NO_PAD.encode(modulus);
    json!({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "key-1", "n": n, "e": "AQAB"}]})
}

fn key(certificate: &ClientCertificate) -> KeyPair {
    let der = PrivatePkcs8KeyDer::from_pem_slice(certificate.key.as_bytes()).unwrap();
    KeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap()
}

/// A JWT with any header and claims.
fn jwt(header: &Value, claims: &Value, certificate: &ClientCertificate) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let encoding: &dyn RsaEncoding = match header["alg"].as_str() {
        Some("PS256") => &RSA_PSS_SHA256,
        Some("RS512") => &RSA_PKCS1_SHA512,
        _ => &RSA_PKCS1_SHA256,
    };
    let mut signature = vec![0; 256];
    key(certificate)
        .sign(encoding, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn header() -> Value {
    json!({"typ": "JWT", "alg": "PS256", "x5t#S256": URL_SAFE_NO_PAD.encode(sha256(&CERTIFICATE))})
}

fn claims(lab: &Lab) -> Value {
    let now = jiff::Timestamp::now().as_second();
    json!({
        "aud": lab.url(&format!("/{TENANT}/oauth2/v2.0/token")), "iss": CLIENT, "sub": CLIENT,
        "jti": "1", "nbf": now, "iat": now, "exp": now + 600,
    })
}

/// The object with some members replaced.
fn with_members(mut object: Value, members: &Value) -> Value {
    let members = members.as_object().unwrap().clone();
    object.as_object_mut().unwrap().extend(members);
    object
}

fn form(client: &str, assertion: &str) -> Vec<(&'static str, String)> {
    let form = but(password_form(), "client_id", Some(client));
    authenticated(form, assertion)
}

fn authenticated(form: Vec<(&'static str, String)>, assertion: &str) -> Vec<(&'static str, String)> {
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    but(
        but(form, "client_assertion_type", Some(kind)),
        "client_assertion",
        Some(assertion),
    )
}

#[tokio::test]
async fn a_certificate_lets_a_client_in_and_binds_its_refresh_tokens() {
    let lab = lab().await;
    let assertion = jwt(&header(), &claims(&lab), &CERTIFICATE);
    let answer = lab.post(&form(CLIENT, &assertion)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let redeem = but(
        refresh_form(answer.text("refresh_token")),
        "client_id",
        Some(CLIENT),
    );
    assert_eq!(
        lab.post(&redeem).await.verdict(),
        (401, 7000218, "invalid_client", None)
    );
    assert_eq!(
        lab.code(&authenticated(redeem, &assertion)).await,
        0,
        "an assertion may be used again"
    );
    let journal = serde_json::to_string(&lab.simulator.journal().requests()).unwrap();
    assert!(!journal.contains(&assertion));
}

#[tokio::test]
async fn the_journal_names_the_members_of_an_assertion_and_shows_no_value() {
    let lab = lab().await;
    lab.post(&form(CLIENT, &jwt(&header(), &claims(&lab), &CERTIFICATE)))
        .await;
    let entries = lab.simulator.journal().requests();
    let form = entries[0].form.iter();
    let members: Vec<_> = form
        .filter_map(|(name, value)| Some((name.strip_prefix("client_assertion:")?, value.as_str())))
        .collect();
    let names = [
        "alg", "aud", "exp", "iat", "iss", "jti", "nbf", "sub", "typ", "x5t#S256",
    ];
    assert_eq!(members, names.map(|name| (name, "")));
}

#[tokio::test]
async fn headers_of_every_library_are_understood() {
    let lab = lab().await;
    let (thumbprint, der) = (sha256(&CERTIFICATE), der(&CERTIFICATE));
    let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, &der).as_ref().to_vec();
    let broken = STANDARD.encode(&der).replacen('M', "M\n", 1);
    for header in [
        json!({"alg": "PS256", "x5t#S256": URL_SAFE.encode(&thumbprint)}),
        json!({"alg": "PS256", "x5t#S256": STANDARD.encode(&thumbprint)}),
        json!({"alg": "RS256", "x5t#S256": URL_SAFE_NO_PAD.encode(&thumbprint)}),
        json!({"alg": "RS256", "x5t": URL_SAFE.encode(&sha1)}),
        json!({"alg": "PS256", "x5c": STANDARD.encode(&der)}),
        json!({"alg": "PS256", "x5c": [broken]}),
    ] {
        let assertion = jwt(&header, &claims(&lab), &CERTIFICATE);
        assert_eq!(lab.code(&form(CLIENT, &assertion)).await, 0, "{header}");
    }
}

#[tokio::test]
async fn times_and_audiences_of_every_library_are_understood() {
    let lab = lab().await;
    let now = jiff::Timestamp::now().as_second();
    let audience = |path: &str| json!({"aud": lab.url(path)});
    for members in [
        json!({"exp": f64::from(i32::try_from(now).unwrap()) + 599.5, "iat": 0.5}),
        json!({"nbf": now.to_string(), "exp": (now + 600).to_string()}),
        json!({"nbf": now + 290}),
        json!({"exp": now - 290}),
        json!({"aud": [lab.url(&format!("/{TENANT}/oauth2/v2.0/token"))]}),
        audience("/contoso.example/oauth2/v2.0/token"),
        audience(&format!("/{TENANT}/v2.0")),
    ] {
        let assertion = jwt(&header(), &with_members(claims(&lab), &members), &CERTIFICATE);
        assert_eq!(lab.code(&form(CLIENT, &assertion)).await, 0, "{members}");
    }
}

#[tokio::test]
async fn an_assertion_that_is_wrong_in_one_point_is_refused_for_it() {
    let lab = lab().await;
    let now = jiff::Timestamp::now().as_second();
    for (members, code) in [
        (json!({"exp": now - 310}), 700024),
        (json!({"nbf": now + 310}), 700024),
        (json!({"exp": null}), 700024),
        (json!({"sub": PUBLIC_CLIENT}), 50048),
        (json!({"iss": PUBLIC_CLIENT, "sub": PUBLIC_CLIENT}), 50012),
        (
            json!({"aud": "https://login.contoso.example/x/oauth2/v2.0/token"}),
            50012,
        ),
        (json!({"aud": lab.url("/organizations/oauth2/v2.0/token")}), 50012),
    ] {
        let assertion = jwt(&header(), &with_members(claims(&lab), &members), &CERTIFICATE);
        let answer = lab.post(&form(CLIENT, &assertion)).await;
        assert_eq!(answer.verdict(), (401, code, "invalid_client", None), "{members}");
    }
}

#[tokio::test]
async fn a_signature_must_be_of_a_registered_key() {
    let lab = lab().await;
    let right = jwt(&header(), &claims(&lab), &CERTIFICATE);
    let other_key = jwt(&header(), &claims(&lab), &OTHER);
    let other_certificate = json!({"alg": "PS256", "x5t#S256": URL_SAFE_NO_PAD.encode(sha256(&OTHER))});
    let unknown = jwt(&other_certificate, &claims(&lab), &OTHER);
    let nameless = jwt(&json!({"alg": "PS256"}), &claims(&lab), &CERTIFICATE);
    let weaker = jwt(
        &with_members(header(), &json!({"alg": "RS512"})),
        &claims(&lab),
        &CERTIFICATE,
    );
    let mut parts: Vec<&str> = right.split('.').collect();
    let none = URL_SAFE_NO_PAD.encode(with_members(header(), &json!({"alg": "none"})).to_string());
    parts[0] = &none;
    for assertion in [
        other_key,
        unknown,
        nameless,
        weaker,
        parts.join("."),
        format!("{right}A"),
    ] {
        assert_eq!(lab.code(&form(CLIENT, &assertion)).await, 700027, "{assertion}");
    }
    for garbage in ["x", "a.b.c", ""] {
        let code = if garbage.is_empty() { 7000218 } else { 50027 };
        assert_eq!(lab.code(&form(CLIENT, garbage)).await, code, "{garbage}");
    }
    let kind = but(form(CLIENT, &right), "client_assertion_type", Some("urn:other"));
    assert_eq!(lab.code(&kind).await, 90100);
}

#[tokio::test]
async fn an_expired_certificate_proves_nothing() {
    let key = rcgen::KeyPair::from_pem(&CERTIFICATE.key).unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.not_after = rcgen::date_time_ymd(2026, 1, 1);
    let old = ClientCertificate {
        certificate: params.self_signed(&key).unwrap().pem(),
        key: CERTIFICATE.key.clone(),
    };
    let application = Application::with_certificate(CLIENT, &old.certificate);
    let lab = with(Options::new(World::with_users(1).application(application))).await;
    let header = json!({"alg": "PS256", "x5t#S256": URL_SAFE_NO_PAD.encode(sha256(&old))});
    let assertion = jwt(&header, &claims(&lab), &old);
    assert_eq!(lab.code(&form(CLIENT, &assertion)).await, 700027);
}

#[tokio::test]
async fn of_two_certificates_either_will_do() {
    let lab = lab().await;
    lab.simulator.change(|world| {
        let application = world.applications.iter_mut().find(|app| app.client_id == CLIENT);
        application.unwrap().certificates.push(OTHER.certificate.clone());
    });
    let of_other = json!({"alg": "PS256", "x5t#S256": URL_SAFE_NO_PAD.encode(sha256(&OTHER))});
    for assertion in [
        jwt(&header(), &claims(&lab), &CERTIFICATE),
        jwt(&of_other, &claims(&lab), &OTHER),
    ] {
        assert_eq!(lab.code(&form(CLIENT, &assertion)).await, 0);
    }
}

#[tokio::test]
async fn a_public_application_has_nothing_to_prove() {
    let lab = lab().await;
    let assertion = jwt(&header(), &claims(&lab), &CERTIFICATE);
    assert_eq!(lab.code(&form(PUBLIC_CLIENT, &assertion)).await, 700025);
}

/// A token of a ServiceAccount.
fn service_account(members: &Value) -> String {
    let now = jiff::Timestamp::now().as_second();
    let claims = json!({
        "aud": ["api://AzureADTokenExchange"], "iss": ISSUER, "sub": SUBJECT, "nbf": now, "exp": now + 600,
        "kubernetes.io": {"namespace": "etl"},
    });
    let header = json!({"alg": "RS256", "kid": "key-1"});
    jwt(&header, &with_members(claims, members), &CERTIFICATE)
}

#[tokio::test]
async fn a_token_of_a_trusted_issuer_lets_a_client_in() {
    let lab = lab().await;
    assert_eq!(lab.code(&form(WORKLOAD, &service_account(&json!({})))).await, 0);
    assert_eq!(
        lab.code(&form(CLIENT, &service_account(&json!({})))).await,
        700211,
        "another application"
    );
    let now = jiff::Timestamp::now().as_second();
    for (members, code) in [
        (json!({"iss": "https://kubernetes.default.svc/"}), 700211),
        (json!({"aud": "https://kubernetes.default.svc"}), 700212),
        (json!({"aud": "api://azureadtokenexchange"}), 700212),
        (json!({"sub": "system:serviceaccount:etl:Reporting"}), 700213),
        (json!({"exp": now - 310}), 700024),
    ] {
        let answer = lab.post(&form(WORKLOAD, &service_account(&members))).await;
        assert_eq!(answer.verdict(), (401, code, "invalid_client", None), "{members}");
    }
}

#[tokio::test]
async fn the_issuer_must_have_signed_the_token() {
    let lab = lab().await;
    let now = jiff::Timestamp::now().as_second();
    let claims =
        json!({"aud": "api://AzureADTokenExchange", "iss": ISSUER, "sub": SUBJECT, "exp": now + 600});
    for (kid, certificate, code) in [
        ("key-1", &*CERTIFICATE, 0),
        ("key-1", &*OTHER, 700027),
        ("key-2", &*CERTIFICATE, 700027),
    ] {
        let token = jwt(&json!({"alg": "RS256", "kid": kid}), &claims, certificate);
        assert_eq!(lab.code(&form(WORKLOAD, &token)).await, code, "{kid}");
    }
}

#[tokio::test]
async fn other_authorities_take_assertions_for_their_own_endpoint() {
    let lab = lab().await;
    lab.simulator
        .change(|world| world.issuers.push(Issuer::new("sso", Rotation::Kept)));
    let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, &der(&CERTIFICATE));
    let old = json!({"alg": "RS256", "x5t": URL_SAFE_NO_PAD.encode(sha1)});
    for (path, audiences, header) in [
        ("/adfs/oauth2/token", ["/adfs/oauth2/token", "/adfs"], old),
        ("/oidc/sso/token", ["/oidc/sso/token", "/oidc/sso"], header()),
    ] {
        for audience in audiences {
            let claims = with_members(claims(&lab), &json!({"aud": lab.url(audience)}));
            let assertion = jwt(&header, &claims, &CERTIFICATE);
            assert_eq!(
                lab.post_path(path, &form(CLIENT, &assertion)).await.status,
                200,
                "{audience}"
            );
        }
        let elsewhere = jwt(&header, &claims(&lab), &CERTIFICATE);
        assert_eq!(
            lab.post_path(path, &form(CLIENT, &elsewhere)).await.status,
            401,
            "{path}"
        );
    }
}

/// AD FS knows neither PSS nor thumbprints of SHA-256.
#[tokio::test]
async fn ad_fs_takes_rs256_with_a_sha_1_thumbprint_alone() {
    let lab = lab().await;
    let claims = with_members(claims(&lab), &json!({"aud": lab.url("/adfs/oauth2/token")}));
    let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, &der(&CERTIFICATE));
    let old = URL_SAFE_NO_PAD.encode(sha1);
    for (header, status) in [
        (json!({"alg": "RS256", "x5t": old}), 200),
        (json!({"alg": "PS256", "x5t": old}), 401),
        (
            json!({"alg": "RS256", "x5t#S256": URL_SAFE_NO_PAD.encode(sha256(&CERTIFICATE))}),
            401,
        ),
        (header(), 401),
    ] {
        let assertion = jwt(&header, &claims, &CERTIFICATE);
        let answer = lab
            .post_path("/adfs/oauth2/token", &form(CLIENT, &assertion))
            .await;
        assert_eq!(answer.status, status, "{header}: {}", answer.body);
    }
}
