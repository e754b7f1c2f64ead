//! What keeps a client credential from being used: found when it is read, before anything is sent.

use crate::answer::{Deed, Effect, Refusal};
use crate::reason::Reason;

/// The Secret holds no usable client secret.
pub fn no_client_secret(secret: &str, key: &str) -> Refusal {
    refusal(
        Effect::Person,
        Reason::AppMisconfigured,
        format!("the Secret {secret} has no usable client secret under the key {key}"),
        "put the client secret's value (not its ID) under that key",
    )
}

/// The Secret holds no certificate with its key.
pub fn no_certificate(secret: &str) -> Refusal {
    refusal(
        Effect::Person,
        Reason::AppMisconfigured,
        format!("the Secret {secret} has no certificate under tls.crt with its key under tls.key"),
        "create it with kubectl create secret tls, or let cert-manager do so",
    )
}

/// No watch shows a ServiceAccount: what is wrong with one is looked at again by itself.
pub fn no_service_account(name: &str) -> Refusal {
    refusal(
        Effect::Transient,
        Reason::AppMisconfigured,
        format!("the ServiceAccount {name} of the workload identity does not exist"),
        "create it, with the annotation azure.workload.identity/client-id",
    )
}

/// The ServiceAccount is not meant for this application.
pub fn not_annotated(name: &str, client_id: &str) -> Refusal {
    refusal(
        Effect::Transient,
        Reason::NotAllowed,
        format!("the ServiceAccount {name} does not say that this application may use its tokens"),
        &format!(
            "if it may: kubectl annotate serviceaccount {name} azure.workload.identity/client-id={client_id}"
        ),
    )
}

/// The operator lacks the right.
pub fn no_role(name: &str, text: &str) -> Refusal {
    refusal(
        Effect::Transient,
        Reason::NotAllowed,
        format!("the operator may not use the ServiceAccount {name}: {text}"),
        &format!(
            "an administrator allows it by a Role in this namespace with the resourceName {name}: get on serviceaccounts and create on serviceaccounts/token, bound to the operator's ServiceAccount (deploy/examples/workload-identity.yaml)"
        ),
    )
}

/// A public client proves nothing.
pub fn not_needed() -> Refusal {
    refusal(
        Effect::Transient,
        Reason::AppMisconfigured,
        "this application has no client credential".to_owned(),
        "",
    )
}

fn refusal(effect: Effect, reason: Reason, message: String, remedy: &str) -> Refusal {
    Refusal {
        effect,
        deed: if effect == Effect::Person {
            Deed::ClientCredential
        } else {
            Deed::Wait
        },
        ..super::trouble::refusal(reason, message, remedy)
    }
}
