//! The GUID of a tenant, from its discovery document (OpenID Connect Discovery 1.0 §4.2).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use url::Url;
use uuid::Uuid;

use super::CACHED_FOR;

/// Most tenants that are remembered.
const TENANTS_MAX: usize = 4096;

/// The GUID itself, if `tenant` is one: in lower case, as Entra ID writes it.
pub(in crate::entra) fn as_guid(tenant: &str) -> Option<String> {
    let hyphenated = tenant.len() == 36;
    Uuid::try_parse(tenant)
        .ok()
        .filter(|_| hyphenated)
        .map(|guid| guid.to_string())
}

/// First path segment of `token_endpoint`, else of `issuer`, if it is a GUID. MSAL Python takes the realm from there.
pub(super) fn tenant_of(document: &[u8]) -> Option<String> {
    let document: Value = serde_json::from_slice(document).ok()?;
    ["token_endpoint", "issuer"].iter().find_map(|field| {
        let url = Url::parse(document.get(field)?.as_str()?).ok()?;
        as_guid(url.path_segments()?.next()?)
    })
}

/// Tenants that were resolved, by authority and tenant as written.
#[derive(Debug, Default)]
pub(in crate::entra) struct Resolved(Mutex<HashMap<(String, String), Known>>);

/// GUID of a tenant, and until when it is taken as known.
type Known = (String, Duration);

impl Resolved {
    pub(in crate::entra) fn get(&self, authority: &str, tenant: &str, now: Duration) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (guid, until) = known.get(&key(authority, tenant))?;
        (*until > now).then(|| guid.clone())
    }

    pub(in crate::entra) fn insert(&self, authority: &str, tenant: &str, guid: &str, now: Duration) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= TENANTS_MAX {
            known.clear();
        }
        known.insert(
            key(authority, tenant),
            (guid.to_owned(), now.saturating_add(CACHED_FOR)),
        );
    }
}

fn key(authority: &str, tenant: &str) -> (String, String) {
    (authority.to_owned(), tenant.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const GUID: &str = "11111111-2222-3333-4444-5555aaaa5555";

    #[test]
    fn the_guid_is_the_first_segment() {
        let endpoint = json!({"token_endpoint": format!("https://h:8443/{GUID}/oauth2/v2.0/token")});
        assert_eq!(tenant_of(endpoint.to_string().as_bytes()).as_deref(), Some(GUID));
        let issuer = json!({"token_endpoint": "https://h/organizations/x", "issuer": format!("https://h/{GUID}/v2.0")});
        assert_eq!(tenant_of(issuer.to_string().as_bytes()).as_deref(), Some(GUID));
    }

    #[test]
    fn documents_without_a_guid_name_no_tenant() {
        for document in [
            json!({}),
            json!([]),
            json!({"issuer": "https://h/{tenantid}/v2.0"}),
            json!({"issuer": 1}),
        ] {
            assert_eq!(tenant_of(document.to_string().as_bytes()), None);
        }
    }

    #[test]
    fn guids_resolve_to_themselves() {
        assert_eq!(as_guid(&GUID.to_uppercase()).as_deref(), Some(GUID));
        for other in [
            "contoso.example",
            "11111111222233334444555555555555",
            "",
            "{11111111-2222-3333-4444-5555aaaa5555}",
        ] {
            assert_eq!(as_guid(other), None, "{other}");
        }
    }

    #[test]
    fn what_was_resolved_is_kept_for_a_day() {
        let resolved = Resolved::default();
        resolved.insert("h", "Contoso.example", GUID, Duration::ZERO);
        assert_eq!(
            resolved
                .get("h", "contoso.example", Duration::from_hours(23))
                .as_deref(),
            Some(GUID)
        );
        assert_eq!(
            resolved.get("h", "contoso.example", Duration::from_hours(24)),
            None
        );
        assert_eq!(resolved.get("g", "contoso.example", Duration::ZERO), None);
    }

    proptest! {
    #[test]
    fn a_document_names_a_guid_or_nothing(endpoint in ".{0,60}", path in "[a-f0-9-]{30,40}", swap in any::<bool>()) {
        let url = format!("https://login.microsoftonline.com/{path}/oauth2/v2.0/token");
        let (endpoint, issuer) = if swap { (url, endpoint) } else { (endpoint, url) };
        let document = json!({"token_endpoint": endpoint, "issuer": issuer}).to_string();
        if let Some(tenant) = tenant_of(document.as_bytes()) {
            prop_assert_eq!(as_guid(&tenant), Some(tenant));
        }
    }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _seen = tenant_of(&bytes);
        }
    }
}
