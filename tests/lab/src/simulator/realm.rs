//! User realm discovery: is this account managed in the cloud, or does a federation server know it?
//!
//! All fields are filled also for an unknown account, because MSAL Go insists on them.

use serde_json::{Value, json};

use super::behaviour::Metadata;
use super::directory::domain;
use super::error::Trace;
use super::federation::{self, AUDIENCE, METADATA, Version};
use super::form::percent_decode;
use super::reply::Reply;
use super::service::Service;

/// `GET /common/userrealm/{upn}`.
pub(crate) fn answer(service: &Service, segment: &str, trace: &Trace) -> Reply {
    let name = percent_decode(segment);
    let directory = &service.directory;
    let account_type = match (directory.owns_domain(&name), directory.is_federated(&name)) {
        (true, false) => "Managed",
        (true, true) => "Federated",
        (false, _) => "Unknown",
    };
    let mut body = json!({
        "ver": "1.0",
        "account_type": account_type,
        "domain_name": Some(domain(&name)).filter(|domain| !domain.is_empty()).unwrap_or(&name),
        "cloud_instance_name": "microsoftonline.com",
        "cloud_audience_urn": AUDIENCE,
    });
    if account_type == "Federated" {
        add_server(&mut body, service, &federation::base(service, &trace.base));
    }
    Reply::json(200, &body)
}

fn add_server(body: &mut Value, service: &Service, base: &str) {
    let switches = &service.behaviour.federation;
    body["federation_protocol"] = json!("WSTrust");
    body["federation_active_auth_url"] = json!(format!("{base}{}", Version::V2005.path()));
    if switches.metadata != Metadata::Unnamed {
        body["federation_metadata_url"] = json!(format!("{base}{METADATA}"));
    }
}
