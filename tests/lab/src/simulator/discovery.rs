//! OpenID Connect discovery, the key set, and instance discovery.
//!
//! URLs carry the tenant's GUID and the port: MSAL Python takes the realm from the token endpoint's path.

use serde_json::{Value, json};

use super::authority::Authority;
use super::directory::Realm;
use super::error::{Refusal, Trace};
use super::form::Form;
use super::reply::Reply;
use super::service::Service;
use super::world::CONSUMERS;
use super::{openid, signing};

/// As recorded.
const CACHE: &str = "max-age=86400, private";

/// Hosts of the public cloud.
const PUBLIC_HOSTS: &[&str] = &[
    "login.microsoftonline.com",
    "login.windows.net",
    "login.microsoft.com",
    "sts.windows.net",
];

/// The discovery document of an authority.
pub(crate) fn configuration(service: &Service, authority: Authority<'_>, trace: &Trace) -> Reply {
    match names(service, authority) {
        Ok((path, tenant)) => {
            let document = match authority {
                Authority::Entra(_) => document(&trace.base, &path, &tenant),
                Authority::Adfs | Authority::B2c { .. } | Authority::Oidc(_) => {
                    openid::document(authority, &trace.base, &authority.issuer(&trace.base, &tenant))
                }
            };
            Reply::json(200, &document).header("cache-control", CACHE)
        }
        Err(refusal) => Reply::refusal(&refusal, trace),
    }
}

/// The key set of an authority.
pub(crate) fn keys(service: &Service, authority: Authority<'_>, trace: &Trace) -> Reply {
    let key = signing::shared().map_err(|_| Refusal::of(50000));
    match names(service, authority).and_then(|(_, tenant)| Ok((tenant, key?))) {
        Ok((tenant, key)) => {
            let issuer = authority.issuer(&trace.base, &tenant);
            Reply::json(200, &key.key_set(&issuer)).header("cache-control", CACHE)
        }
        Err(refusal) => Reply::refusal(&refusal, trace),
    }
}

fn unknown_tenant(segment: &str) -> Refusal {
    Refusal::of(90002)
        .error("invalid_tenant")
        .text(&format!("Tenant '{segment}' not found."))
}

/// The tenant as it stands in the paths, and in the issuer; both empty where there are no tenants.
fn names(service: &Service, authority: Authority<'_>) -> Result<(String, String), Refusal> {
    let (Authority::Entra(segment) | Authority::B2c { tenant: segment, .. }) = authority else {
        return Ok((String::new(), String::new()));
    };
    let realm = service
        .directory
        .realm(segment)
        .ok_or_else(|| unknown_tenant(segment))?;
    Ok(match realm {
        Realm::Tenant(id) => (id.clone(), id),
        Realm::Organizations | Realm::Common => (segment.to_lowercase(), "{tenantid}".to_owned()),
        Realm::Consumers => (segment.to_lowercase(), CONSUMERS.to_owned()),
    })
}

fn document(base: &str, path: &str, issuer: &str) -> Value {
    json!({
        "token_endpoint": format!("{base}/{path}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported":
            ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/{path}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": format!("{base}/{issuer}/v2.0"),
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
        "authorization_endpoint": format!("{base}/{path}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{base}/{path}/oauth2/v2.0/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{base}/{path}/oauth2/v2.0/logout"),
        "claims_supported": ["sub", "iss", "cloud_instance_name", "aud", "exp", "iat", "nonce",
            "preferred_username", "name", "tid", "ver", "at_hash", "c_hash", "email"],
        "kerberos_endpoint": format!("{base}/{path}/kerberos"),
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
        "rbac_url": "https://pas.windows.net",
    })
}

/// `GET /common/discovery/instance`: is the asked authority one that we know?
pub(crate) fn instance(query: &Form, trace: &Trace) -> Reply {
    let asked = query
        .get("authorization_endpoint")
        .and_then(|text| url::Url::parse(text).ok());
    let own = trace.base.trim_start_matches("https://");
    match asked.as_ref().filter(|url| is_known(url, own)) {
        Some(url) => Reply::json(200, &instance_document(url, own, query, &trace.base)),
        None => Reply::refusal(&Refusal::of(50049), trace),
    }
}

fn is_known(url: &url::Url, own: &str) -> bool {
    let host = url.host_str().unwrap_or_default();
    PUBLIC_HOSTS.contains(&host) || url.authority() == own || own.split(':').next() == Some(host)
}

fn instance_document(url: &url::Url, own: &str, query: &Form, base: &str) -> Value {
    let tenant = url
        .path_segments()
        .and_then(|mut segments| segments.next())
        .unwrap_or("common");
    json!({
        "tenant_discovery_endpoint": format!("{base}/{tenant}/v2.0/.well-known/openid-configuration"),
        "api-version": query.get("api-version").unwrap_or("1.1"),
        "metadata": [
            {"preferred_network": "login.microsoftonline.com", "preferred_cache": "login.windows.net",
             "aliases": PUBLIC_HOSTS},
            {"preferred_network": own, "preferred_cache": own, "aliases": [own]},
        ],
    })
}
