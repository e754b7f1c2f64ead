//! Properties of what comes from outside and decides where a secret goes or whose it is: tenants, documents, claims.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::account::Identity;
use super::authority::{Authorities, Endpoint};

/// Tenants as they should be, and with everything in them that means something in a URL.
fn tenant() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9-]{1,20}(\\.[a-z0-9-]{1,10}){0,3}",
        "[a-zA-Z0-9./?#@:%\\\\ \\[\\]-]{0,20}",
        ".{0,20}",
    ]
}

/// A claim of any type.
fn claim() -> impl Strategy<Value = Value> {
    prop_oneof![
        ".{0,300}".prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
        Just(json!(["list"])),
        Just(json!({"an": "object"})),
    ]
}

fn encoded(claims: &impl serde::Serialize) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims).unwrap())
}

proptest! {
    #[test]
    fn a_tenant_is_one_segment_of_its_host_or_refused(tenant in tenant()) {
        let public = Authorities::default().bound(None, "login.microsoftonline.com").unwrap();
        if let Ok(endpoint) = public.token_endpoint(&tenant) {
            let expected = format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token");
            prop_assert_eq!(endpoint, Endpoint::Known(expected.parse().unwrap()));
        }
    }

    #[test]
    fn whatever_is_claimed_an_account_is_bounded_and_printable(
        id_token in prop::collection::btree_map("oid|sub|iss|tid|iat|upn|email|name|preferred_username", claim(), 0..6),
        client_info in prop::collection::btree_map("uid|utid", claim(), 0..3),
    ) {
        let jwt = format!("e30.{}.signature", encoded(&id_token));
        let identity = Identity::new(Some(&jwt), Some(&encoded(&client_info)));
        if let Some(account) = identity.account() {
            prop_assert_eq!(account.object_id.is_empty(), account.tenant_id.is_empty());
            prop_assert_eq!(account.issuer.is_empty(), account.subject.is_empty());
            let ids = [&account.object_id, &account.home_account_id, &account.subject];
            prop_assert!(ids.iter().any(|id| !id.is_empty()));
            let ids = [ids[0], ids[1], ids[2], &account.tenant_id, &account.issuer];
            prop_assert!(ids.iter().all(|id| id.len() <= 512 && id.bytes().all(|byte| byte.is_ascii_graphic())));
            prop_assert!(account.username.chars().count() <= 256);
            prop_assert!(!account.username.contains(char::is_control));
        }
    }
}
