//! A stolen token of the operator's ServiceAccount, and the tokens that it can have issued: none but for the ServiceAccounts
//! that an administrator named, and those for Entra only.

use entra_lab::stage::{AUTHORITY, OPERATOR};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::PostParams;

use super::client_of;
use crate::client_credentials::allow;
use crate::scene::{Place, stage};

const AUDIENCE: &str = "api://AzureADTokenExchange";

/// Asks for a token; the error is what the API server said.
async fn issued(
    accounts: &Api<ServiceAccount>,
    name: &str,
    audiences: &[&str],
    seconds: i64,
) -> Result<(), String> {
    let spec = TokenRequestSpec {
        audiences: Some(audiences.iter().map(|a| (*a).to_owned()).collect()),
        expiration_seconds: Some(seconds),
        ..TokenRequestSpec::default()
    };
    let request = TokenRequest {
        spec: Some(spec),
        ..TokenRequest::default()
    };
    let answer = accounts
        .create_token_request(name, &PostParams::default(), &request)
        .await;
    answer.map(drop).map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_token_mints_none_that_the_api_server_would_take() {
    let place = Place::new("mint").await;
    let client = client_of(stage().await, OPERATOR, OPERATOR).await;
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), &place.namespace);
    for (namespace, name) in [
        (place.namespace.as_str(), "default"),
        (OPERATOR, OPERATOR),
        ("kube-system", "namespace-controller"),
    ] {
        let accounts = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
        let said = issued(&accounts, name, &[AUDIENCE], 3600).await.unwrap_err();
        assert!(
            said.contains("cannot create resource \"serviceaccounts/token\""),
            "{name}: {said}"
        );
    }
    allow(&place, OPERATOR).await;
    let denied = |outcome: Result<(), String>| {
        outcome.is_err_and(|said| said.contains("ValidatingAdmissionPolicy 'entra-operator-tokens'"))
    };
    place
        .until("the policy is in force", || async {
            denied(issued(&accounts, "reporting", &[], 3600).await)
        })
        .await;
    assert_eq!(issued(&accounts, "reporting", &[AUDIENCE], 3600).await, Ok(()));
    let server = "https://kubernetes.default.svc.cluster.local";
    for audiences in [&[server][..], &[AUDIENCE, server], &[AUTHORITY]] {
        assert!(
            denied(issued(&accounts, "reporting", audiences, 3600).await),
            "{audiences:?}"
        );
    }
    assert!(
        denied(issued(&accounts, "reporting", &[AUDIENCE], 7200).await),
        "for longer than an hour"
    );
    let said = issued(&accounts, "default", &[AUDIENCE], 3600).await.unwrap_err();
    assert!(said.contains("cannot create resource"), "{said}");
}
