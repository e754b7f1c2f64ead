//! Token Secrets: what they say of their token, and that nobody edited it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use entra_operator::api::{LABEL_TOKEN, annotation};
use entra_operator::plan::Time;
use entra_operator::reconcile::annotations;
use entra_operator::reconcile::ports::{Purpose, Vault};
use serde_json::Value;

use crate::form::{Stored, each};

#[test]
fn a_published_token_answers_the_same_request_and_expires_when_it_says() {
    let mut published = 0;
    each(|form, known, credential| {
        for entry in &credential.spec.tokens {
            let Some(secret) = form.secret(&entry.secret_name) else {
                continue;
            };
            let says = annotations::published(&secret.meta).unwrap();
            let session = form.session(&known.name);
            let (binding, stored) = (
                form.binding(&known.name),
                annotations::stored_token(&session.meta),
            );
            let tag = stored.unwrap().account.0;
            let mut request = vec![&*binding.authority, &*binding.tenant, &*binding.client_id, &*tag];
            request.extend(entry.scopes.iter().map(String::as_str));
            assert_eq!(
                says.request.0,
                form.vault().mac(Purpose::Request, &request),
                "{}",
                known.name
            );
            let keys = (
                entry.effective_keys(),
                BTreeMap::<String, String>::new(),
                BTreeMap::<String, String>::new(),
            );
            let keys = serde_json::to_string(&keys).unwrap();
            // The first form hashed labels and annotations here as well: a token with some is renewed once.
            if entry.labels.is_empty() {
                assert_eq!(
                    says.shape.0,
                    form.vault().mac(Purpose::Shape, &[&keys]),
                    "{}",
                    known.name
                );
            }
            assert_eq!(says.expires_at, expiry(&secret));
            assert!(says.issued_at < says.refresh_at && says.refresh_at < says.expires_at);
            assert!(!says.scopes.is_empty());
            published += 1;
        }
    });
    assert!(published > 20, "{published}");
}

#[test]
fn what_was_written_is_there_unedited() {
    each(|form, _, credential| {
        for entry in &credential.spec.tokens {
            let Some(secret) = form.secret(&entry.secret_name) else {
                continue;
            };
            let labels = secret.metadata.labels.clone().unwrap();
            let annotations = secret.metadata.annotations.clone().unwrap();
            // The first form hashed the data alone.
            let said = if labels.contains_key(LABEL_TOKEN) {
                annotations::said(&annotations, &labels)
            } else {
                BTreeMap::new()
            };
            let hash = form.vault().data_mac(&secret.key, &secret.data, &said);
            assert_eq!(
                secret.annotation(annotation::RENDERED),
                Some(&*hash),
                "{} {}",
                form.name,
                secret.key.name
            );
        }
    });
}

/// `exp` of the JSON Web Token in it (RFC 7519 section 4.1.4).
fn expiry(secret: &Stored) -> Time {
    let token = secret.data.text("access_token").unwrap().unwrap();
    let claims = BASE64_URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1).unwrap())
        .unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    Time(claims["exp"].as_i64().unwrap())
}
