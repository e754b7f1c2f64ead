//! User realm discovery: is this account managed in the cloud?
//!
//! All fields are filled also for an unknown account, because MSAL Go insists on them.

use serde_json::json;

use super::form::percent_decode;
use super::reply::Reply;
use super::service::Service;

/// `GET /common/userrealm/{upn}`.
pub(crate) fn answer(service: &Service, segment: &str) -> Reply {
    let name = percent_decode(segment);
    let account_type = if service.directory.owns_domain(&name) {
        "Managed"
    } else {
        "Unknown"
    };
    let domain = name.rsplit_once('@').map_or(name.as_str(), |(_, domain)| domain);
    let body = json!({
        "ver": "1.0",
        "account_type": account_type,
        "domain_name": domain,
        "cloud_instance_name": "microsoftonline.com",
        "cloud_audience_urn": "urn:federation:MicrosoftOnline",
    });
    Reply::json(200, &body)
}
