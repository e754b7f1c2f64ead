//! What the operator will do with a credential: what is sent where, and what must be allowed for it.

use serde::Serialize;

use super::configured::Configured;
use crate::api::{
    CLIENT_SECRET_TYPE, ClientCredential, EntraCredentialSpec, LOGIN_TYPE, Realm, TLS_TYPE, TokenSpec,
};
use crate::entra::Kind;
use crate::entra::authority::Route;
use crate::operator::rights::SERVED;
use crate::plan::policy::{Permission, Place};
use crate::plan::snapshot::Binding;

/// Resource of a scope without one, at Entra ID.
const GRAPH: &str = "https://graph.microsoft.com";

/// A credential, explained.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Explained {
    /// Whose tokens these are.
    pub(super) sign_in: SignIn,
    /// What is sent where, in order.
    pub(super) requests: Vec<Sent>,
    /// The token Secrets.
    pub(super) tokens: Vec<TokenTold>,
    /// Objects that somebody creates in the namespace.
    pub(super) objects: Vec<String>,
    /// What must be allowed at the identity provider.
    pub(super) provider: Vec<String>,
    /// What the operator must be allowed in the namespace.
    pub(super) rights: Vec<Right>,
    /// What the configuration says.
    pub(super) policy: String,
}

/// Authority, tenant and client.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignIn {
    /// Host of the authority.
    pub(super) host: String,
    /// `Entra`, `B2c`, `Adfs` or `Oidc`.
    pub(super) kind: String,
    /// As the spec writes it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) tenant: String,
    /// As the spec writes it.
    pub(super) client_id: String,
    /// How the application proves who it is.
    pub(super) client: String,
}

/// A request.
#[derive(Debug, Serialize)]
pub(super) struct Sent {
    /// `GET` or `POST`.
    pub(super) method: &'static str,
    /// Where; `USER` stands for the user name.
    pub(super) url: String,
    /// What it is for, and what it carries.
    pub(super) what: String,
}

/// A token Secret.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenTold {
    /// Its name.
    pub(super) secret_name: String,
    /// Everything that is asked for.
    pub(super) scopes: Vec<String>,
    /// For which API the token is, where the scope says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resource: Option<String>,
    /// Its keys, with their formats.
    pub(super) keys: Vec<String>,
}

/// A right of the operator's ServiceAccount.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Right {
    /// API group; empty for the core.
    pub(super) api_group: String,
    /// Resource.
    pub(super) resource: String,
    /// The one object that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resource_name: Option<String>,
    /// Verbs.
    pub(super) verbs: Vec<String>,
}

/// A credential that nothing is wrong with.
pub(super) fn explained(
    spec: &EntraCredentialSpec,
    place: Place<'_>,
    (binding, route): (&Binding, &Route),
    permission: &Permission,
    configured: &Configured,
) -> Explained {
    Explained {
        sign_in: sign_in(spec, binding, route),
        requests: requests(spec, route, permission),
        tokens: spec.tokens.iter().map(|token| told(token, route)).collect(),
        objects: objects(spec),
        provider: provider(spec, place, route),
        rights: rights(spec),
        policy: policy(permission, configured),
    }
}

fn sign_in(spec: &EntraCredentialSpec, binding: &Binding, route: &Route) -> SignIn {
    let client = match &spec.client_credential {
        None => "a public client: it proves nothing".to_owned(),
        Some(ClientCredential::Secret(secret)) => {
            format!(
                "by the client secret under {} in the Secret {}",
                secret.key, secret.secret_name
            )
        }
        Some(ClientCredential::Certificate(certificate)) => {
            format!(
                "by assertions that the certificate in the Secret {} signs",
                certificate.secret_name
            )
        }
        Some(ClientCredential::WorkloadIdentity(identity)) => {
            format!(
                "by tokens of the ServiceAccount {}",
                identity.service_account_name
            )
        }
    };
    SignIn {
        host: route.host.clone(),
        kind: <&str>::from(route.kind).to_owned(),
        tenant: binding.tenant.clone(),
        client_id: binding.client_id.clone(),
        client,
    }
}

fn requests(spec: &EntraCredentialSpec, route: &Route, permission: &Permission) -> Vec<Sent> {
    let sent = |method, url: &str, what: &str| Sent {
        method,
        url: url.to_owned(),
        what: what.to_owned(),
    };
    let mut all = Vec::new();
    if *permission == Permission::Unresolved {
        let what = "the tenant's GUID, which the policy lists; nothing else is sent before it is known";
        all.push(sent("GET", &route.document, what));
    } else if route.token.is_none() {
        all.push(sent("GET", &route.document, "the token endpoint"));
    }
    let realm = spec.login.realm.unwrap_or_default();
    if let Some(url) = route.realm.as_ref().filter(|_| realm != Realm::Managed) {
        all.push(sent(
            "GET",
            url,
            "who checks the password of the user name; once for a sign-in",
        ));
        let server = "https://FEDERATION-SERVER";
        let what = "a federated account only: user name and password go there, by WS-Trust, if federation.allowedHosts lists it; \
                    the assertion that comes back goes to the token endpoint in their place";
        all.push(sent("POST", server, what));
    }
    let token = route
        .token
        .as_deref()
        .unwrap_or("(the endpoint that the document names)");
    all.push(sent(
        "POST",
        token,
        "grant_type=password: user name and password of the login Secret, once; then it is deleted",
    ));
    all.push(sent(
        "POST",
        token,
        "grant_type=refresh_token: the sealed refresh token, for each token that is due",
    ));
    all
}

fn told(token: &TokenSpec, route: &Route) -> TokenTold {
    let added = route.added_scopes.iter().map(|scope| (*scope).to_owned());
    let asked = |scope: &String| !token.scopes.contains(scope);
    let names_resource = matches!(route.kind, Kind::Entra | Kind::Adfs);
    let resource = token.scopes.first().filter(|_| names_resource).map(|scope| {
        let resource = scope.rsplit_once('/').map(|(resource, _)| resource);
        resource.unwrap_or(GRAPH).to_owned()
    });
    let key = |key: &crate::api::TokenKey| format!("{} ({:?})", key.name, key.format);
    TokenTold {
        secret_name: token.secret_name.clone(),
        scopes: token.scopes.iter().cloned().chain(added.filter(asked)).collect(),
        resource,
        keys: token.effective_keys().iter().map(key).collect(),
    }
}

fn objects(spec: &EntraCredentialSpec) -> Vec<String> {
    let login = format!(
        "the Secret {} of type {LOGIN_TYPE} with the keys username and password, created with kubectl create secret generic \
         --type={LOGIN_TYPE}",
        spec.login.secret_name
    );
    let client = match &spec.client_credential {
        None => None,
        Some(ClientCredential::Secret(secret)) => Some(format!(
            "the Secret {} of type {CLIENT_SECRET_TYPE} with the key {}",
            secret.secret_name, secret.key
        )),
        Some(ClientCredential::Certificate(certificate)) => Some(format!(
            "the Secret {} of type {TLS_TYPE}, with an RSA key of at least 2048 bits",
            certificate.secret_name
        )),
        Some(ClientCredential::WorkloadIdentity(identity)) => Some(format!(
            "the ServiceAccount {} with the annotation azure.workload.identity/client-id: {}",
            identity.service_account_name, spec.client_id
        )),
    };
    [login].into_iter().chain(client).collect()
}

fn provider(spec: &EntraCredentialSpec, place: Place<'_>, route: &Route) -> Vec<String> {
    let application = match &spec.client_credential {
        None => match route.kind {
            Kind::Entra | Kind::B2c => {
                "app registration: \"Allow public client flows\" is on (Authentication page)".to_owned()
            }
            Kind::Adfs => "application group: the client is a native application".to_owned(),
            Kind::Oidc => "client: public, and direct access grants are on".to_owned(),
        },
        Some(ClientCredential::Secret(_)) => "app registration: the client secret is valid".to_owned(),
        Some(ClientCredential::Certificate(_)) => "app registration: the certificate is uploaded".to_owned(),
        Some(ClientCredential::WorkloadIdentity(identity)) => format!(
            "app registration: a federated credential with the cluster's issuer, the subject \
             system:serviceaccount:{}:{} and the audience {}",
            place.namespace,
            identity.service_account_name,
            route.audience.as_deref().unwrap_or_default()
        ),
    };
    let consent = match &route.admin_consent {
        Some(url) => format!("consent to the scopes, by an administrator at {url}"),
        None => "the client may ask for the scopes".to_owned(),
    };
    let account = match route.kind {
        Kind::Entra => {
            "a work or school account without multi-factor authentication, and no Conditional Access that asks for a person"
        }
        Kind::B2c => "a local account, and a user flow for resource owners",
        Kind::Adfs => "AD FS 2019 or newer, and an account that signs in without multi-factor authentication",
        Kind::Oidc => {
            "an account that signs in without a page, the scope offline_access, and refresh tokens that stay redeemable after use"
        }
    };
    vec![application, consent, account.to_owned()]
}

fn rights(spec: &EntraCredentialSpec) -> Vec<Right> {
    let right = |(group, resource, verbs): &(&str, &str, &[&str]), name: Option<&str>| Right {
        api_group: (*group).to_owned(),
        resource: (*resource).to_owned(),
        resource_name: name.map(str::to_owned),
        verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
    };
    let mut all: Vec<_> = SERVED.iter().map(|row| right(row, None)).collect();
    if let Some(ClientCredential::WorkloadIdentity(identity)) = &spec.client_credential {
        let name = Some(identity.service_account_name.as_str());
        all.push(right(&("", "serviceaccounts", &["get"]), name));
        all.push(right(&("", "serviceaccounts/token", &["create"]), name));
    }
    all
}

fn policy(permission: &Permission, configured: &Configured) -> String {
    match (permission, &configured.config) {
        (_, None) => "not known: give the operator's configuration with --config",
        (Permission::Unresolved, Some(_)) => {
            "decided by the tenant's GUID, which is asked for at the sign-in"
        }
        (_, Some(_)) => "allows authority, tenant and client; the user is checked at the sign-in",
    }
    .to_owned()
}
