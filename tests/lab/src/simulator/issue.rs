//! Makes the token answer: access token, refresh token, id_token and client_info.
//!
//! Which fields appear depends on what was asked for, and on the switches of [`Behaviour`].

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::behaviour::{Behaviour, Lifetime, RefreshIn};
use super::error::Refusal;
use super::refresh_tokens::Family;
use super::service::{Service, TokenRequest};
use super::signing::{self, SigningError, base64url, encode_json};
use super::token::Checked;
use super::world::{Rotation, User, new_guid};
use super::{claims, shape};

/// Visible mark at the head of opaque access tokens, for leak scans.
pub const ACCESS_TOKEN_MARK: &str = "ATMARK-";

/// A user who may have tokens now.
#[derive(Debug, Clone)]
pub(crate) struct SignIn {
    pub(crate) user: User,
    pub(crate) family: Family,
    /// By redeeming a refresh token.
    pub(crate) redeemed: bool,
}

/// What the parts of one answer have in common.
pub(crate) struct Issue<'a> {
    pub(crate) request: TokenRequest<'a>,
    pub(crate) checked: &'a Checked,
    pub(crate) behaviour: &'a Behaviour,
    pub(crate) user: &'a User,
    /// GUID of the tenant whose tokens these are.
    pub(crate) tenant: &'a str,
    client_info: String,
    pub(crate) long_lived: bool,
    pub(crate) expires_in: u64,
    /// By redeeming a refresh token.
    pub(crate) redeemed: bool,
}

/// Issues everything that the request asks for.
pub(crate) fn tokens(
    service: &mut Service,
    request: TokenRequest<'_>,
    checked: &Checked,
    sign_in: SignIn,
) -> Result<Value, Refusal> {
    let sign_in = made_out_to(service, sign_in);
    let behaviour = service.behaviour.clone();
    let lifetime = sign_in.user.token_lifetime.map(Lifetime::Seconds);
    let long_lived = checked.scopes.resource.continuous_access && declares_cp1(request)?;
    let issue = Issue {
        request,
        checked,
        behaviour: &behaviour,
        user: &sign_in.user,
        tenant: checked.tenant.as_deref().unwrap_or(&sign_in.user.tenant),
        client_info: client_info(service, &sign_in.user),
        long_lived,
        expires_in: life(lifetime.unwrap_or(behaviour.lifetime), long_lived),
        redeemed: sign_in.redeemed,
    };
    let mut answer = issue.answer().map_err(|_| Refusal::of(50000))?;
    let kept = sign_in.redeemed && service.directory.rotation(request.authority) == Rotation::Kept;
    if !kept && wants_refresh_token(&behaviour, checked, sign_in.redeemed) {
        let token = service.tokens.issue(sign_in.family, request.now);
        answer.insert("refresh_token".to_owned(), json!(token));
    }
    shape::apply(&mut answer, &issue);
    remember(service, &answer);
    Ok(Value::Object(answer))
}

/// The sign-in of another user, if a test wants the wrong one answered.
fn made_out_to(service: &Service, sign_in: SignIn) -> SignIn {
    let other = service
        .behaviour
        .answer_as
        .as_deref()
        .and_then(|name| service.directory.user(name));
    match other {
        None => sign_in,
        Some(user) => {
            let family = Family {
                user: user.upn.to_lowercase(),
                ..sign_in.family
            };
            SignIn {
                user: user.clone(),
                family,
                redeemed: sign_in.redeemed,
            }
        }
    }
}

/// The home account, of another user if a test wants the wrong one.
fn client_info(service: &Service, user: &User) -> String {
    let other = service
        .behaviour
        .client_info_of
        .as_deref()
        .and_then(|name| service.directory.user(name));
    let user = other.unwrap_or(user);
    encode_json(&json!({"uid": user.oid, "utid": user.tenant}))
}

fn wants_refresh_token(behaviour: &Behaviour, checked: &Checked, redeemed: bool) -> bool {
    checked.scopes.offline && !behaviour.omit_refresh_token.applies(redeemed)
}

fn remember(service: &mut Service, answer: &Map<String, Value>) {
    for field in ["access_token", "refresh_token"] {
        if let Some(token) = answer.get(field).and_then(Value::as_str) {
            service.issued.record(token);
        }
    }
}

/// Whether the client says that it can answer claims challenges.
fn declares_cp1(request: TokenRequest<'_>) -> Result<bool, Refusal> {
    let Some(claims) = request.form.get("claims") else {
        return Ok(false);
    };
    let claims: Value = serde_json::from_str(claims).map_err(|_| Refusal::of(90100))?;
    let values = claims
        .pointer("/access_token/xms_cc/values")
        .and_then(Value::as_array);
    Ok(values.is_some_and(|values| values.iter().any(|value| value == "cp1")))
}

fn life(lifetime: Lifetime, long_lived: bool) -> u64 {
    match lifetime {
        Lifetime::Seconds(seconds) => seconds,
        Lifetime::Random if long_lived => between(20 * 3600, 28 * 3600),
        Lifetime::Random => between(3600, 5400),
    }
}

fn between(least: u64, most: u64) -> u64 {
    let (chance, _) = uuid::Uuid::new_v4().as_u64_pair();
    least + chance % (most - least + 1)
}

impl Issue<'_> {
    fn answer(&self) -> Result<Map<String, Value>, SigningError> {
        let mut answer = Map::new();
        let mut add = |name: &str, value: Value| answer.insert(name.to_owned(), value);
        add("token_type", json!(self.behaviour.token_type));
        add("expires_in", json!(self.expires_in));
        add("ext_expires_in", json!(self.expires_in));
        add("access_token", json!(self.access_token()?));
        if let Some(seconds) = self.refresh_in() {
            add("refresh_in", json!(seconds));
        }
        if !self.behaviour.omit_scope {
            add("scope", json!(self.scope()));
        }
        if self.checked.scopes.openid && !self.behaviour.omit_id_token.applies(self.redeemed) {
            add("id_token", json!(self.id_token()?));
        }
        if self.wants_client_info() {
            add("client_info", json!(self.client_info));
        }
        if self.behaviour.string_numbers {
            // Not `refresh_in`: MSAL Python crashes on text there.
            shape::as_text(&mut answer, &["expires_in", "ext_expires_in"]);
        }
        Ok(answer)
    }

    fn scope(&self) -> String {
        self.behaviour
            .narrowed_scope
            .clone()
            .unwrap_or_else(|| self.checked.scopes.echo())
    }

    fn refresh_in(&self) -> Option<u64> {
        match self.behaviour.refresh_in {
            RefreshIn::LongLived if !self.long_lived => None,
            RefreshIn::LongLived | RefreshIn::Always => Some(self.expires_in / 2),
            RefreshIn::Seconds(seconds) => Some(seconds),
            RefreshIn::Never => None,
        }
    }

    fn wants_client_info(&self) -> bool {
        self.request.form.get("client_info") == Some("1") && !self.behaviour.omit_client_info
    }

    fn access_token(&self) -> Result<String, SigningError> {
        if self.behaviour.opaque_access_tokens {
            let noise = base64url(&Sha256::digest(new_guid()));
            return Ok(format!("{ACCESS_TOKEN_MARK}{noise}"));
        }
        signing::shared()?.sign(&claims::access(self))
    }

    fn id_token(&self) -> Result<String, SigningError> {
        signing::shared()?.sign(&claims::id(self))
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.checked.client.application.client_id
    }
}
