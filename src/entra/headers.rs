//! Headers of a request, as MSAL sends them and under our own name.

use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};

use super::authority::Traits;

const CORRELATION_ID: HeaderName = HeaderName::from_static("client-request-id");
const RETURN_CORRELATION_ID: HeaderName = HeaderName::from_static("return-client-request-id");
const ANCHOR: HeaderName = HeaderName::from_static("x-anchormailbox");
const PRODUCT: HeaderName = HeaderName::from_static("x-client-sku");
const VERSION: HeaderName = HeaderName::from_static("x-client-ver");
const CAPABILITY: HeaderName = HeaderName::from_static("x-ms-lib-capability");

/// Routing hint: it lets the backup authentication service find the account's region during an outage.
#[derive(Clone, Copy)]
pub(super) enum Anchor<'a> {
    /// User principal name: `upn:{upn}`.
    User(&'a str),
    /// MSAL's account key `uid.utid`: `Oid:{uid}@{utid}`.
    Account(&'a str),
    /// None known.
    Nobody,
}

/// The headers of one attempt.
pub(super) fn headers(correlation_id: &str, anchor: Anchor<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(RETURN_CORRELATION_ID, HeaderValue::from_static("true"));
    headers.insert(PRODUCT, HeaderValue::from_static("entra-operator"));
    headers.insert(VERSION, HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
    headers.insert(CAPABILITY, HeaderValue::from_static("retry-after, h429"));
    insert(&mut headers, CORRELATION_ID, Some(correlation_id));
    insert(&mut headers, ANCHOR, anchor.text().as_deref());
    if let Some(value) = headers.get_mut(ANCHOR) {
        value.set_sensitive(true);
    }
    headers
}

/// A value that a header cannot carry is left out: none of these decides anything.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|text| HeaderValue::from_str(text).ok()) {
        headers.insert(name, value);
    }
}

impl Anchor<'_> {
    /// The hint, where it is understood: it is nobody else's business.
    pub(super) fn of(self, traits: &Traits) -> Self {
        if traits.client_info { self } else { Self::Nobody }
    }

    fn text(self) -> Option<String> {
        match self {
            Self::User(upn) => upn.is_ascii().then(|| format!("upn:{upn}")),
            Self::Account(key) => key.split_once('.').map(|(uid, utid)| format!("Oid:{uid}@{utid}")),
            Self::Nobody => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor(anchor: Anchor<'_>) -> Option<String> {
        let headers = headers("id", anchor);
        headers
            .get(ANCHOR)
            .map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn anchors_are_msals() {
        assert_eq!(
            anchor(Anchor::User("a@b.example")).as_deref(),
            Some("upn:a@b.example")
        );
        assert_eq!(anchor(Anchor::Account("u.t")).as_deref(), Some("Oid:u@t"));
        assert_eq!(anchor(Anchor::Account("u")), None);
        assert_eq!(anchor(Anchor::Nobody), None);
    }

    #[test]
    fn a_user_name_cannot_inject_a_header() {
        assert_eq!(anchor(Anchor::User("a\r\nX-Evil: 1")), None);
        assert_eq!(anchor(Anchor::User("ä@b.example")), None);
    }

    #[test]
    fn the_user_name_is_not_shown_in_debug() {
        assert!(!format!("{:?}", headers("id", Anchor::User("marker@b.example"))).contains("marker"));
    }
}
