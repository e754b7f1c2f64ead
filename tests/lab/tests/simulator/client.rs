//! A plain HTTP client for the simulator, with the forms that the operator sends.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_lab::simulator::world::{API, PUBLIC_CLIENT, TENANT, password, user_name};
use entra_lab::simulator::{Options, Simulator, World};
use serde_json::Value;

pub(crate) const SCOPE: &str = "api://orders/.default offline_access openid profile";

pub(crate) struct Lab {
    pub(crate) simulator: Simulator,
    pub(crate) http: reqwest::Client,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn text(&self, field: &str) -> &str {
        self.body[field]
            .as_str()
            .unwrap_or_else(|| panic!("no {field} in {}", self.body))
    }

    /// (HTTP status, code, OAuth error, suberror).
    pub(crate) fn verdict(&self) -> (u16, u64, &str, Option<&str>) {
        let code = self.body["error_codes"][0].as_u64().unwrap_or_default();
        (
            self.status,
            code,
            self.body["error"].as_str().unwrap_or_default(),
            self.body["suberror"].as_str(),
        )
    }
}

pub(crate) async fn lab() -> Lab {
    with(Options::new(World::with_users(2))).await
}

pub(crate) async fn with(options: Options) -> Lab {
    let simulator = Simulator::start(options).await.unwrap();
    let http = client(&simulator.ca_pem());
    Lab { simulator, http }
}

pub(crate) fn client(ca: &str) -> reqwest::Client {
    reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(ca.as_bytes()).unwrap()])
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(Duration::from_secs(5))
        .build()
        .unwrap()
}

/// The password grant of user 0.
pub(crate) fn password_form() -> Vec<(&'static str, String)> {
    vec![
        ("client_id", PUBLIC_CLIENT.to_owned()),
        ("grant_type", "password".to_owned()),
        ("client_info", "1".to_owned()),
        ("username", user_name(0)),
        ("password", password(0)),
        ("scope", SCOPE.to_owned()),
    ]
}

pub(crate) fn refresh_form(token: &str) -> Vec<(&'static str, String)> {
    vec![
        ("client_id", PUBLIC_CLIENT.to_owned()),
        ("grant_type", "refresh_token".to_owned()),
        ("client_info", "1".to_owned()),
        ("refresh_token", token.to_owned()),
        ("scope", SCOPE.to_owned()),
    ]
}

/// The form with one parameter replaced, or removed if the value is `None`.
pub(crate) fn but(
    form: Vec<(&'static str, String)>,
    name: &'static str,
    value: Option<&str>,
) -> Vec<(&'static str, String)> {
    let mut form: Vec<_> = form.into_iter().filter(|(key, _)| *key != name).collect();
    form.extend(value.map(|value| (name, value.to_owned())));
    form
}

pub(crate) fn decode(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The claims of a JWT.
pub(crate) fn claims(token: &str) -> Value {
    decode(token.split('.').nth(1).unwrap())
}

impl Lab {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.simulator.url())
    }

    pub(crate) async fn post_to(&self, tenant: &str, form: &[(&str, String)]) -> reqwest::Result<Answer> {
        self.try_path(&format!("/{tenant}/oauth2/v2.0/token"), form).await
    }

    async fn try_path(&self, path: &str, form: &[(&str, String)]) -> reqwest::Result<Answer> {
        read(self.http.post(self.url(path)).form(form).send().await?).await
    }

    pub(crate) async fn post_path(&self, path: &str, form: &[(&str, String)]) -> Answer {
        self.try_path(path, form).await.unwrap()
    }

    pub(crate) async fn try_post(&self, form: &[(&str, String)]) -> reqwest::Result<Answer> {
        self.post_to(TENANT, form).await
    }

    pub(crate) async fn post(&self, form: &[(&str, String)]) -> Answer {
        self.try_post(form).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        read(self.http.get(self.url(path)).send().await.unwrap())
            .await
            .unwrap()
    }

    /// Signs user 0 in and returns the refresh token.
    pub(crate) async fn sign_in(&self) -> String {
        self.post(&password_form()).await.text("refresh_token").to_owned()
    }

    pub(crate) async fn redeem(&self, token: &str) -> Answer {
        self.post(&refresh_form(token)).await
    }

    /// The code with which the service refuses this form, 0 if it does not.
    pub(crate) async fn code(&self, form: &[(&str, String)]) -> u64 {
        self.post(form).await.verdict().1
    }
}

async fn read(response: reqwest::Response) -> reqwest::Result<Answer> {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().await?;
    let body = serde_json::from_slice(&body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
    Ok(Answer {
        status,
        headers,
        body,
    })
}

pub(crate) fn api_scope(name: &str) -> String {
    format!("{API}/{name} offline_access openid profile")
}
