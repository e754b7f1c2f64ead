//! Federated users: realm, metadata, WS-Trust in both versions, and the assertions at the token endpoint.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_lab::simulator::world::{DOMAIN, FEDERATED_DOMAIN, TENANT, user_name};
use entra_lab::simulator::{
    Account, Event, Fault, FederationServer, Metadata, Options, Rule, SamlToken, SoapFault, digest,
};

use crate::client::{Lab, but, claims, decode, password_form, with};
use crate::wstrust::{
    DORA, PASSWORD, VERSIONS, Version, assertion, between, envelope, saml_form, send, world,
};

const SAML11: &str = "saml1_1";
const SAML20: &str = "saml2";

async fn lab() -> Lab {
    with(Options::new(world())).await
}

async fn lab_with(change: impl FnOnce(&mut FederationServer)) -> Lab {
    let lab = lab().await;
    lab.simulator
        .configure(|behaviour| change(&mut behaviour.federation));
    lab
}

/// The subcode with which an envelope is refused.
async fn refused(lab: &Lab, version: Version, envelope: String) -> String {
    let (status, text) = send(lab, version, envelope).await;
    assert_eq!(status, 500, "{text}");
    assert_eq!(between(&text, "<s:Code><s:Value>", "</s:Value>"), "s:Sender");
    let subcode = between(&text, "<s:Subcode>", "</s:Subcode>");
    between(subcode, "\">", "</s:Value>").to_owned()
}

#[tokio::test]
async fn the_realm_of_a_federated_domain_names_its_server_as_the_client_addressed_us() {
    let lab = lab().await;
    let answer = lab
        .get("/common/UserRealm/Dora%40FED.example?api-version=1.0")
        .await;
    let base = lab.simulator.url();
    assert_eq!(answer.text("account_type"), "Federated");
    assert_eq!(answer.text("federation_protocol"), "WSTrust");
    assert_eq!(
        answer.text("federation_metadata_url"),
        format!("{base}/adfs/services/trust/mex")
    );
    assert_eq!(
        answer.text("federation_active_auth_url"),
        format!("{base}/adfs/services/trust/2005/usernamemixed")
    );
    for field in ["domain_name", "cloud_instance_name", "cloud_audience_urn"] {
        assert!(!answer.text(field).is_empty(), "{field}");
    }
    let managed = lab.get(&format!("/common/userrealm/{}", user_name(0))).await;
    assert_eq!(managed.text("account_type"), "Managed");
}

#[tokio::test]
async fn the_server_can_be_said_to_live_elsewhere() {
    let lab = lab_with(|server| server.base = Some("https://sts.fed.example".to_owned())).await;
    let realm = lab.get(&format!("/common/userrealm/{DORA}")).await;
    assert_eq!(
        realm.text("federation_metadata_url"),
        "https://sts.fed.example/adfs/services/trust/mex"
    );
    let metadata = lab.get("/adfs/services/trust/mex").await.body;
    assert!(
        metadata
            .as_str()
            .unwrap()
            .contains("https://sts.fed.example/adfs")
    );
}

/// The addresses of all ports with the soapAction of their bindings, in order.
fn ports(metadata: &str) -> Vec<(String, String)> {
    let document = roxmltree::Document::parse(metadata).unwrap();
    let named = |name: &'static str| document.descendants().filter(move |node| node.has_tag_name(name));
    let action = |binding: &str| {
        let binding = named("binding").find(|node| node.attribute("name") == Some(binding));
        let mut inside = binding.unwrap().descendants();
        inside
            .find_map(|node| node.attribute("soapAction"))
            .unwrap()
            .to_owned()
    };
    let of_port = |port: roxmltree::Node<'_, '_>| {
        let address = port.descendants().find(|node| node.has_tag_name("Address"));
        let binding = port.attribute("binding").unwrap().split_once(':').unwrap().1;
        (address.unwrap().text().unwrap().to_owned(), action(binding))
    };
    named("port").map(of_port).collect()
}

#[tokio::test]
async fn the_metadata_names_both_versions_among_decoys() {
    let lab = lab().await;
    let metadata = lab.get("/adfs/services/trust/mex").await;
    let ports = ports(metadata.body.as_str().unwrap());
    let base = lab.url("/adfs/services/trust");
    for (path, action) in [
        (
            "13/usernamemixed",
            "http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/Issue",
        ),
        (
            "2005/usernamemixed",
            "http://schemas.xmlsoap.org/ws/2005/02/trust/RST/Issue",
        ),
    ] {
        assert!(
            ports.contains(&(format!("{base}/{path}"), action.to_owned())),
            "{path}"
        );
    }
    for decoy in ["windowstransport", "certificatemixed"] {
        assert!(
            ports.iter().any(|(address, _)| address.ends_with(decoy)),
            "{decoy}"
        );
    }
}

#[tokio::test]
async fn the_metadata_can_be_spoilt() {
    let lab = lab().await;
    let get = async |metadata| {
        lab.simulator
            .configure(|behaviour| behaviour.federation.metadata = metadata);
        lab.get("/adfs/services/trust/mex").await
    };
    let old = get(Metadata::Only2005).await;
    assert!(
        ports(old.body.as_str().unwrap())
            .iter()
            .all(|(address, _)| address.contains("/2005/"))
    );
    let plain = get(Metadata::Http).await;
    assert!(
        ports(plain.body.as_str().unwrap())
            .iter()
            .all(|(address, _)| address.starts_with("http://"))
    );
    let malformed = get(Metadata::Malformed).await;
    assert!(roxmltree::Document::parse(malformed.body.as_str().unwrap()).is_err());
    assert_eq!(get(Metadata::Absent).await.status, 404);
    let realm = format!("/common/userrealm/{DORA}");
    assert!(lab.get(&realm).await.body["federation_metadata_url"].is_string());
    assert_eq!(get(Metadata::Unnamed).await.status, 404);
    assert!(
        lab.get(&realm)
            .await
            .body
            .get("federation_metadata_url")
            .is_none()
    );
}

#[tokio::test]
async fn an_assertion_yields_the_tokens_of_the_user_whom_it_names() {
    for (token, saml) in [(SamlToken::V11, SAML11), (SamlToken::V20, SAML20)] {
        let lab = lab_with(|server| server.token = token).await;
        for version in VERSIONS {
            let assertion = assertion(&lab, version).await;
            assert!(assertion.contains(DORA));
            let answer = lab.post(&saml_form(saml, &assertion)).await;
            assert_eq!(
                claims(answer.text("id_token"))["preferred_username"],
                DORA,
                "{version:?}"
            );
            assert_eq!(decode(answer.text("client_info"))["utid"], TENANT);
            assert_eq!(lab.redeem(answer.text("refresh_token")).await.status, 200);
        }
    }
}

#[tokio::test]
async fn the_answer_calls_the_token_by_either_name() {
    for (token, name) in [
        (SamlToken::V11, "urn:oasis:names:tc:SAML:1.0:assertion"),
        (SamlToken::V20, "urn:oasis:names:tc:SAML:2.0:assertion"),
        (
            SamlToken::V11Profile,
            "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV1.1",
        ),
        (
            SamlToken::V20Profile,
            "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV2.0",
        ),
    ] {
        let lab = lab_with(|server| server.token = token).await;
        let (_, text) = send(&lab, Version::V13, envelope(&lab, Version::V13, DORA, PASSWORD)).await;
        assert_eq!(between(&text, "<t:TokenType>", "</t:TokenType>"), name);
    }
}

#[tokio::test]
async fn the_assertion_may_come_in_either_base64() {
    let lab = lab().await;
    let assertion = assertion(&lab, Version::V13).await;
    let unpadded = URL_SAFE_NO_PAD.encode(&assertion);
    assert_eq!(lab.code(&saml_form(SAML11, &assertion)).await, 0);
    let form = but(saml_form(SAML11, &assertion), "assertion", Some(&unpadded));
    assert_eq!(lab.code(&form).await, 0);
}

#[tokio::test]
async fn an_assertion_is_taken_only_as_it_was_issued() {
    let lab = lab().await;
    let assertion = assertion(&lab, Version::V13).await;
    let code = async |assertion: &str| lab.code(&saml_form(SAML11, assertion)).await;
    let ordered = assertion.replace(
        "MajorVersion=\"1\" MinorVersion=\"1\"",
        "MinorVersion=\"1\" MajorVersion=\"1\"",
    );
    assert_ne!(ordered, assertion);
    assert_eq!(code(&ordered).await, 0, "canonical XML sorts attributes");
    for (changed, why) in [
        (assertion.replace(DORA, &user_name(0)), "another user"),
        (
            assertion.replace("NotOnOrAfter=\"20", "NotOnOrAfter=\"21"),
            "a longer life",
        ),
        (
            assertion.replace("><saml:Conditions", ">\n<saml:Conditions"),
            "white space",
        ),
        (assertion.replace(" xmlns:saml=", " xmlns:x="), "no declaration"),
        (
            assertion.replace("saml:Audience>", "saml:audience>"),
            "another name",
        ),
        ("not XML".to_owned(), "not XML"),
    ] {
        assert_eq!(code(&changed).await, 50013, "{why}");
    }
    let garbage = but(saml_form(SAML11, ""), "assertion", Some("%%%"));
    assert_eq!(
        lab.post(&garbage).await.verdict(),
        (400, 50013, "invalid_grant", None)
    );
    assert_eq!(
        lab.code(&saml_form(SAML20, &assertion)).await,
        50013,
        "the other grant"
    );
    let missing = but(saml_form(SAML11, ""), "assertion", None);
    assert_eq!(lab.code(&missing).await, 900144);
}

#[tokio::test]
async fn a_prefix_declared_on_the_envelope_must_be_carried_over() {
    let lab = lab_with(|server| server.prefix_on_ancestor = true).await;
    let (_, text) = send(&lab, Version::V13, envelope(&lab, Version::V13, DORA, PASSWORD)).await;
    assert!(roxmltree::Document::parse(&text).is_ok());
    let bare = between(&text, "<t:RequestedSecurityToken>", "</t:RequestedSecurityToken>");
    assert_eq!(lab.code(&saml_form(SAML11, bare)).await, 50013);
    let whole = bare.replacen(
        "<saml:Assertion ",
        "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:1.0:assertion\" ",
        1,
    );
    assert_eq!(lab.code(&saml_form(SAML11, &whole)).await, 0);
}

#[tokio::test]
async fn an_assertion_ends() {
    let lab = lab_with(|server| server.assertion_seconds = 60).await;
    let assertion = assertion(&lab, Version::V13).await;
    lab.simulator.clock().advance(59);
    assert_eq!(lab.code(&saml_form(SAML11, &assertion)).await, 0);
    lab.simulator.clock().advance(2);
    assert_eq!(lab.code(&saml_form(SAML11, &assertion)).await, 50013);
}

#[tokio::test]
async fn whoever_cannot_sign_in_gets_one_answer() {
    let lab = lab().await;
    let code = async |user: &str, password: &str| {
        refused(&lab, Version::V13, envelope(&lab, Version::V13, user, password)).await
    };
    assert_eq!(code(DORA, "wrong").await, "wsse:FailedAuthentication");
    assert_eq!(
        code("nobody@fed.example", PASSWORD).await,
        "wsse:FailedAuthentication"
    );
    let managed = entra_lab::simulator::world::password(0);
    assert_eq!(code(&user_name(0), &managed).await, "wsse:FailedAuthentication");
    lab.simulator.set_account(DORA, Account::Disabled);
    assert_eq!(code(DORA, PASSWORD).await, "wsse:FailedAuthentication");
    lab.simulator.set_account(DORA, Account::Active);
    lab.simulator
        .change_user(DORA, |user| user.password_expired = true);
    assert_eq!(code(DORA, PASSWORD).await, "wsse:FailedAuthentication");
}

#[tokio::test]
async fn every_part_of_the_request_is_checked() {
    let lab = lab().await;
    for version in VERSIONS {
        let right = envelope(&lab, version, DORA, PASSWORD);
        for (from, to, subcode) in [
            ("/RST/Issue<", "/RST/Renew<", "wsa:ActionNotSupported"),
            (
                "usernamemixed</wsa:To>",
                "windowstransport</wsa:To>",
                "wsa:DestinationUnreachable",
            ),
            ("urn:uuid:", "", "wst:InvalidRequest"),
            (
                "/Issue</wst:RequestType>",
                "/Renew</wst:RequestType>",
                "wst:InvalidRequest",
            ),
            ("</wst:KeyType>", "x</wst:KeyType>", "wst:InvalidRequest"),
            ("xmlns:wst=\"http", "xmlns:wst=\"x", "wst:InvalidRequest"),
            ("urn:federation:MicrosoftOnline", "urn:other", "wst:RequestFailed"),
            ("<wsu:Created>", "<wsu:Created>x", "wsse:InvalidSecurity"),
            ("<s:Header>", "<s:Header", "wst:InvalidRequest"),
            (
                "2003/05/soap-envelope",
                "2001/12/soap-envelope",
                "wst:InvalidRequest",
            ),
        ] {
            let wrong = right.replacen(from, to, 1);
            assert_ne!(wrong, right, "{from}");
            assert_eq!(refused(&lab, version, wrong).await, subcode, "{version:?} {from}");
        }
        let other_spelling = right.replace("wsa:MessageID", "wsa:messageID");
        assert_eq!(send(&lab, version, other_spelling).await.0, 200);
    }
}

#[tokio::test]
async fn headers_are_checked_too() {
    let lab = lab().await;
    let envelope = envelope(&lab, Version::V13, DORA, PASSWORD);
    let post = || lab.http.post(lab.url(Version::V13.path())).body(envelope.clone());
    let text = post().header("content-type", "text/xml").send().await.unwrap();
    assert_eq!(text.status(), 415);
    let silent = post()
        .header("content-type", "application/soap+xml")
        .send()
        .await
        .unwrap();
    assert_eq!(silent.status(), 500);
    assert!(silent.text().await.unwrap().contains("wsa:ActionNotSupported"));
}

#[tokio::test]
async fn a_clock_that_is_off_by_more_than_five_minutes_is_refused() {
    let lab = lab().await;
    let right = envelope(&lab, Version::V13, DORA, PASSWORD);
    // The window is ten minutes long and five are tolerated at both ends.
    for (offset, accepted) in [(-290, true), (-310, false), (890, true), (910, false)] {
        lab.simulator.clock().advance(offset);
        let (status, text) = send(&lab, Version::V13, right.clone()).await;
        assert_eq!(status == 200, accepted, "{offset}");
        assert_eq!(text.contains("wsse:InvalidSecurity"), !accepted, "{offset}");
        lab.simulator.clock().advance(-offset);
    }
}

#[tokio::test]
async fn the_password_grant_does_not_serve_federated_users_unless_the_cloud_has_their_hashes() {
    let lab = lab().await;
    let form = but(
        but(password_form(), "username", Some(DORA)),
        "password",
        Some(PASSWORD),
    );
    assert_eq!(
        lab.post(&form).await.verdict(),
        (400, 50126, "invalid_grant", None)
    );
    lab.simulator
        .change(|world| world.tenants[0].cloud_password_validation = true);
    assert_eq!(lab.code(&form).await, 0);
    assert_eq!(lab.code(&but(form, "password", Some("wrong"))).await, 50126);
}

#[tokio::test]
async fn the_journal_counts_passwords_of_federated_users_and_shows_none() {
    let lab = lab().await;
    let assertion = assertion(&lab, Version::V13).await;
    let answer = lab.post(&saml_form(SAML11, &assertion)).await;
    lab.redeem(answer.text("refresh_token")).await;
    let journal = lab.simulator.journal();
    assert_eq!(journal.password_sends("DORA@fed.example"), 1);
    assert_eq!(journal.password_sends_of(DORA, PASSWORD), 1);
    assert_eq!(journal.redemptions(DORA), 1);
    let entries = journal.requests();
    assert!(entries.iter().all(|entry| entry.user.as_deref() == Some(DORA)));
    assert_eq!(entries[0].form["password"], digest(PASSWORD));
    assert_eq!(entries[0].form["to"], lab.url(Version::V13.path()));
    assert_eq!(entries[0].form["appliesTo"], "urn:federation:MicrosoftOnline");
    assert!(entries[0].form["keyType"].ends_with("/Bearer"));
    assert!(entries[0].form["requestType"].ends_with("/Issue"));
    assert!(entries[0].form["elements"].starts_with("Action Address AppliesTo Body Created"));
    let text = serde_json::to_string(&entries).unwrap();
    assert!(!text.contains("PWMARK") && !text.contains("horse"), "{text}");
}

#[tokio::test]
async fn a_body_that_is_no_form_leaves_no_text_in_the_journal() {
    let lab = lab().await;
    for content_type in ["application/soap+xml", "application/json", "text/plain"] {
        let body = "<a b='1'>PWMARK&amp;PWMARK=PWMARK</a";
        let request = lab
            .http
            .post(lab.url(Version::V13.path()))
            .header("content-type", content_type);
        request.body(body).send().await.unwrap();
    }
    let text = serde_json::to_string(&lab.simulator.journal().requests()).unwrap();
    assert!(!text.contains("PWMARK"), "{text}");
}

#[tokio::test]
async fn faults_can_be_scripted() {
    let lab = lab().await;
    let rule = |fault| Rule::new(fault).path("/usernamemixed").user(DORA);
    lab.simulator.script(rule(Fault::Soap(SoapFault::RequestFailed)));
    lab.simulator.script(rule(Fault::ServerError));
    let right = envelope(&lab, Version::V2005, DORA, PASSWORD);
    assert_eq!(
        refused(&lab, Version::V2005, right.clone()).await,
        "wst:RequestFailed"
    );
    assert_eq!(send(&lab, Version::V2005, right.clone()).await.0, 500);
    assert_eq!(send(&lab, Version::V2005, right).await.0, 200);
}

#[tokio::test]
async fn a_federated_sign_in_survives_a_change_of_the_password() {
    let lab = lab().await;
    let assertion = assertion(&lab, Version::V13).await;
    for (event, survives) in [
        (Event::PasswordChanged, true),
        (Event::SelfServiceReset, true),
        (Event::AdminResetAzurePortal, true),
        (Event::AdminResetEntra, false),
        (Event::SessionsRevoked, false),
    ] {
        let answer = lab.post(&saml_form(SAML11, &assertion)).await;
        lab.simulator.happened(DORA, event);
        let redeemed = lab.redeem(answer.text("refresh_token")).await;
        assert_eq!(redeemed.status == 200, survives, "{event:?}");
    }
}

#[tokio::test]
async fn both_kinds_of_domain_belong_to_the_tenant() {
    let lab = lab().await;
    for domain in [DOMAIN, FEDERATED_DOMAIN] {
        let path = format!("/{domain}/v2.0/.well-known/openid-configuration");
        assert!(
            lab.get(&path).await.text("token_endpoint").contains(TENANT),
            "{domain}"
        );
    }
}
