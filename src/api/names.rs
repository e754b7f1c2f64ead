//! Names that are part of the contract: types, labels and annotations of the objects in the cluster.

/// API group of the custom resource, and domain of our Secret types and annotations.
pub const GROUP: &str = "entra-operator.dev";

/// Type of a login Secret. It is the user's consent that the operator may read, use and delete the Secret.
pub const LOGIN_TYPE: &str = "entra-operator.dev/login";

/// Type of the Secret that holds the sealed refresh token and the sealed record of login attempts.
pub const REFRESH_TOKEN_TYPE: &str = "entra-operator.dev/refresh-token";

/// Type of a Secret that holds the client secret of a confidential client.
pub const CLIENT_SECRET_TYPE: &str = "entra-operator.dev/client-secret";

/// Type of a Secret that holds a certificate and its key: Kubernetes' own, as cert-manager and `kubectl` make it.
pub const TLS_TYPE: &str = "kubernetes.io/tls";

/// On a ServiceAccount: the application that may use its tokens. Azure Workload Identity's own annotation.
pub const ANNOTATION_CLIENT_ID: &str = "azure.workload.identity/client-id";

/// Suffix of the refresh-token Secret's name; `metadata.name` is bounded so that it always fits.
pub const REFRESH_TOKEN_SUFFIX: &str = ".refresh-token";

/// Label on token Secrets by which the operator watches its own: nobody else has a reason to write it.
pub const LABEL_TOKEN: &str = "entra-operator.dev/token";

/// Value of [`LABEL_TOKEN`].
pub const IS_TOKEN: &str = "true";

/// Label on token Secrets for people: set with each write, and otherwise left alone.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Value of [`LABEL_MANAGED_BY`].
pub const MANAGED_BY: &str = "entra-operator";

/// The one field manager under which the operator writes.
pub const FIELD_MANAGER: &str = "entra-operator";

/// On an `EntraCredential`: RFC 3339 time; asks for one renewal, or lifts a block once.
pub const ANNOTATION_REFRESH_REQUESTED: &str = "entra-operator.dev/refresh-requested-at";

/// On a login Secret: `"true"` allows this login to change the pinned account.
pub const ANNOTATION_ALLOW_IDENTITY_CHANGE: &str = "entra-operator.dev/allow-identity-change";

/// Annotations that the operator writes on its Secrets.
pub mod annotation {
    use std::borrow::Borrow;
    use std::collections::BTreeMap;
    use std::fmt;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    /// Token and refresh-token Secrets: keyed MAC of (namespace, Secret name, CR name); proof of ownership after a restore.
    pub const OWNER: &str = "entra-operator.dev/owner";
    /// Login Secret: `<CR name>/<CR uid>` of the credential that claimed it.
    pub const CLAIMED_BY: &str = "entra-operator.dev/claimed-by";
    /// When the answer that the object holds was issued, RFC 3339.
    pub const ISSUED_AT: &str = "entra-operator.dev/issued-at";
    /// Token Secret: when the access token expires; refresh-token Secret: until when the token is good, if that is known.
    /// RFC 3339.
    pub const EXPIRES_AT: &str = "entra-operator.dev/expires-at";
    /// Token Secret: when its renewal is due, RFC 3339.
    pub const REFRESH_AT: &str = "entra-operator.dev/refresh-at";
    /// Token Secret: keyed hash of the request and account that the token answers.
    pub const REQUEST: &str = "entra-operator.dev/request";
    /// Token Secret: hash of the keys that it was written with.
    pub const SHAPE: &str = "entra-operator.dev/shape";
    /// Token and refresh-token Secrets: keys of the labels and annotations that the spec asked for, as JSON. What it no longer
    /// asks for is removed; what others put on the Secret stays.
    pub const TEMPLATE: &str = "entra-operator.dev/template";
    /// Beside [`TEMPLATE`]: keyed hash of these labels and annotations.
    pub const METADATA: &str = "entra-operator.dev/metadata";
    /// Token Secret: keyed hash of the data that was rendered, and of what annotations and labels say of it.
    pub const RENDERED: &str = "entra-operator.dev/rendered";
    /// Token Secret: scopes that were granted, space separated.
    pub const SCOPES: &str = "entra-operator.dev/scopes";
    /// Refresh-token Secret: its own uid, from the first write after its creation. One that a backup brought back has another.
    pub const OWN_UID: &str = "entra-operator.dev/uid";
    /// Refresh-token Secret: id of the key that sealed it.
    pub const KEY_ID: &str = "entra-operator.dev/key-id";
    /// Refresh-token Secret: when the identity provider declared the token dead, RFC 3339.
    pub const DEAD_SINCE: &str = "entra-operator.dev/dead-since";
    /// Refresh-token Secret: host, tenant as written and client id that the token belongs to, as JSON.
    pub const BINDING: &str = "entra-operator.dev/binding";
    /// Refresh-token Secret: tenant GUID from the answer.
    pub const TENANT_ID: &str = "entra-operator.dev/tenant-id";
    /// Refresh-token Secret: keyed hash of the pinned account.
    pub const ACCOUNT: &str = "entra-operator.dev/account";
    /// Refresh-token Secret: the last login attempt (verdict, login uid, sends, next attempt), as JSON.
    pub const LAST_LOGIN: &str = "entra-operator.dev/last-login";

    /// Bytes of a value that are read: whoever may write Secrets must not fill the operator's memory.
    pub const MOST: usize = 4096;

    /// All that are read of a Secret.
    pub const READ: [&str; 19] = [
        super::ANNOTATION_ALLOW_IDENTITY_CHANGE,
        OWNER,
        CLAIMED_BY,
        ISSUED_AT,
        EXPIRES_AT,
        REFRESH_AT,
        REQUEST,
        SHAPE,
        TEMPLATE,
        METADATA,
        OWN_UID,
        RENDERED,
        SCOPES,
        KEY_ID,
        DEAD_SINCE,
        BINDING,
        TENANT_ID,
        ACCOUNT,
        LAST_LOGIN,
    ];

    /// One of [`READ`]: there are many Secrets, and the names are few. Serialized, it is what stands behind the group.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Read(&'static str);

    impl Read {
        /// The annotation of this name, if it is one that is read.
        pub fn of(name: &str) -> Option<Self> {
            READ.into_iter().find(|read| *read == name).map(Self)
        }

        fn short(self) -> &'static str {
            self.0.rsplit('/').next().unwrap_or(self.0)
        }
    }

    /// Those of `all` that are read.
    pub fn read(all: &BTreeMap<String, String>) -> BTreeMap<Read, String> {
        let read = |(name, value): (&String, &String)| Some((Read::of(name)?, value.clone()));
        all.iter().filter_map(read).collect()
    }

    impl Borrow<str> for Read {
        fn borrow(&self) -> &str {
            self.0
        }
    }

    impl Serialize for Read {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(self.short())
        }
    }

    impl<'de> Deserialize<'de> for Read {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_str(Known)
        }
    }

    /// Looks a name up where it stands, without a copy of it.
    struct Known;

    impl de::Visitor<'_> for Known {
        type Value = Read;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an annotation that is read")
        }

        fn visit_str<E: de::Error>(self, name: &str) -> Result<Read, E> {
            let found = READ.into_iter().map(Read).find(|read| read.short() == name);
            found.ok_or_else(|| E::custom("no annotation that is read"))
        }
    }
}

/// Name of the refresh-token Secret of a credential.
pub fn refresh_token_secret(credential: &str) -> String {
    format!("{credential}{REFRESH_TOKEN_SUFFIX}")
}

#[cfg(test)]
mod tests {
    use super::annotation::READ;

    #[test]
    fn every_annotation_that_has_a_name_is_read() {
        let own = include_str!("names.rs");
        let named = own
            .lines()
            .filter(|line| line.starts_with("    pub const ") && line.contains(": &str ="));
        let with_the_leave = named.count() + 1;
        assert_eq!(READ.len(), with_the_leave);
    }
}
