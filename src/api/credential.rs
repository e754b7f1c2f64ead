//! The spec of `EntraCredential`: fields, defaults and the rules the API server enforces.
//!
//! Every rule that CEL can express lives here, so that a wrong object is refused on `kubectl apply`.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::EntraCredentialStatus;
use crate::plan::answer::CheckedBy;

/// A name of a Secret or ServiceAccount: a subdomain of RFC 1123, as Kubernetes writes it.
const SUBDOMAIN: &str = "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')";

/// What to sign in as, and which token Secrets to keep fresh.
///
/// `spec` of an `EntraCredential`: one account of one tenant, signed in once with user name and
/// password for one application, and 1 to 16 access tokens that are renewed for as long as the account lives.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "entra-operator.dev",
    version = "v1alpha1",
    kind = "EntraCredential",
    plural = "entracredentials",
    singular = "entracredential",
    shortname = "ecred",
    category = "credentials",
    namespaced,
    status = "EntraCredentialStatus",
    derive = "PartialEq",
    doc = "Keeps access tokens of one Microsoft Entra ID account fresh in Secrets. The account signs in once with the user name and password of a one-shot login Secret, which is deleted; afterwards the sealed refresh token renews the tokens. Example: a complete object has spec.tenant, spec.clientId, spec.login.secretName and one entry in spec.tokens.",
    selectable = ".spec.tenant",
    selectable = ".spec.clientId",
    selectable = ".spec.login.secretName",
    printcolumn(name = "READY", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "REASON", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "EXPIRES", type_ = "string", json_path = ".status.expiresAt"),
    printcolumn(name = "REFRESH", type_ = "string", json_path = ".status.nextRefreshAt"),
    printcolumn(name = "ACCOUNT", type_ = "string", json_path = ".status.account.username", priority = 1),
    printcolumn(name = "TENANT", type_ = "string", json_path = ".spec.tenant", priority = 1),
    printcolumn(name = "FAILURES", type_ = "integer", json_path = ".status.failure.consecutive", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 239")
        .message("metadata.name must have at most 239 characters, so that <name>.refresh-token is a valid Secret name")
)]
#[x_kube(
    validation = Rule::new("has(self.tenant) || has(self.authority)")
        .message("set tenant: the tenant's GUID, its verified domain (for example contoso.example) or organizations"),
    validation = Rule::new("!(has(self.cloud) && has(self.authority))")
        .message("set either cloud or authority, not both: a named authority already says which host to use"),
    validation = Rule::new("has(self.authority) || self.clientId.matches('^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$')")
        .message("clientId must be the application (client) ID from the app registration, a GUID such as 3f0c1a52-0000-4000-8000-000000000001"),
    validation = Rule::new("has(self.authority) || self.tokens.all(t, !t.scopes.exists(s, s.lowerAscii() in ['openid', 'profile']))")
        .message("openid and profile are added by the operator: leave them out and name the scopes of your API (an authority of kind Oidc may be asked for them)"),
    validation = Rule::new("self.tokens.all(t, t.secretName != self.login.secretName)")
        .message("a token Secret cannot be the login Secret: the login Secret is deleted after use, name another one in tokens[].secretName"),
    validation = Rule::new("!has(self.clientCredential) || !has(self.clientCredential.secret) || self.tokens.all(t, t.secretName != self.clientCredential.secret.secretName)")
        .message("a token Secret cannot be the client secret's Secret: name another one in tokens[].secretName"),
    validation = Rule::new("!has(self.clientCredential) || !has(self.clientCredential.secret) || self.login.secretName != self.clientCredential.secret.secretName")
        .message("login and client secret need Secrets of their own: they have different types, and the login Secret is deleted after use"),
    validation = Rule::new("!has(self.clientCredential) || !has(self.clientCredential.certificate) || self.tokens.all(t, t.secretName != self.clientCredential.certificate.secretName)")
        .message("a token Secret cannot be the client certificate's Secret: name another one in tokens[].secretName"),
    validation = Rule::new("!has(self.clientCredential) || !has(self.clientCredential.certificate) || self.login.secretName != self.clientCredential.certificate.secretName")
        .message("login and client certificate need Secrets of their own: they have different types, and the login Secret is deleted after use")
)]
#[serde(rename_all = "camelCase")]
pub struct EntraCredentialSpec {
    /// Tenant to sign in to: its GUID, a verified domain, or `organizations` (the tenant follows from the user name).
    ///
    /// Required unless `authority` is set: then its kind says whether there are tenants. `common`, `consumers` and
    /// personal Microsoft accounts cannot use this grant. Example: `contoso.example`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(
        validation = Rule::new("!(self.lowerAscii() in ['common', 'consumers', '9188040d-6c67-4c5b-b112-36a304b66dad'])")
            .message("user name and password sign-in works for work and school accounts only: write the tenant's GUID, its domain, or organizations instead of common or consumers"),
        validation = Rule::new("self.lowerAscii() in ['common', 'consumers', 'organizations'] || self.matches('^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$') || self.matches('^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?[.])+[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$')")
            .message("tenant must be a GUID, a domain such as contoso.example, or organizations; it is the tenant alone, never a URL or user name")
    )]
    pub tenant: Option<String>,

    /// Application (client) ID of the app registration.
    ///
    /// A GUID, unless a named authority is used. Required. Example: `3f0c1a52-0000-4000-8000-000000000001`.
    #[schemars(length(min = 1, max = 256))]
    pub client_id: String,

    /// National cloud whose fixed sign-in host is used. Absent means `Public`. Excludes `authority`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<Cloud>,

    /// Name of an authority that the administrator declared in the operator's configuration.
    ///
    /// Excludes `cloud`. Absent means the cloud's own host. An object never holds a URL. Example: `lab`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')")
        .message("authority is the name of an authority in the operator's configuration (lower-case letters, digits and dashes), never a URL"))]
    pub authority: Option<String>,

    /// The one-shot login: which Secret holds the user name and password.
    ///
    /// Required. Example: `{secretName: reporting-login}`.
    pub login: LoginSpec,

    /// How the application authenticates itself.
    ///
    /// Exactly one of `secret`, `certificate` and `workloadIdentity`. Absent means a public client ("Allow public client
    /// flows" is on in the app registration). Example: `{secret: {secretName: reporting-app, key: client-secret}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("[has(self.secret), has(self.certificate), has(self.workloadIdentity)].filter(x, x).size() == 1")
        .message("clientCredential is exactly one of secret, certificate and workloadIdentity: keep the one that the app registration knows"))]
    pub client_credential: Option<ClientCredential>,

    /// Token Secrets to keep fresh: 1 to 16 entries, one per Secret.
    ///
    /// Required. One login serves many resources. An entry that is removed has its Secret deleted.
    /// Example: `[{secretName: reporting-graph, scopes: ["https://graph.microsoft.com/.default"]}]`.
    #[schemars(length(min = 1, max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["secretName"]))]
    pub tokens: Vec<TokenSpec>,

    /// Labels for every Secret that the operator creates for this object, the refresh-token Secret too: at most 16. Those of an
    /// entry in `tokens` win.
    ///
    /// None of Kubernetes', Helm's, Argo CD's or the operator's own, nor `app.kubernetes.io/instance`: a GitOps tool would remove
    /// what carries them. They are put on by themselves when they change; one that is dropped here is removed again.
    /// Default none. Example: `{contoso.example/cost-center: "4711"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    #[x_kube(
        validation = Rule::new("self.all(k, k.matches('^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$') && self[k].matches('^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$'))")
            .message("secretLabels must be valid Kubernetes labels: key of at most 63 characters with an optional domain prefix, value of at most 63"),
        validation = Rule::new("self.all(k, !k.matches('^([^/]*[.])?(kubernetes[.]io|k8s[.]io|helm[.]sh|entra-operator[.]dev)/') || (k.startsWith('app.kubernetes.io/') && !(k in ['app.kubernetes.io/managed-by', 'app.kubernetes.io/instance'])))")
            .message("in secretLabels, kubernetes.io, k8s.io, helm.sh and entra-operator.dev are reserved (app.kubernetes.io/* except managed-by and instance is fine): use a domain of your own, for example contoso.example/team"),
        validation = Rule::new("self.all(k, !k.matches('^([^/]*[.])?argocd[.]argoproj[.]io/'))")
            .message("in secretLabels, argocd.argoproj.io is reserved: Argo CD would remove Secrets that carry its labels and are not in its repository")
    )]
    pub secret_labels: BTreeMap<String, String>,

    /// When tokens are renewed.
    ///
    /// Absent means `{atPercent: 60}`. Example: `{atPercent: 55}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<RefreshSpec>,

    /// Stops all calls and all writes but to status while `true`.
    ///
    /// Default false. At Entra ID a refresh token dies after 90 idle days, elsewhere perhaps sooner: see
    /// `status.refreshToken.expiresAt`. Example: `true`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// National cloud whose fixed sign-in host is used.
///
/// `Public` (login.microsoftonline.com), `USGovernment` (login.microsoftonline.us), `China`
/// (login.partner.microsoftonline.cn), `Bleu` (login.sovcloud-identity.fr), `Delos` (login.sovcloud-identity.de) or
/// `GovSG` (login.sovcloud-identity.sg). Absent means `Public`. Excludes `authority`. Example: `USGovernment`.
// This text is what `kubectl explain` shows for `spec.cloud`: a field's own text gets lost when its type is an enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Cloud {
    /// login.microsoftonline.com
    Public,
    /// login.microsoftonline.us
    USGovernment,
    /// login.partner.microsoftonline.cn
    China,
    /// login.sovcloud-identity.fr
    Bleu,
    /// login.sovcloud-identity.de
    Delos,
    /// login.sovcloud-identity.sg
    GovSG,
}

impl Cloud {
    /// As the spec writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "Public",
            Self::USGovernment => "USGovernment",
            Self::China => "China",
            Self::Bleu => "Bleu",
            Self::Delos => "Delos",
            Self::GovSG => "GovSG",
        }
    }
}

/// The one-shot login Secret.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginSpec {
    /// Name of a Secret of type `entra-operator.dev/login` in the same namespace, with the keys `username` and `password`
    /// (1 to 256 characters each). It is deleted after use.
    ///
    /// Required. Example: `reporting-login`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(
        validation = Rule::new(SUBDOMAIN)
            .message("login.secretName must be a Secret's name: lower-case letters, digits, dashes and dots"),
        validation = Rule::new("!self.endsWith('.refresh-token')")
            .message("names ending in .refresh-token belong to the operator: name another login Secret, for example reporting-login")
    )]
    pub secret_name: String,

    /// Where the account signs in. Absent means `Auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<Realm>,
}

/// Where the account's password is checked.
///
/// `Auto` (ask Entra ID's realm service), `Managed` (by Entra ID) or `Federated` (by the organisation's own server, by
/// WS-Trust). Absent means `Auto`. Example: `Federated`.
// This text is what `kubectl explain` shows for `spec.login.realm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Realm {
    /// Ask the realm service.
    #[default]
    Auto,
    /// By Entra ID.
    Managed,
    /// By the organisation's own server.
    Federated,
}

impl From<CheckedBy> for Realm {
    fn from(checked_by: CheckedBy) -> Self {
        match checked_by {
            CheckedBy::Authority => Self::Managed,
            CheckedBy::FederationServer => Self::Federated,
        }
    }
}

impl Realm {
    /// As the spec writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "Auto",
            Self::Managed => "Managed",
            Self::Federated => "Federated",
        }
    }
}

/// How the application authenticates itself: exactly one variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ClientCredential {
    /// A client secret from a Secret of type `entra-operator.dev/client-secret`.
    ///
    /// No default: a public client has none. Example: `{secretName: reporting-app, key: client-secret}`.
    Secret(ClientSecretRef),
    /// A certificate and its RSA key from a Secret of type `kubernetes.io/tls`. It signs an assertion for every request.
    ///
    /// No default: a public client has none. Example: `{secretName: reporting-certificate}`.
    Certificate(ClientCertificateRef),
    /// A token of a ServiceAccount, which a federated credential of the app registration trusts. Nothing secret is stored.
    ///
    /// No default: a public client has none. Example: `{serviceAccountName: reporting}`.
    WorkloadIdentity(WorkloadIdentityRef),
}

/// Where a client secret is.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientSecretRef {
    /// Name of a Secret of type `entra-operator.dev/client-secret` in the same namespace.
    ///
    /// Required. Example: `reporting-app`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(
        validation = Rule::new(SUBDOMAIN)
            .message("clientCredential.secret.secretName must be a Secret's name: lower-case letters, digits, dashes and dots"),
        validation = Rule::new("!self.endsWith('.refresh-token')")
            .message("names ending in .refresh-token belong to the operator: name another Secret for the client secret")
    )]
    pub secret_name: String,

    /// Key in that Secret whose value is the client secret (the value, not its ID).
    ///
    /// Required. Example: `client-secret`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+$') && self != '.' && !self.startsWith('..')")
        .message("clientCredential.secret.key must be a Secret's key: letters, digits, dashes, underscores and dots"))]
    pub key: String,
}

/// Where a client certificate is.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificateRef {
    /// Name of a Secret of type `kubernetes.io/tls` in the same namespace: the certificate, PEM, under `tls.crt`, and its RSA
    /// key of at least 2048 bits under `tls.key`.
    ///
    /// Required. Example: `reporting-certificate`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(
        validation = Rule::new(SUBDOMAIN)
            .message("clientCredential.certificate.secretName must be a Secret's name: lower-case letters, digits, dashes and dots"),
        validation = Rule::new("!self.endsWith('.refresh-token')")
            .message("names ending in .refresh-token belong to the operator: name another Secret for the client certificate")
    )]
    pub secret_name: String,
}

/// Whose token proves who the application is.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadIdentityRef {
    /// Name of a ServiceAccount in the same namespace, with the annotation `azure.workload.identity/client-id` equal to
    /// `clientId`. The operator asks for its tokens, which an administrator allows by a Role.
    ///
    /// Required. Example: `reporting`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new(SUBDOMAIN)
        .message("clientCredential.workloadIdentity.serviceAccountName must be a ServiceAccount's name: lower-case letters, digits, dashes and dots"))]
    pub service_account_name: String,
}

/// One token Secret and what it is for.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("!self.scopes.exists(s, s == '.default' || s.endsWith('/.default')) || self.scopes.size() == 1")
        .message(".default cannot be mixed with other scopes: name it alone, or name the single scopes"),
    validation = Rule::new("self.scopes.all(s, (s.lastIndexOf('/') < 0 ? 'https://graph.microsoft.com' : s.substring(0, s.lastIndexOf('/'))) == (self.scopes[0].lastIndexOf('/') < 0 ? 'https://graph.microsoft.com' : self.scopes[0].substring(0, self.scopes[0].lastIndexOf('/'))))")
        .message("a token is for one resource: give every resource an entry of its own in tokens, with its own secretName")
)]
#[serde(rename_all = "camelCase")]
pub struct TokenSpec {
    /// Name of the Secret that holds the token, in the same namespace; created and owned by the operator.
    ///
    /// Required. Example: `reporting-graph`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(
        validation = Rule::new(SUBDOMAIN)
            .message("tokens[].secretName must be a Secret's name: lower-case letters, digits, dashes and dots"),
        validation = Rule::new("!self.endsWith('.refresh-token')")
            .message("names ending in .refresh-token belong to the operator: name another token Secret, for example reporting-graph")
    )]
    pub secret_name: String,

    /// Scopes to ask for: 1 to 20, all of one resource. `openid`, `profile` and `offline_access` are added by the operator;
    /// `openid` and `profile` may be named at an authority of kind `Oidc` only.
    ///
    /// Required. Example: `["https://graph.microsoft.com/.default"]`.
    #[schemars(length(min = 1, max = 20), inner(length(min = 1, max = 256)))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    #[x_kube(
        validation = Rule::new("self.all(s, s.matches('^[!#-\\\\[\\\\]-~]+$'))")
            .message("a scope has no spaces, quotes or backslashes: write one scope per list entry"),
        validation = Rule::new("!self.exists(s, s.lowerAscii() == 'offline_access')")
            .message("offline_access is added by the operator: leave it out and name the scopes of your API")
    )]
    pub scopes: Vec<String>,

    /// Keys of the token Secret: at most 16.
    ///
    /// Absent means `access_token` (format `AccessToken`) and `expires_on` (format `ExpiresOn`).
    /// Example: `[{name: header, format: AuthorizationHeader}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub keys: Vec<TokenKey>,

    /// Labels for the token Secret: at most 16, none of Kubernetes', Helm's or the operator's own. One that is dropped
    /// here is removed from the Secret; labels that others put there stay.
    ///
    /// Default none. Example: `{team: etl}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    #[x_kube(
        validation = Rule::new("self.all(k, k.matches('^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$') && self[k].matches('^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$'))")
            .message("labels must be valid Kubernetes labels: key of at most 63 characters with an optional domain prefix, value of at most 63"),
        validation = Rule::new("self.all(k, !k.matches('^([^/]*[.])?(kubernetes[.]io|k8s[.]io|helm[.]sh|entra-operator[.]dev)/') || (k.startsWith('app.kubernetes.io/') && k != 'app.kubernetes.io/managed-by'))")
            .message("labels of kubernetes.io, k8s.io, helm.sh and entra-operator.dev are reserved (app.kubernetes.io/* except managed-by is fine): use a domain of your own, for example contoso.example/team")
    )]
    pub labels: BTreeMap<String, String>,

    /// Annotations for the token Secret: at most 16, none of Kubernetes', Helm's or the operator's own. One that is
    /// dropped here is removed from the Secret; annotations that others put there stay.
    ///
    /// Default none. Example: `{contoso.example/owner: etl}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    #[x_kube(
        validation = Rule::new("self.all(k, k.matches('^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))")
            .message("annotation keys must be valid: at most 63 characters with an optional domain prefix"),
        validation = Rule::new("self.all(k, !k.matches('^([^/]*[.])?(kubernetes[.]io|k8s[.]io|helm[.]sh|entra-operator[.]dev)/') || (k.startsWith('app.kubernetes.io/') && k != 'app.kubernetes.io/managed-by'))")
            .message("annotations of kubernetes.io, k8s.io, helm.sh and entra-operator.dev are reserved (app.kubernetes.io/* except managed-by is fine): use a domain of your own, for example contoso.example/team")
    )]
    pub annotations: BTreeMap<String, String>,
}

/// One key of a token Secret.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenKey {
    /// Key in the Secret, and file name in a mounted volume.
    ///
    /// Required. Example: `access_token`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+$') && self != '.' && !self.startsWith('..')")
        .message("keys[].name must be a Secret's key: letters, digits, dashes, underscores and dots"))]
    pub name: String,

    /// What the key holds: `AccessToken` (the token alone), `ExpiresOn` (its expiry in Unix seconds), `ExpiresAt` (its expiry
    /// in RFC 3339), `AuthorizationHeader` (`Bearer` and the token), `TokenJson` (object with token_type, access_token,
    /// expires_on, scope and tenant) or `AzureCliJson` (what `az account get-access-token` prints).
    ///
    /// Required. Example: `AccessToken`.
    pub format: KeyFormat,
}

/// Shapes in which a token can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum KeyFormat {
    /// The access token alone.
    AccessToken,
    /// Expiry in Unix seconds.
    ExpiresOn,
    /// Expiry in RFC 3339.
    ExpiresAt,
    /// `Bearer` and the access token, ready for an `Authorization` header.
    AuthorizationHeader,
    /// JSON object with token_type, access_token, expires_on, scope and tenant.
    TokenJson,
    /// JSON object in the shape that `az account get-access-token` prints.
    AzureCliJson,
}

/// When tokens are renewed.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefreshSpec {
    /// Share of the token's life, in percent, after which renewal starts: 50 to 66.
    ///
    /// Absent means 60. Example: `55`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 50, max = 66))]
    pub at_percent: Option<i32>,
}

impl EntraCredentialSpec {
    /// Percent of a token's life after which renewal starts when the object does not say (docs/contract.md, Timing).
    pub const DEFAULT_AT_PERCENT: i32 = 60;

    /// Percent of a token's life after which renewal starts.
    pub fn at_percent(&self) -> i32 {
        self.refresh
            .as_ref()
            .and_then(|r| r.at_percent)
            .unwrap_or(Self::DEFAULT_AT_PERCENT)
    }
}

impl TokenSpec {
    /// The keys to write: those of the entry, or the default pair.
    pub fn effective_keys(&self) -> Vec<TokenKey> {
        if !self.keys.is_empty() {
            return self.keys.clone();
        }
        vec![
            TokenKey {
                name: "access_token".to_owned(),
                format: KeyFormat::AccessToken,
            },
            TokenKey {
                name: "expires_on".to_owned(),
                format: KeyFormat::ExpiresOn,
            },
        ]
    }
}
