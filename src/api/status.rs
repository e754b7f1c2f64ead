//! The status of `EntraCredential`: derived facts for people and tools, never a secret.
//!
//! Losing it loses only back-off; the facts that decide live on the operator's Secrets. So what of it a newer version wrote and
//! this one does not understand counts as absent (`fitting`). All times are whole seconds, UTC.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Reason;

/// What the operator last saw and did. Written by the operator only; every field is optional.
// One writer writes it whole. So `managedFields` name it and none of its fields, which would be most of the object, and be taken
// apart and put together by the API server with every write.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct EntraCredentialStatus {
    /// `metadata.generation` that this status answers. Example: `3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions `Ready`, `LoggedIn`, `Published`, `Reconciling`, `Stalled`. Example: `Ready=True, reason Fresh`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The account that signed in. Example: `{username: svc-reporting@contoso.example}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountStatus>,
    /// The last login attempt. Example: `{verdict: Accepted, sends: 1}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<LoginStatus>,
    /// The stored refresh token. Example: `{issuedAt: "2026-11-22T07:24:37Z"}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<RefreshTokenStatus>,
    /// One entry for each entry of `spec.tokens`. Example: `[{secretName: reporting-graph}]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["secretName"]))]
    pub tokens: Vec<TokenStatus>,
    /// Soonest renewal of all tokens, RFC 3339. Example: `2026-11-22T08:00:00Z`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_refresh_at: Option<Time>,
    /// Soonest expiry of all published tokens, RFC 3339. Example: `2026-11-22T08:24:37Z`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// Failure of the login, the refresh token, the client or the tenant. Absent while all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureStatus>,
    /// Value of the annotation `entra-operator.dev/refresh-requested-at` that was handled last.
    ///
    /// Not bounded: it repeats what a user wrote, and a value that is too long must not stop the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_refresh_request: Option<String>,
}

/// The account that signed in, as the identity provider named it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AccountStatus {
    /// User name. Example: `svc-reporting@contoso.example`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub username: Option<String>,
    /// Object id (`oid`) of the user. Example: `7f0c1a52-0000-4000-8000-000000000001`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_id: Option<String>,
    /// GUID of the tenant that issued the tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// MSAL's account key: `<uid>.<utid>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_account_id: Option<String>,
    /// Who checks the account's password: as `spec.login.realm` says, else as the realm service said at the last sign-in.
    /// Example: `Federated`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
}

/// The last login attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LoginStatus {
    /// `metadata.uid` of the login Secret that was used last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_uid: Option<String>,
    /// How often its content was sent. Example: `1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sends: Option<i32>,
    /// When it was sent last, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sent_at: Option<Time>,
    /// `Open` as long as no complete answer came, then `Accepted`, `Wrong` or `Kept`. Example: `Accepted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
}

/// The stored refresh token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RefreshTokenStatus {
    /// When the stored refresh token was issued, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<Time>,
    /// Until when it is good, RFC 3339, if the identity provider says so: AD FS and Azure AD B2C do. Entra ID does not; there it
    /// dies 90 days after it was redeemed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// When a refresh token was redeemed last, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_redeemed_at: Option<Time>,
}

/// State of one token Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TokenStatus {
    /// Name of the token Secret. Example: `reporting-graph`.
    pub secret_name: String,
    /// `metadata.resourceVersion` of the Secret as it was last written or verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_resource_version: Option<String>,
    /// Scopes that were granted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// When the published token expires, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// When its renewal is due, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_at: Option<Time>,
    /// When the published token was issued, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refreshed_at: Option<Time>,
    /// Failure of this entry's scope, consent or resource. Absent while all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureStatus>,
}

/// What a failure keeps from going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// The sign-in with user name and password.
    Login,
    /// The renewal with the refresh token.
    Renewal,
}

/// What went wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureStatus {
    /// Reason. Example: `ConsentMissing`.
    pub reason: Reason,
    /// Whether the sign-in or the renewal waits for it; absent for a failure of one token. Example: `Renewal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The identity provider's code. Example: `AADSTS65001`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What happened. Never the provider's own text.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// `client-request-id` of the call, to quote in a support request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The identity provider's trace id of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// When it happened last, RFC 3339.
    pub at: Time,
    /// How often in a row.
    pub consecutive: i32,
    /// When the operator tries again, RFC 3339. Absent: not before something changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Time>,
    /// The version of the client credential that it met, where another one is tried at once. Example: `public`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_version: Option<String>,
}
