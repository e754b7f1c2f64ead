//! Who takes part: credentials with their users, the passwords that were ever right or wrong, and bystanders.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::simulator::world::{
    API, CLIENT_SECRET, CONFIDENTIAL_CLIENT, GRAPH, PUBLIC_CLIENT, TENANT, User, World, user_name,
};
use crate::stage::AUTHORITY;

/// Credentials of one namespace.
const NEIGHBOURS: usize = 10;

/// First letters of the names of all namespaces.
pub(super) const NAMESPACES: &str = "chaos-";

/// Visible at the head of every password, for the search of leaks.
pub(super) const PASSWORD_MARK: &str = "PWMARKCHAOS-";

/// Token that somebody writes over one of ours.
pub(super) const EDITED: &str = "EDITED-by-somebody";

/// Name of the credential whose refresh-token Secret is foreign: its password must never be sent.
pub(super) const BLOCKED: &str = "blocked";

/// A password of one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Content {
    /// The user's own, counted from 0 with every change.
    Right(u32),
    /// Nobody's.
    Wrong(u32),
}

impl Default for Content {
    fn default() -> Self {
        Self::Right(0)
    }
}

impl Content {
    /// The password after this one.
    pub(super) fn next(self) -> Self {
        match self {
            Self::Right(n) => Self::Right(n + 1),
            Self::Wrong(n) => Self::Wrong(n + 1),
        }
    }

    /// The password of user `i`.
    pub(super) fn password(self, i: usize) -> String {
        match self {
            Self::Right(n) => format!("{PASSWORD_MARK}{i}-{n}-correct horse & battery=staple+%"),
            Self::Wrong(n) => format!("{PASSWORD_MARK}{i}-{n}-wrong horse & battery=staple+%"),
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Right(n) => write!(f, "password {n}"),
            Self::Wrong(n) => write!(f, "wrong password {n}"),
        }
    }
}

/// Whether this credential has no login Secret at first.
pub(super) fn signs_in_late(i: usize) -> bool {
    i % 5 == 4
}

/// Users for so many credentials, and one for [`BLOCKED`].
pub(super) fn world(credentials: usize) -> World {
    let user = |i| User::new(&user_name(i), &Content::default().password(i));
    (0..=credentials).fold(World::contoso(), |world, i| world.user(user(i)))
}

/// All namespaces.
pub(super) fn namespaces(credentials: usize) -> impl Iterator<Item = String> {
    (0..credentials.max(1).div_ceil(NEIGHBOURS)).map(|n| format!("{NAMESPACES}{n}"))
}

/// Namespace of a credential.
pub(super) fn namespace(i: usize) -> String {
    format!("{NAMESPACES}{}", i / NEIGHBOURS)
}

/// Name of a credential.
pub(super) fn name(i: usize) -> String {
    format!("c{i}")
}

/// Number of the credential with this name.
pub(super) fn number(name: &str) -> Option<usize> {
    name.strip_prefix('c')?.parse().ok()
}

/// Name of its login Secret.
pub(super) fn login_name(credential: &str) -> String {
    format!("{credential}-login")
}

/// Names and scopes of its token Secrets.
pub(super) fn tokens(i: usize) -> Vec<(String, String)> {
    let api = (format!("c{i}-api"), format!("{API}/.default"));
    let graph = (format!("c{i}-graph"), format!("{GRAPH}/.default"));
    if i % 4 == 3 { vec![api, graph] } else { vec![api] }
}

fn is_confidential(i: usize) -> bool {
    i % 10 == 5
}

/// The credential; with `more` it asks for one more token.
pub(super) fn credential(i: usize, more: Option<&str>) -> Value {
    let own = tokens(i).into_iter();
    let more = more.map(|secret| (secret.to_owned(), format!("{API}/read")));
    let entries: Vec<_> = own
        .chain(more)
        .map(|(secret, scope)| json!({"secretName": secret, "scopes": [scope]}))
        .collect();
    let mut spec = json!({
        "tenant": TENANT, "clientId": PUBLIC_CLIENT, "authority": AUTHORITY,
        "login": {"secretName": login_name(&name(i))}, "tokens": entries,
    });
    if let Some(spec) = spec.as_object_mut().filter(|_| is_confidential(i)) {
        let secret = json!({"secret": {"secretName": "app", "key": "value"}});
        spec.extend([
            ("clientId".to_owned(), json!(CONFIDENTIAL_CLIENT)),
            ("clientCredential".to_owned(), secret),
        ]);
    }
    object(&name(i), &namespace(i), &spec)
}

/// Its refresh-token Secret is foreign.
pub(super) fn blocked() -> Value {
    let spec = json!({
        "tenant": TENANT, "clientId": PUBLIC_CLIENT, "authority": AUTHORITY,
        "login": {"secretName": login_name(BLOCKED)},
        "tokens": [{"secretName": "blocked-api", "scopes": [format!("{API}/.default")]}],
    });
    object(BLOCKED, &namespace(0), &spec)
}

fn object(name: &str, namespace: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "entra-operator.dev/v1alpha1", "kind": "EntraCredential",
        "metadata": {"name": name, "namespace": namespace}, "spec": spec,
    })
}

/// Login Secret of a credential for the user `i`.
pub(super) fn login(credential: &str, namespace: &str, i: usize, content: Content) -> Value {
    let encoded = |text: &str| BASE64_STANDARD.encode(text);
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "entra-operator.dev/login",
        "metadata": {"name": login_name(credential), "namespace": namespace},
        "data": {"username": encoded(&user_name(i)), "password": encoded(&content.password(i))},
    })
}

/// The client secret of the confidential clients.
pub(super) fn application(namespace: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "entra-operator.dev/client-secret",
        "metadata": {"name": "app", "namespace": namespace}, "stringData": {"value": CLIENT_SECRET},
    })
}

/// Secret that a token is asked for in although it is somebody else's.
pub(super) const FOREIGN_TOKEN: &str = "bystander-token";

/// Secrets of other people in a namespace, some of which look like ours.
pub(super) fn bystanders(namespace: &str) -> Vec<Value> {
    let secret = |name: &str, kind: &str, labels: Value, data: Value| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": kind,
            "metadata": {"name": name, "namespace": namespace, "labels": labels}, "stringData": data,
        })
    };
    let ours = json!({"app.kubernetes.io/managed-by": "entra-operator"});
    let login = json!({"username": "somebody@contoso.example", "password": "nobody's business"});
    let sealed = "entra-operator.dev/refresh-token";
    vec![
        secret("bystander", "Opaque", json!({}), json!({"a": "b"})),
        secret(
            FOREIGN_TOKEN,
            "Opaque",
            json!({}),
            json!({"access_token": "theirs"}),
        ),
        secret(
            "bystander-labelled",
            "Opaque",
            ours.clone(),
            json!({"access_token": "theirs"}),
        ),
        secret("bystander-login", "entra-operator.dev/login", json!({}), login),
        secret(
            "bystander.refresh-token",
            sealed,
            ours,
            json!({"token": "theirs", "record": "theirs"}),
        ),
        secret(
            &format!("{BLOCKED}.refresh-token"),
            "Opaque",
            json!({}),
            json!({"token": "theirs"}),
        ),
    ]
}
