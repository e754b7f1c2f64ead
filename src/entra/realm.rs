//! User realm discovery: who checks an account's password.

use serde::Deserialize;

use super::authority::Authority;
use super::federation::TEXT_MAX;
use crate::api::Cloud;

/// For whom a federation server's token is, where the answer does not say: the public cloud's name for itself.
const AUDIENCE: &str = "urn:federation:MicrosoftOnline";

/// Domain under which personal Microsoft accounts are found; MSAL.NET knows them by it.
const PERSONAL: &str = "live.com";

/// Who checks the password of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AccountRealm {
    /// Entra ID itself.
    Managed,
    /// The organisation's own server.
    Federated(Server),
    /// Nobody: the domain belongs to no tenant.
    Unknown,
    /// The service for personal accounts.
    Personal,
    /// Another cloud's Entra ID: that cloud.
    Elsewhere(Cloud),
    /// The authority has no realm service: it checks the password itself, unless it asks somebody else behind its back.
    Absent,
}

/// A federation server, as the realm service describes it. Nothing of it is checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// `federation_metadata_url`.
    pub(super) metadata: Option<String>,
    /// `federation_active_auth_url`.
    pub(super) active: Option<String>,
    /// `cloud_audience_urn`.
    pub(super) audience: String,
    /// `federation_protocol` is SAML and not WS-Trust.
    pub(super) saml: bool,
}

#[derive(Deserialize)]
struct Body {
    account_type: String,
    domain_name: Option<String>,
    federation_metadata_url: Option<String>,
    federation_active_auth_url: Option<String>,
    cloud_audience_urn: Option<String>,
    federation_protocol: Option<String>,
    cloud_instance_name: Option<String>,
}

/// Reads an answer of this authority; `None` if it names no type of account that is known.
pub(super) fn read(authority: &Authority, body: &[u8]) -> Option<AccountRealm> {
    let body: Body = serde_json::from_slice(body).ok()?;
    let is = |kind: &str| body.account_type.eq_ignore_ascii_case(kind);
    let personal = body
        .domain_name
        .as_deref()
        .is_some_and(|domain| domain.eq_ignore_ascii_case(PERSONAL));
    let instance = body.cloud_instance_name.as_deref().unwrap_or_default();
    if personal {
        Some(AccountRealm::Personal)
    } else if let Some(cloud) = authority.other_cloud(instance) {
        Some(AccountRealm::Elsewhere(cloud))
    } else if is("Managed") {
        Some(AccountRealm::Managed)
    } else if is("Unknown") {
        Some(AccountRealm::Unknown)
    } else if is("Federated") {
        Some(AccountRealm::Federated(server(body)))
    } else {
        None
    }
}

fn server(body: Body) -> Server {
    let protocol = body.federation_protocol.unwrap_or_default();
    Server {
        saml: protocol.to_ascii_lowercase().starts_with("saml"),
        metadata: believed(body.federation_metadata_url),
        active: believed(body.federation_active_auth_url),
        audience: believed(body.cloud_audience_urn).unwrap_or_else(|| AUDIENCE.to_owned()),
    }
}

fn believed(text: Option<String>) -> Option<String> {
    text.filter(|text| (1..=TEXT_MAX).contains(&text.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::entra::authority::{Authorities, CLOUDS};

    fn cloud(host: &str) -> Authority {
        Authorities::default().bound(None, host).unwrap()
    }

    fn realm(body: &Value) -> Option<AccountRealm> {
        read(&cloud("login.microsoftonline.com"), body.to_string().as_bytes())
    }

    #[test]
    fn an_account_of_another_cloud_is_told_by_the_cloud_s_name_for_itself() {
        for (asked, host) in CLOUDS {
            for (cloud_of, instance) in CLOUDS {
                let name = instance.trim_start_matches("login.").to_uppercase();
                for kind in ["Managed", "Federated", "Unknown"] {
                    let body = json!({"account_type": kind, "cloud_instance_name": name}).to_string();
                    let found = read(&cloud(host), body.as_bytes());
                    let elsewhere = found == Some(AccountRealm::Elsewhere(cloud_of));
                    assert_eq!(elsewhere, asked != cloud_of, "{asked:?} {body}");
                }
            }
        }
        for name in [
            "",
            "login.microsoftonline.us",
            "microsoftonline.de",
            "contoso.example",
        ] {
            let body = json!({"account_type": "Managed", "cloud_instance_name": name});
            assert_eq!(realm(&body), Some(AccountRealm::Managed), "{name}");
        }
    }

    #[test]
    fn account_types_are_compared_without_case() {
        for (text, expected) in [
            ("Managed", AccountRealm::Managed),
            ("MANAGED", AccountRealm::Managed),
            ("unknown", AccountRealm::Unknown),
        ] {
            assert_eq!(
                realm(&json!({"account_type": text, "domain_name": "contoso.example"})),
                Some(expected)
            );
        }
    }

    #[test]
    fn a_federated_account_names_its_server() {
        let body = json!({"ver": "1.0", "account_type": "federated", "domain_name": "fed.example",
            "federation_protocol": "WSTrust", "federation_metadata_url": "https://sts.fed.example/mex",
            "federation_active_auth_url": "https://sts.fed.example/2005/usernamemixed",
            "cloud_audience_urn": "urn:federation:Other"});
        let expected = Server {
            saml: false,
            metadata: Some("https://sts.fed.example/mex".to_owned()),
            active: Some("https://sts.fed.example/2005/usernamemixed".to_owned()),
            audience: "urn:federation:Other".to_owned(),
        };
        assert_eq!(realm(&body), Some(AccountRealm::Federated(expected)));
    }

    #[test]
    fn what_is_absent_empty_or_endless_is_not_believed() {
        let body = json!({"account_type": "Federated", "federation_metadata_url": "",
            "federation_active_auth_url": "a".repeat(TEXT_MAX + 1), "cloud_audience_urn": null});
        let expected = Server {
            saml: false,
            metadata: None,
            active: None,
            audience: "urn:federation:MicrosoftOnline".to_owned(),
        };
        assert_eq!(realm(&body), Some(AccountRealm::Federated(expected)));
    }

    #[test]
    fn a_personal_account_is_told_by_its_domain() {
        for kind in ["Federated", "Unknown", "Managed"] {
            let body = json!({"account_type": kind, "domain_name": "Live.com"});
            assert_eq!(realm(&body), Some(AccountRealm::Personal));
        }
    }

    #[test]
    fn other_answers_are_none() {
        for body in [
            json!({}),
            json!([]),
            json!({"account_type": "Hybrid"}),
            json!({"account_type": 1}),
            json!({"account_type": "Managed", "domain_name": 1}),
        ] {
            assert_eq!(realm(&body), None, "{body}");
        }
    }

    proptest! {
        #[test]
        fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _seen = read(&cloud("login.microsoftonline.com"), &bytes);
        }

        #[test]
        fn what_is_kept_is_bounded(text in ".{0,40}", times in 0_usize..200) {
            let body = json!({"account_type": "Federated", "federation_metadata_url": text.repeat(times),
                "cloud_audience_urn": text.repeat(times)});
            let Some(AccountRealm::Federated(server)) = realm(&body) else { panic!("federated") };
            prop_assert!(server.metadata.is_none_or(|url| url.len() <= TEXT_MAX));
            prop_assert!((1..=TEXT_MAX).contains(&server.audience.len()));
        }
    }
}
