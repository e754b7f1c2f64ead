//! With `--config`: which authorities exist, which namespaces are served, and what the policy allows.

use std::io::Write;

use tempfile::NamedTempFile;

use crate::{problems, report};

const CREDENTIAL: &str = "
apiVersion: entra-operator.dev/v1alpha1
kind: EntraCredential
metadata: {name: reporting, namespace: etl}
spec:
  AUTHORITY
  clientId: 3f0c1a52-0000-4000-8000-000000000001
  login: {secretName: reporting-login}
  tokens: [{secretName: reporting-graph, scopes: [SCOPE]}]
";

const AUTHORITIES: &str = "
authorities:
  - {name: lab, kind: Entra, url: \"https://login.contoso.example:8443\", namespaces: [etl]}
  - {name: legacy, kind: Adfs, url: \"https://fs.contoso.example/adfs\"}
  - {name: partner, kind: Oidc, url: \"https://sso.contoso.example/realms/a\"}
";

fn credential(authority: &str) -> String {
    CREDENTIAL
        .replace("AUTHORITY", authority)
        .replace("SCOPE", "api://orders/read")
}

fn with_config(text: &str, config: &str) -> serde_json::Value {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(config.as_bytes()).unwrap();
    report(text, Some(file.path().to_owned()))
}

fn wrong(text: &str, config: &str) -> Vec<String> {
    problems(&with_config(text, config))
}

#[test]
fn an_authority_is_known_by_the_configuration_only() {
    let text = credential("authority: legacy");
    let alone = report(&text, None);
    let warning = &alone["files"][0]["objects"][0]["warnings"][0];
    assert_eq!(warning["path"], "spec.authority");
    assert!(
        warning["message"].as_str().unwrap().contains("--config"),
        "{warning}"
    );
    assert_eq!(
        wrong(&text, ""),
        [
            "spec: no authority named legacy is declared in the operator's configuration; ask its administrator to add it"
        ]
    );
    let known = with_config(&text, AUTHORITIES);
    let explained = &known["files"][0]["objects"][0]["explained"];
    assert_eq!(explained["signIn"]["kind"], "Adfs", "{known:#}");
    assert_eq!(
        explained["requests"][0]["url"],
        "https://fs.contoso.example/adfs/oauth2/token"
    );
}

#[test]
fn an_issuer_is_asked_for_its_endpoint_first() {
    let known = with_config(&credential("authority: partner"), AUTHORITIES);
    let requests = &known["files"][0]["objects"][0]["explained"]["requests"];
    let document = "https://sso.contoso.example/realms/a/.well-known/openid-configuration";
    assert_eq!(requests[0]["url"], document, "{known:#}");
}

#[test]
fn what_does_not_fit_the_authority_is_told_as_the_operator_tells_it() {
    for (change, sentence) in [
        (
            "authority: legacy\n  tenant: a.example",
            "spec: this authority has no tenants: remove spec.tenant",
        ),
        (
            "authority: lab",
            "spec: this authority needs a tenant: set spec.tenant to the tenant's GUID or domain",
        ),
        (
            "authority: legacy\n  clientCredential: {workloadIdentity: {serviceAccountName: a}}",
            "spec.clientCredential.workloadIdentity: the token of a workload identity is good at Entra ID only: use a \
             client secret or a certificate, or an authority of kind Entra",
        ),
    ] {
        assert_eq!(wrong(&credential(change), AUTHORITIES), [sentence]);
    }
    let openid = CREDENTIAL
        .replace("AUTHORITY", "authority: legacy")
        .replace("SCOPE", "openid");
    let sentence =
        "spec.tokens[0].scopes: openid and profile name no API here: leave them out, the operator adds them";
    assert_eq!(wrong(&openid, AUTHORITIES), [sentence]);
    let openid = openid.replace("legacy", "partner");
    assert_eq!(wrong(&openid, AUTHORITIES), [""; 0]);
}

#[test]
fn what_the_policy_does_not_allow_is_wrong() {
    let text = credential("tenant: contoso.example");
    let ask = "ask the administrator of the operator to add";
    for (config, sentence) in [
        (
            "watch: {namespaces: [web]}",
            "metadata.namespace: etl is not among watch.namespaces of the configuration".to_owned(),
        ),
        (
            "policy: {tenants: [fabrikam.example]}",
            format!(
                "spec: the administrator's policy does not allow tenant contoso.example; {ask} contoso.example to policy.tenants"
            ),
        ),
        (
            "policy: {namespaces: {etl: {clientIds: []}}}",
            format!(
                "spec: the administrator's policy does not allow client 3f0c1a52-0000-4000-8000-000000000001; {ask} \
                 3f0c1a52-0000-4000-8000-000000000001 to policy.namespaces.etl.clientIds"
            ),
        ),
    ] {
        assert_eq!(wrong(&text, config), [sentence]);
    }
    let elsewhere = credential("authority: lab\n  tenant: contoso.example").replace("etl", "web");
    assert_eq!(
        wrong(&elsewhere, AUTHORITIES),
        [format!(
            "spec: the administrator's policy does not allow authority lab in namespace web; {ask} web to authorities[].namespaces of lab"
        )]
    );
}

/// Offline the GUID is not known: it is said what will be asked, and that it decides.
#[test]
fn a_tenant_whose_guid_decides_is_said_to_be_asked_for_first() {
    let policy = "policy: {tenants: [3f0c1a52-0000-4000-8000-0000000000aa]}";
    let told = with_config(&credential("tenant: contoso.example"), policy);
    let explained = &told["files"][0]["objects"][0]["explained"];
    assert_eq!(
        explained["policy"],
        "decided by the tenant's GUID, which is asked for at the sign-in"
    );
    assert_eq!(
        explained["requests"][0]["url"],
        "https://login.microsoftonline.com/contoso.example/v2.0/.well-known/openid-configuration"
    );
}
