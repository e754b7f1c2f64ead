//! What users write and read: the `EntraCredential` resource, its status and its reasons.
//!
//! Everything here is API: names and strings are stable, and every other module may depend on it.

mod crd;
#[allow(
    unreachable_pub,
    reason = "the KubeSchema derive emits helper types of its own"
)]
mod credential;
mod fitting;
mod names;
mod status;

pub use crate::plan::reason::{MORE, Reason, Retry, Says, Verdicts};
pub use crd::{crd, crd_yaml};
pub use credential::{
    ClientCertificateRef, ClientCredential, ClientSecretRef, Cloud, EntraCredential, EntraCredentialSpec,
    KeyFormat, LoginSpec, Realm, RefreshSpec, TokenKey, TokenSpec, WorkloadIdentityRef,
};
pub(crate) use fitting::fitting;
pub use names::{
    ANNOTATION_ALLOW_IDENTITY_CHANGE, ANNOTATION_CLIENT_ID, ANNOTATION_REFRESH_REQUESTED, CLIENT_SECRET_TYPE,
    FIELD_MANAGER, GROUP, IS_TOKEN, LABEL_MANAGED_BY, LABEL_TOKEN, LOGIN_TYPE, MANAGED_BY,
    REFRESH_TOKEN_SUFFIX, REFRESH_TOKEN_TYPE, TLS_TYPE, annotation, refresh_token_secret,
};
pub use status::{
    AccountStatus, EntraCredentialStatus, FailureStatus, LoginStatus, Phase, RefreshTokenStatus, TokenStatus,
};
