//! Switches of the service: token lives, response shapes, lockout and loop detection.
//!
//! Defaults are what the real service does; a test turns one switch at a time.

use serde::Deserialize;

use super::error::Separator;
use super::federation::SamlToken;

/// Life of access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Lifetime {
    /// 60–90 minutes by chance, 20–28 hours for clients that declare `cp1`.
    Random,
    /// Always this many seconds.
    Seconds(u64),
}

/// When an answer carries `refresh_in`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RefreshIn {
    /// Only on long-lived tokens, half of the life, as the service does.
    #[default]
    LongLived,
    /// On every token, half of the life.
    Always,
    /// Never.
    Never,
    /// On every token, this many seconds.
    Seconds(u64),
}

/// When an answer leaves out what was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Omit {
    /// Never.
    #[default]
    Never,
    /// Only when a user signed in with a password.
    OnSignIn,
    /// Only when a refresh token was redeemed.
    OnRefresh,
    /// Always.
    Always,
}

impl Omit {
    /// Whether this answer is without it.
    pub(crate) fn applies(self, redeemed: bool) -> bool {
        match self {
            Self::Never => false,
            Self::OnSignIn => !redeemed,
            Self::OnRefresh => redeemed,
            Self::Always => true,
        }
    }
}

/// Smart lockout of cloud accounts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct LockoutPolicy {
    /// Failures until the account locks: 10, or 3 in US Government.
    pub threshold: u32,
    /// Seconds of the first lock. Each later one doubles: the real rule is not published.
    pub seconds: i64,
    /// How many bad passwords are remembered, whose repetition does not count; 0 imitates pass-through
    /// authentication, where every failure counts.
    pub remembered: usize,
}

/// How many token requests a client may make in a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RateLimit {
    /// Requests per window.
    pub requests: u32,
    /// Seconds of the window; `Retry-After` names its end.
    pub seconds: i64,
}

/// What the federation server publishes as metadata.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Metadata {
    /// Endpoints for WS-Trust 1.3 and for the version of 2005.
    #[default]
    Both,
    /// Only the endpoint for the version of 2005.
    Only2005,
    /// Addresses without TLS, which a client must refuse.
    Http,
    /// Half a document.
    Malformed,
    /// 404.
    Absent,
    /// 404, and the realm does not even name it.
    Unnamed,
}

/// The federation server of all federated domains.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct FederationServer {
    /// Metadata document.
    pub metadata: Metadata,
    /// `https://host[:port]` that realm and metadata name instead of the simulator's own address.
    pub base: Option<String>,
    /// Which assertion it issues.
    pub token: SamlToken,
    /// Seconds that an assertion is good for.
    pub assertion_seconds: i64,
    /// The assertion's namespace prefix is declared on the envelope, so that its text alone is incomplete.
    pub prefix_on_ancestor: bool,
}

impl Default for FederationServer {
    fn default() -> Self {
        Self {
            metadata: Metadata::default(),
            base: None,
            token: SamlToken::default(),
            assertion_seconds: 3600,
            prefix_on_ancestor: false,
        }
    }
}

/// All switches.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own that a test turns"
)]
pub struct Behaviour {
    /// Life of access tokens.
    pub lifetime: Lifetime,
    /// When `refresh_in` is sent.
    pub refresh_in: RefreshIn,
    /// Access tokens are opaque text instead of JWTs.
    pub opaque_access_tokens: bool,
    /// `expires_in` and `ext_expires_in` as JSON strings, as v1, B2C and some ADFS write them.
    pub string_numbers: bool,
    /// The fields of v1 beside the others: `expires_on`, `not_before`, `resource`, and every number as text.
    pub v1_shape: bool,
    /// No `scope` in the answer.
    pub omit_scope: bool,
    /// No `client_info` in the answer.
    pub omit_client_info: bool,
    /// No `id_token` in the answer although `openid` was asked for.
    pub omit_id_token: Omit,
    /// No `refresh_token` in the answer although `offline_access` was asked for.
    pub omit_refresh_token: Omit,
    /// The `token_type`, `Bearer` by default.
    pub token_type: String,
    /// The `scope` to grant instead of what was asked.
    pub narrowed_scope: Option<String>,
    /// Name of another user for whom the answer is made out.
    pub answer_as: Option<String>,
    /// Name of another user whose `client_info` is sent; all else is right.
    pub client_info_of: Option<String>,
    /// Smart lockout.
    pub lockout: LockoutPolicy,
    /// 50196 after 15 equal requests in 5 minutes. Off, because tests renew every few seconds.
    pub loop_detection: bool,
    /// 429 beyond so many requests. Off: no figure of the real service is published.
    pub rate_limit: Option<RateLimit>,
    /// Separator in `error_description`.
    pub separator: Separator,
    /// The federation server.
    pub federation: FederationServer,
}

impl LockoutPolicy {
    /// As in US Government clouds.
    pub fn us_government() -> Self {
        Self {
            threshold: 3,
            ..Self::default()
        }
    }
}

impl Default for LockoutPolicy {
    fn default() -> Self {
        Self {
            threshold: 10,
            seconds: 60,
            remembered: 3,
        }
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            lifetime: Lifetime::Random,
            refresh_in: RefreshIn::default(),
            opaque_access_tokens: false,
            string_numbers: false,
            v1_shape: false,
            omit_scope: false,
            omit_client_info: false,
            omit_id_token: Omit::default(),
            omit_refresh_token: Omit::default(),
            token_type: "Bearer".to_owned(),
            narrowed_scope: None,
            answer_as: None,
            client_info_of: None,
            lockout: LockoutPolicy::default(),
            loop_detection: false,
            rate_limit: None,
            separator: Separator::default(),
            federation: FederationServer::default(),
        }
    }
}
