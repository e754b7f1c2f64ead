//! Keycloak's administrator: its REST API, and the events by which the server itself says what it was asked.

use std::time::Duration;

use reqwest::{Certificate, Client, Method, RequestBuilder};
use serde_json::{Value, json};

use super::Error;
use super::realm::REALM;

/// Longest for one answer of a busy server.
const DEADLINE: Duration = Duration::from_secs(30);

/// Its name.
pub(super) const USER: &str = "admin";

/// The administrator.
pub(super) struct Admin {
    http: Client,
    url: String,
    password: String,
}

/// What the server noted of one user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Events {
    pub(super) logins: usize,
    pub(super) refused_logins: usize,
    pub(super) renewals: usize,
    pub(super) refused_renewals: usize,
}

impl Admin {
    /// Of the server at `url`; with a new password.
    pub(super) fn new(url: &str, ca_pem: &str) -> Result<Self, Error> {
        let ca = Certificate::from_pem(ca_pem.as_bytes())?;
        let http = Client::builder()
            .tls_certs_only([ca])
            .no_proxy()
            .timeout(DEADLINE)
            .build()?;
        let password = format!("PWMARK-{}", uuid::Uuid::new_v4());
        Ok(Self {
            http,
            url: url.to_owned(),
            password,
        })
    }

    pub(super) fn password(&self) -> &str {
        &self.password
    }

    /// Whether the server does.
    pub(super) async fn answers(&self) -> bool {
        self.token().await.is_ok()
    }

    /// Makes the realm, and in it the scopes and the clients, which may have them.
    pub(super) async fn create_realm(
        &self,
        realm: &Value,
        scopes: &[Value],
        clients: &[Value],
    ) -> Result<(), Error> {
        self.send(Method::POST, "/admin/realms", Some(realm)).await?;
        for scope in scopes {
            self.of_realm(Method::POST, "client-scopes", Some(scope)).await?;
        }
        for client in clients {
            self.of_realm(Method::POST, "clients", Some(client)).await?;
        }
        Ok(())
    }

    /// Id of a user.
    pub(super) async fn user_id(&self, name: &str) -> Result<String, Error> {
        let found = self
            .of_realm(Method::GET, &format!("users?exact=true&username={name}"), None)
            .await?;
        let id = found.pointer("/0/id").and_then(Value::as_str);
        id.map(str::to_owned)
            .ok_or_else(|| Error::Unknown(name.to_owned()))
    }

    /// Asks nothing more of the user before a sign-in.
    pub(super) async fn clear_required_actions(&self, id: &str) -> Result<(), Error> {
        let nothing = json!({"requiredActions": []});
        self.of_realm(Method::PUT, &format!("users/{id}"), Some(&nothing))
            .await
            .map(drop)
    }

    /// Lets the user have refresh tokens that outlive a session.
    pub(super) async fn allow_offline(&self, id: &str) -> Result<(), Error> {
        let role = self.of_realm(Method::GET, "roles/offline_access", None).await?;
        let path = format!("users/{id}/role-mappings/realm");
        self.of_realm(Method::POST, &path, Some(&json!([role])))
            .await
            .map(drop)
    }

    /// Ends all sessions of the user.
    pub(super) async fn log_out(&self, id: &str) -> Result<(), Error> {
        self.of_realm(Method::POST, &format!("users/{id}/logout"), None)
            .await
            .map(drop)
    }

    /// What the server noted of the user so far. Some events name the account by its id, some by its name, and refused
    /// renewals by nothing: they are counted for all, and nobody else has any.
    pub(super) async fn events(&self, user: &str) -> Result<Events, Error> {
        let id = self.user_id(user).await?;
        let events = self.of_realm(Method::GET, "events?max=1000", None).await?;
        let events = events.as_array().cloned().unwrap_or_default();
        let is =
            |event: &Value, pointer, value: &str| event.pointer(pointer).is_some_and(|found| found == value);
        let of_user = |event: &Value| is(event, "/userId", &id) || is(event, "/details/username", user);
        let all = |kind: &str| {
            events
                .iter()
                .filter(|event| is(event, "/type", kind))
                .collect::<Vec<_>>()
        };
        let count = |kind| all(kind).into_iter().filter(|event| of_user(event)).count();
        Ok(Events {
            logins: count("LOGIN"),
            refused_logins: count("LOGIN_ERROR"),
            renewals: count("REFRESH_TOKEN"),
            refused_renewals: all("REFRESH_TOKEN_ERROR").len(),
        })
    }

    /// Whom the server takes an access token for.
    pub(super) async fn owner_of(&self, access_token: &str) -> Result<String, Error> {
        let url = format!("{}/realms/{REALM}/protocol/openid-connect/userinfo", self.url);
        let claims = answer(self.http.get(url).bearer_auth(access_token)).await?;
        let name = claims.get("preferred_username").and_then(Value::as_str);
        Ok(name.unwrap_or_default().to_owned())
    }

    async fn of_realm(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        self.send(method, &format!("/admin/realms/{REALM}/{path}"), body)
            .await
    }

    /// With a token of its own, because they live for a minute only.
    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        let token = self.token().await?;
        let request = self
            .http
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(token);
        answer(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    async fn token(&self) -> Result<String, Error> {
        let form = [
            ("grant_type", "password"),
            ("client_id", "admin-cli"),
            ("username", USER),
            ("password", &self.password),
        ];
        let url = format!("{}/realms/master/protocol/openid-connect/token", self.url);
        let answer = answer(self.http.post(url).form(&form)).await?;
        let token = answer.get("access_token").and_then(Value::as_str);
        Ok(token.unwrap_or_default().to_owned())
    }
}

async fn answer(request: RequestBuilder) -> Result<Value, Error> {
    let answer = request.send().await?.error_for_status()?.bytes().await?;
    Ok(serde_json::from_slice(&answer).unwrap_or_default())
}

impl std::fmt::Display for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            logins,
            refused_logins,
            renewals,
            refused_renewals,
        } = self;
        write!(
            f,
            "{logins} sign-ins, {refused_logins} refused, {renewals} renewals, {refused_renewals} refused"
        )
    }
}
