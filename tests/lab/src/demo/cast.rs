//! Who plays: three credentials, one for each way in which an account and its application sign in.

use crate::simulator::world::{
    API, Application, DOMAIN, FEDERATED_DOMAIN, GRAPH, PUBLIC_CLIENT, User, World,
};
use crate::stage::AUTHORITY;

/// Application that signs in with a certificate.
const CERTIFICATE_CLIENT: &str = "aaaaaaaa-0000-4000-8000-00000000000c";

/// Secret with the certificate of that application.
pub(super) const CERTIFICATE: &str = "ledger-app";

/// One credential and its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Role {
    /// Name of the `EntraCredential`.
    pub(super) name: &'static str,
    /// Name of the login Secret.
    pub(super) login: &'static str,
    /// Name of the account before the `@`.
    user: &'static str,
    /// Token Secrets and the resource of each.
    pub(super) tokens: &'static [(&'static str, &'static str)],
    way: Way,
}

/// How a role signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Entra ID checks the password, the application is public.
    Managed,
    /// The organisation's own server checks the password.
    Federated,
    /// The application presents a certificate.
    Certificate,
}

/// All of them, in the order of their entrance.
pub(super) const CAST: [Role; 3] = [
    Role {
        name: "reporting",
        login: "reporting-login",
        user: "svc-reporting",
        tokens: &[("reporting-graph", GRAPH), ("reporting-orders", API)],
        way: Way::Managed,
    },
    Role {
        name: "payroll",
        login: "payroll-login",
        user: "svc-payroll",
        tokens: &[("payroll-graph", GRAPH)],
        way: Way::Federated,
    },
    Role {
        name: "ledger",
        login: "ledger-login",
        user: "svc-ledger",
        tokens: &[("ledger-orders", API)],
        way: Way::Certificate,
    },
];

/// Names of all token Secrets.
pub(super) fn tokens() -> impl Iterator<Item = &'static str> {
    CAST.iter().flat_map(Role::token_names)
}

/// A world in which they all have the same password, which was never used before, and in which the application with a
/// certificate knows this one (PEM).
pub(super) fn world(password: &str, certificate: &str) -> World {
    let known = World::contoso().application(Application::with_certificate(CERTIFICATE_CLIENT, certificate));
    CAST.iter().fold(known, |world, role| match role.way {
        Way::Federated => world.federated_user(&role.account(), password),
        Way::Managed | Way::Certificate => world.user(User::new(&role.account(), password)),
    })
}

/// A password with the characters that like to break, and with a mark that no other text has.
pub(super) fn new_password() -> String {
    format!("PWMARK-{}-horse & battery=staple+%", uuid::Uuid::new_v4())
}

impl Role {
    /// Its user name.
    pub(super) fn account(&self) -> String {
        let domain = match self.way {
            Way::Federated => FEDERATED_DOMAIN,
            Way::Managed | Way::Certificate => DOMAIN,
        };
        format!("{}@{domain}", self.user)
    }

    /// Names of its token Secrets.
    pub(super) fn token_names(&self) -> impl Iterator<Item = &'static str> {
        self.tokens.iter().map(|(name, _)| *name)
    }

    /// Reads that a renewal needs: the sealed refresh token, and the certificate.
    pub(super) fn reads(&self) -> usize {
        match self.way {
            Way::Managed | Way::Federated => 1,
            Way::Certificate => 2,
        }
    }

    /// Whether it presents a certificate.
    pub(super) fn has_certificate(&self) -> bool {
        self.way == Way::Certificate
    }

    /// What makes it different from the others, in a few words.
    pub(super) fn introduction(&self) -> &'static str {
        match self.way {
            Way::Managed => "an account of Entra ID, a public client, two APIs",
            Way::Federated => {
                "a federated account: its password goes to the organisation's own server, by WS-Trust"
            }
            Way::Certificate => "a confidential client: the application proves who it is with a certificate",
        }
    }

    /// The `EntraCredential` as YAML.
    pub(super) fn manifest(&self, namespace: &str) -> String {
        let Self { name, login, .. } = self;
        let (client, credential) = self.client();
        let entry =
            |(name, resource)| format!("    - {{secretName: {name}, scopes: [\"{resource}/.default\"]}}\n");
        let tokens: String = self.tokens.iter().copied().map(entry).collect();
        format!(
            "apiVersion: entra-operator.dev/v1alpha1\nkind: EntraCredential\n\
             metadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  \
             authority: {AUTHORITY}                       # the simulator; leave it out for Entra ID\n  \
             tenant: {DOMAIN}\n  clientId: {client}\n{credential}  login: {{secretName: {login}}}\n  tokens:\n{tokens}"
        )
    }

    /// Client id, and how the client proves who it is.
    fn client(&self) -> (&'static str, String) {
        match self.way {
            Way::Managed | Way::Federated => (PUBLIC_CLIENT, String::new()),
            Way::Certificate => (
                CERTIFICATE_CLIENT,
                format!("  clientCredential: {{certificate: {{secretName: {CERTIFICATE}}}}}\n"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use entra_operator::api::EntraCredential;

    use super::*;

    #[test]
    fn every_manifest_is_what_the_operator_reads() -> Result<(), serde_saphyr::Error> {
        for role in CAST {
            let credential: EntraCredential = serde_saphyr::from_str(&role.manifest("demo"))?;
            let tokens = credential.spec.tokens.iter().map(|t| t.secret_name.as_str());
            assert!(tokens.eq(role.token_names()), "{}", role.name);
            assert_eq!(
                credential.spec.client_credential.is_some(),
                role.has_certificate()
            );
        }
        Ok(())
    }
}
