//! Who plays: credentials that sign in at once, one of them with two entries, and some that a person must help first.

use serde_json::{Value, json};

/// Name of the authority in the operator's configuration.
pub(super) const AUTHORITY: &str = "keycloak";

/// Where they are.
pub(super) const NAMESPACE: &str = "entra-keycloak";

/// What every token is asked for.
pub(super) const SCOPE: &str = "orders";

/// What the second entry of [`TWO_SCOPES`] asks for.
pub(super) const OTHER_SCOPE: &str = "invoices";

/// How a client proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// Not at all.
    Public,
    /// By a secret.
    Secret,
    /// By an assertion that it signs.
    Certificate,
}

/// What is in the way of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The login Secret has another password.
    Mistyped,
    /// The server wants the user to do something first.
    RequiredAction,
    /// The user may have no offline token.
    NoOffline,
}

/// A credential and its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Role {
    /// Name of the `EntraCredential`; those of its Secrets begin with it.
    pub(super) name: &'static str,
    pub(super) proof: Proof,
    pub(super) trouble: Option<Trouble>,
}

pub(super) const PUBLIC: Role = Role::new("public", Proof::Public, None);
pub(super) const SECRET: Role = Role::new("secret", Proof::Secret, None);
pub(super) const SIGNED: Role = Role::new("signed", Proof::Certificate, None);
pub(super) const MISTYPED: Role = Role::new("mistyped", Proof::Public, Some(Trouble::Mistyped));
pub(super) const ACTION: Role = Role::new("action", Proof::Public, Some(Trouble::RequiredAction));
pub(super) const GUEST: Role = Role::new("guest", Proof::Public, Some(Trouble::NoOffline));

pub(super) const TWO_SCOPES: Role = Role::new("two-scopes", Proof::Public, None);

/// All of them.
pub(super) const CAST: [Role; 7] = [PUBLIC, SECRET, SIGNED, TWO_SCOPES, MISTYPED, ACTION, GUEST];

/// What the lane makes up and nobody else knows.
pub(super) struct Material {
    /// The password of all users.
    pub(super) password: String,
    pub(super) client_secret: String,
    /// Certificate and key, PEM.
    pub(super) certificate: (String, String),
}

impl Proof {
    pub(super) const ALL: [Self; 3] = [Self::Public, Self::Secret, Self::Certificate];

    pub(super) const fn client_id(self) -> &'static str {
        match self {
            Self::Public => "orders-public",
            Self::Secret => "orders-secret",
            Self::Certificate => "orders-signed",
        }
    }
}

impl Role {
    const fn new(name: &'static str, proof: Proof, trouble: Option<Trouble>) -> Self {
        Self { name, proof, trouble }
    }

    pub(super) fn user(&self) -> String {
        format!("svc-{}@contoso.example", self.name)
    }

    pub(super) fn login(&self) -> String {
        format!("{}-login", self.name)
    }

    pub(super) fn token(&self) -> String {
        format!("{}-token", self.name)
    }

    /// Its token Secrets, and what each is asked for.
    fn entries(&self) -> Vec<Value> {
        let first = json!({"secretName": self.token(), "scopes": [SCOPE]});
        let second = json!({"secretName": format!("{}-other", self.name), "scopes": [OTHER_SCOPE]});
        if *self == TWO_SCOPES {
            vec![first, second]
        } else {
            vec![first]
        }
    }

    /// Everything that a user applies for it.
    pub(super) fn objects(&self, material: &Material) -> Vec<Value> {
        let password = match self.trouble {
            Some(Trouble::Mistyped) => format!("{}-mistyped", material.password),
            _ => material.password.clone(),
        };
        let mut objects = vec![self.credential(), self.login_secret(&password)];
        objects.extend(self.client_secret(material));
        objects
    }

    /// The login Secret.
    pub(super) fn login_secret(&self, password: &str) -> Value {
        let data = json!({"username": self.user(), "password": password});
        secret(&self.login(), "entra-operator.dev/login", &data)
    }

    fn credential(&self) -> Value {
        let spec = json!({
            "authority": AUTHORITY, "clientId": self.proof.client_id(),
            "login": {"secretName": self.login()},
            "tokens": self.entries(),
        });
        let client = format!("{}-client", self.name);
        let proof = match self.proof {
            Proof::Public => json!({}),
            Proof::Secret => json!({"clientCredential": {"secret": {"secretName": client, "key": "secret"}}}),
            Proof::Certificate => json!({"clientCredential": {"certificate": {"secretName": client}}}),
        };
        json!({
            "apiVersion": "entra-operator.dev/v1alpha1", "kind": "EntraCredential",
            "metadata": {"name": self.name, "namespace": NAMESPACE}, "spec": joined(spec, proof),
        })
    }

    fn client_secret(&self, material: &Material) -> Option<Value> {
        let name = format!("{}-client", self.name);
        let (certificate, key) = &material.certificate;
        match self.proof {
            Proof::Public => None,
            Proof::Secret => {
                let data = json!({"secret": material.client_secret});
                Some(secret(&name, "entra-operator.dev/client-secret", &data))
            }
            Proof::Certificate => Some(secret(
                &name,
                "kubernetes.io/tls",
                &json!({"tls.crt": certificate, "tls.key": key}),
            )),
        }
    }
}

/// The members of both objects.
pub(super) fn joined(mut one: Value, mut other: Value) -> Value {
    if let (Some(one), Some(other)) = (one.as_object_mut(), other.as_object_mut()) {
        one.append(other);
    }
    one
}

fn secret(name: &str, kind: &str, data: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": kind,
        "metadata": {"name": name, "namespace": NAMESPACE}, "stringData": data,
    })
}

#[cfg(test)]
mod tests {
    use entra_operator::api::EntraCredential;

    use super::*;

    #[test]
    fn every_credential_is_what_the_operator_reads() -> Result<(), serde_json::Error> {
        for role in CAST {
            let credential: EntraCredential = serde_json::from_value(role.credential())?;
            assert_eq!(credential.spec.login.secret_name, role.login(), "{}", role.name);
            let is_public = role.proof == Proof::Public;
            assert_eq!(
                credential.spec.client_credential.is_none(),
                is_public,
                "{}",
                role.name
            );
        }
        Ok(())
    }
}
