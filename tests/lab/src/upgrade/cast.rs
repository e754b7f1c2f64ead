//! Who takes part: one credential for each way to stand when the other version takes over.

use serde_json::{Map, Value, json};

use crate::simulator::world::{
    API, CLIENT_SECRET, CONFIDENTIAL_CLIENT, GRAPH, Issuer, PUBLIC_CLIENT, Rotation, TENANT, World, password,
    user_name,
};
use crate::stage::{AUTHORITY, OIDC};

/// Where they are.
pub(super) const NAMESPACE: &str = "upgrade";

/// Contents that the record of one credential holds.
pub(super) const CONTENTS: usize = 16;

/// The first of the users whose passwords are mistyped for [`SIXTEEN`].
const MISTYPISTS: usize = 20;

/// How a credential stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    /// Signed in, its tokens are fresh.
    Accepted,
    /// Its password was wrong, and is deleted.
    Condemned,
    /// Refused for a reason that a person can change; its login Secret is kept.
    Kept,
    /// Sent three times and never answered.
    Unknown,
    /// To be sent again in an hour.
    Waiting,
    /// Killed after the send, before the answer was stored.
    InFlight,
    /// Nobody gave it a login yet.
    Awaiting,
    /// Its refresh token is dead.
    Dead,
    /// Its spec says so.
    Suspended,
}

/// Where it signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// Entra, without a secret; with two tokens, one of them with labels and annotations of its own.
    Entra,
    /// Entra, with a client secret.
    EntraWithSecret,
    /// An OpenID provider whose refresh tokens are good for one use.
    Issuer,
}

/// A credential and its account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Role {
    /// Name of the `EntraCredential`; those of its Secrets begin with it.
    pub(super) name: &'static str,
    pub(super) user: usize,
    pub(super) stands: Stands,
    pub(super) at: At,
}

const fn role(name: &'static str, user: usize, stands: Stands, at: At) -> Role {
    Role {
        name,
        user,
        stands,
        at,
    }
}

pub(super) const RESTORED: Role = role("restored", 3, Stands::Accepted, At::Entra);
pub(super) const SIXTEEN: Role = role("sixteen", 4, Stands::Accepted, At::Entra);
pub(super) const INTERRUPTED: Role = role("interrupted", 11, Stands::InFlight, At::Entra);
pub(super) const LATER_INTERRUPTED: Role = role("later-interrupted", 17, Stands::InFlight, At::Entra);

/// Those that the earlier version leaves behind, [`INTERRUPTED`] last.
pub(super) const FIRST: [Role; 13] = [
    role("accepted", 0, Stands::Accepted, At::Entra),
    role("confidential", 1, Stands::Accepted, At::EntraWithSecret),
    role("issuer", 2, Stands::Accepted, At::Issuer),
    RESTORED,
    SIXTEEN,
    role("condemned", 5, Stands::Condemned, At::Entra),
    role("kept", 6, Stands::Kept, At::Entra),
    role("unknown", 7, Stands::Unknown, At::Entra),
    role("waiting", 8, Stands::Waiting, At::Entra),
    role("dead", 9, Stands::Dead, At::Entra),
    role("suspended", 10, Stands::Suspended, At::Entra),
    role("awaiting", 12, Stands::Awaiting, At::Entra),
    INTERRUPTED,
];

/// Those that sign in at the new version before it gives all back, [`LATER_INTERRUPTED`] last.
pub(super) const LATER: [Role; 6] = [
    role("later", 13, Stands::Accepted, At::Entra),
    role("later-issuer", 14, Stands::Accepted, At::Issuer),
    role("later-condemned", 15, Stands::Condemned, At::Entra),
    role("later-kept", 16, Stands::Kept, At::Entra),
    role("later-dead", 18, Stands::Dead, At::Entra),
    LATER_INTERRUPTED,
];

/// What somebody types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) user: String,
    pub(super) password: String,
}

impl Content {
    fn right(user: usize) -> Self {
        Self {
            user: user_name(user),
            password: password(user),
        }
    }

    fn wrong(user: usize) -> Self {
        Self {
            password: format!("PWMARK-{user}-mistyped horse & battery=staple+%"),
            ..Self::right(user)
        }
    }
}

impl Role {
    /// What its login Secret holds; the last one if it had several.
    pub(super) fn content(&self) -> Content {
        if self.stands == Stands::Condemned {
            Content::wrong(self.user)
        } else {
            Content::right(self.user)
        }
    }

    /// All that its record knows, oldest first.
    pub(super) fn contents(&self) -> Vec<Content> {
        if self.stands == Stands::Awaiting {
            return Vec::new();
        }
        let mistyped = if self.name == SIXTEEN.name {
            CONTENTS - 1
        } else {
            0
        };
        let mistyped = (0..mistyped).map(|n| Content::wrong(MISTYPISTS + n));
        mistyped.chain([self.content()]).collect()
    }

    pub(super) fn login(&self) -> String {
        format!("{}-login", self.name)
    }

    pub(super) fn session(&self) -> String {
        format!("{}.refresh-token", self.name)
    }

    /// Names of its token Secrets.
    pub(super) fn tokens(&self) -> Vec<String> {
        let api = format!("{}-api", self.name);
        match self.at {
            At::Entra => vec![api, format!("{}-graph", self.name)],
            At::EntraWithSecret | At::Issuer => vec![api],
        }
    }

    /// The credential.
    pub(super) fn credential(&self) -> Value {
        let mut spec = json!({
            "authority": AUTHORITY, "tenant": TENANT, "clientId": PUBLIC_CLIENT,
            "login": {"secretName": self.login()},
            "tokens": [{"secretName": format!("{}-api", self.name), "scopes": [format!("{API}/.default")]}],
        });
        if let Some(spec) = spec.as_object_mut() {
            self.complete(spec);
        }
        json!({
            "apiVersion": "entra-operator.dev/v1alpha1", "kind": "EntraCredential",
            "metadata": {"name": self.name, "namespace": NAMESPACE}, "spec": spec,
        })
    }

    fn complete(&self, spec: &mut Map<String, Value>) {
        match self.at {
            At::Entra => {
                let api = json!({"secretName": format!("{}-api", self.name), "scopes": [format!("{API}/.default")]});
                let graph = json!({
                    "secretName": format!("{}-graph", self.name), "scopes": [format!("{GRAPH}/.default")],
                    "labels": {"contoso.example/team": "reports"},
                    "annotations": {"contoso.example/purpose": "monthly"},
                });
                spec.insert("tokens".to_owned(), json!([api, graph]));
            }
            At::EntraWithSecret => {
                let secret = json!({"secret": {"secretName": "app", "key": "value"}});
                spec.insert("clientId".to_owned(), json!(CONFIDENTIAL_CLIENT));
                spec.insert("clientCredential".to_owned(), secret);
            }
            At::Issuer => {
                spec.insert("authority".to_owned(), json!(OIDC));
                spec.remove("tenant");
                let scopes = json!(["api://orders/read"]);
                let token = json!({"secretName": format!("{}-api", self.name), "scopes": scopes});
                spec.insert("tokens".to_owned(), json!([token]));
            }
        }
    }

    /// A login Secret with this content.
    pub(super) fn login_with(&self, content: &Content) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "entra-operator.dev/login",
            "metadata": {"name": self.login(), "namespace": NAMESPACE},
            "stringData": {"username": content.user, "password": content.password},
        })
    }
}

/// What the simulator knows.
pub(super) fn world() -> World {
    World::with_users(MISTYPISTS + CONTENTS).issuer(Issuer::new("a", Rotation::OneTime))
}

/// What is there beside the credentials.
pub(super) fn surroundings() -> Vec<Value> {
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "entra-operator.dev/client-secret",
            "metadata": {"name": "app", "namespace": NAMESPACE}, "stringData": {"value": CLIENT_SECRET},
        }),
        keys(),
    ]
}

/// Sealing keys that everybody can see to be none. They are older than the three minutes that a key is held before it seals.
fn keys() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "entra-operator-keys", "namespace": crate::stage::OPERATOR},
        "stringData": {
            "mac": "LABMARK no secret: the MAC key  ",
            "seal.20250101T000000Z-labmark": "LABMARK no secret: a sealing key",
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn everybody_has_an_account_of_their_own_and_the_record_of_one_is_full() {
        let all = || FIRST.iter().chain(&LATER);
        let users: Vec<_> = all()
            .flat_map(Role::contents)
            .map(|content| content.user)
            .collect();
        let distinct: BTreeSet<_> = users.iter().collect();
        assert_eq!(distinct.len(), users.len());
        let names: BTreeSet<_> = all().map(|role| role.name).collect();
        assert_eq!(names.len(), FIRST.len() + LATER.len());
        assert_eq!(SIXTEEN.contents().len(), CONTENTS);
        let right = |content: &Content| world().users.iter().any(|u| u.password == content.password);
        assert!(
            SIXTEEN
                .contents()
                .split_last()
                .is_some_and(|(last, wrong)| { right(last) && !wrong.iter().any(right) })
        );
    }
}
