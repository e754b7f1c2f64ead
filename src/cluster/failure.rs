//! What a failed call means for the caller, in our own words.
//!
//! # Guarantees
//!
//! No text holds anything that a request or an object said. The API server quotes whole objects in some messages
//! (a patch with malformed data is answered with the Secret, data included) and admission policies may quote any field,
//! so a message is never passed on: only names of quotas, webhooks and policies are taken out of it, at the fixed place
//! where the API server itself writes them, and only if they look like names.

use kube::core::Status;
use kube::core::response::{StatusCause, reason};

use crate::reconcile::ports::ClusterError;

/// Names in messages are cut here: long enough to be recognised, short enough for a status.
const NAME_MAX: usize = 63;

/// Longest chain of causes that is searched.
const CAUSES_MAX: usize = 16;

/// What was asked of the API server: the same code means different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Read,
    Create,
    Patch,
    Delete,
    Issue,
}

impl Verb {
    /// As a Role names it.
    const fn name(self) -> &'static str {
        match self {
            Self::Read => "get",
            Self::Create | Self::Issue => "create",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// The failure of a call, as the reconciler has to know it.
pub(super) fn classify(verb: Verb, error: &kube::Error) -> ClusterError {
    if let kube::Error::Api(status) = error {
        return refusal(verb, None, status);
    }
    if matches!(error, kube::Error::Auth(_)) {
        return unavailable("the operator's own credentials could not be read");
    }
    unavailable(&connection_failure(error))
}

/// What a request to this path is about, as a Role names it: `secrets in the namespace etl`.
pub(super) fn named(path: &str) -> Option<String> {
    let parts: Vec<_> = path.trim_matches('/').split('/').collect();
    let (group, rest) = match parts.as_slice() {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return None,
    };
    let (place, of) = match rest {
        ["namespaces", namespace, of @ ..] if !of.is_empty() => (format!("in the namespace {namespace}"), of),
        of => ("in the cluster".to_owned(), of),
    };
    let resource = match of {
        [resource, _, subresource] => format!("{resource}/{subresource}"),
        [resource, ..] => (*resource).to_owned(),
        [] => return None,
    };
    let dot = if group.is_empty() { "" } else { "." };
    Some(format!("{resource}{dot}{group} {place}"))
}

/// What was asked for; `None` if it does not exist.
pub(super) fn if_exists<T>(answer: Result<T, ClusterError>) -> Result<Option<T>, ClusterError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(ClusterError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// [`ClusterError::Unavailable`] with our words.
pub(super) fn unavailable(what: &str) -> ClusterError {
    ClusterError::Unavailable {
        text: what.to_owned(),
        retry_after: None,
    }
}

/// What a `Status` means for the caller who asked for `what`.
pub(super) fn refusal(verb: Verb, what: Option<&str>, status: &Status) -> ClusterError {
    if let Some(text) = denied_by_admission(status) {
        return ClusterError::Refused(text);
    }
    match status.code {
        404 if verb == Verb::Create => {
            ClusterError::Refused(with_reason("the namespace does not exist", status))
        }
        404 => ClusterError::NotFound,
        409 => ClusterError::Conflict,
        422 => unprocessable(verb, status),
        403 => ClusterError::Refused(forbidden(verb, what, status)),
        400 | 405 | 406 | 413 | 415 => ClusterError::Refused(with_reason("it rejects the request", status)),
        _ => ClusterError::Unavailable {
            text: with_reason("it answered with an error", status),
            retry_after: retry_after(status),
        },
    }
}

/// The API server repeats its `Retry-After` header in the body (k8s.io/apimachinery, `StatusDetails`).
fn retry_after(status: &Status) -> Option<i64> {
    let seconds = status
        .details
        .as_ref()
        .map(|d| i64::from(d.retry_after_seconds))?;
    (seconds > 0).then_some(seconds)
}

/// A JSON patch whose operations do not fit (a pinned value differs, a key to remove is gone) is refused before the
/// resourceVersion is looked at, and without a cause: the object is not what we last saw.
fn unprocessable(verb: Verb, status: &Status) -> ClusterError {
    let causes = causes(status);
    if causes.iter().any(says_immutable) {
        return ClusterError::Immutable;
    }
    if verb == Verb::Patch && (causes.is_empty() || causes.iter().any(says_other_uid)) {
        return ClusterError::Conflict;
    }
    ClusterError::Refused(with_reason("it finds the object invalid", status))
}

fn causes(status: &Status) -> &[StatusCause] {
    let all = status.details.as_ref().map_or(&[][..], |d| d.causes.as_slice());
    all.get(..CAUSES_MAX).unwrap_or(all)
}

fn says_immutable(cause: &StatusCause) -> bool {
    cause.reason == "FieldValueForbidden" && matches!(cause.field.as_str(), "data" | "immutable")
}

fn says_other_uid(cause: &StatusCause) -> bool {
    cause.field == "metadata.uid"
}

fn forbidden(verb: Verb, what: Option<&str>, status: &Status) -> String {
    if causes(status).iter().any(|c| c.reason == "NamespaceTerminating") {
        return "the namespace is being deleted".to_owned();
    }
    if let Some(quota) = exceeded_quota(&status.message) {
        return format!("the resource quota {quota} is exceeded");
    }
    // Quotas and policies are about writes.
    let by_rbac = status.message.contains(" cannot ") && status.message.contains(" in API group ");
    if by_rbac || verb == Verb::Read {
        let asked = what.map(|what| format!(" to {} {what}", verb.name()));
        return format!(
            "the operator lacks the permission (RBAC){}",
            asked.unwrap_or_default()
        );
    }
    with_reason("it forbids the request: permission, quota or policy", status)
}

/// Admission webhooks choose their own code and reason, so they are recognised before anything else.
fn denied_by_admission(status: &Status) -> Option<String> {
    if !(400..500).contains(&status.code) || status.code == 429 {
        return None;
    }
    let message = status.message.as_str();
    if let Some(rest) = message.strip_prefix("admission webhook \"") {
        return Some(format!(
            "the admission webhook {} denies it",
            name_until(rest, '"')
        ));
    }
    let (_, rest) = message.split_once(" is forbidden: ValidatingAdmissionPolicy '")?;
    Some(format!(
        "the admission policy {} denies it",
        name_until(rest, '\'')
    ))
}

fn exceeded_quota(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once(" is forbidden: exceeded quota: ")?;
    Some(name_until(rest, ','))
}

/// The name before `end`, if it can be one.
fn name_until(text: &str, end: char) -> &str {
    let name = text.split(end).next().unwrap_or_default();
    let fits = !name.is_empty() && name.len() <= NAME_MAX && name.bytes().all(in_a_name);
    if fits { name } else { "(name withheld)" }
}

const fn in_a_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
}

/// Our sentence, the code, and the reason if it is one of Kubernetes' own words.
fn with_reason(sentence: &str, status: &Status) -> String {
    let word = status.reason.as_str();
    if !word.is_empty() && reason::is_known(word) {
        return format!("{sentence} ({} {word})", status.code);
    }
    format!("{sentence} ({})", status.code)
}

/// Only the kind of an I/O error is taken from the chain: other texts may come from anywhere.
fn connection_failure(error: &kube::Error) -> String {
    match io_error_kind(error) {
        Some(kind) => format!("the connection failed: {kind}"),
        None => "the connection failed".to_owned(),
    }
}

fn io_error_kind(error: &(dyn std::error::Error + 'static)) -> Option<std::io::ErrorKind> {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(io) = current.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        next = current.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stands for what a Secret holds.
    const CANARY: &str = "aHVudGVyMg";

    fn answer(json: serde_json::Value) -> kube::Error {
        kube::Error::Api(Box::new(serde_json::from_value(json).unwrap()))
    }

    fn status(code: u16, reason: &str, message: &str) -> kube::Error {
        answer(serde_json::json!({
            "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message,
        }))
    }

    fn refused(error: &kube::Error, verb: Verb) -> String {
        match classify(verb, error) {
            ClusterError::Refused(text) => text,
            other @ (ClusterError::Conflict
            | ClusterError::NotFound
            | ClusterError::Immutable
            | ClusterError::Unavailable { .. }
            | ClusterError::Rationed { .. }) => panic!("{other:?}"),
        }
    }

    #[test]
    fn codes_mean_what_the_port_promises() {
        use ClusterError::{Conflict, NotFound};
        assert_eq!(classify(Verb::Patch, &status(409, "Conflict", "")), Conflict);
        assert_eq!(
            classify(Verb::Create, &status(409, "AlreadyExists", "")),
            Conflict
        );
        assert_eq!(classify(Verb::Patch, &status(404, "NotFound", "")), NotFound);
        for code in [401, 408, 410, 429, 500, 502, 503, 504] {
            let meaning = classify(Verb::Patch, &status(code, "", CANARY));
            assert!(
                matches!(&meaning, ClusterError::Unavailable { text, .. } if !text.contains(CANARY)),
                "{code}"
            );
        }
    }

    #[test]
    fn a_missing_right_is_named_by_verb_resource_and_namespace() {
        let cannot = serde_json::json!({"code": 403, "reason": "Forbidden", "message": CANARY});
        let status = serde_json::from_value(cannot).unwrap();
        for (path, named_as) in [
            (
                "/api/v1/namespaces/etl/secrets/a",
                "get secrets in the namespace etl",
            ),
            ("/api/v1/namespaces/etl", "get namespaces in the cluster"),
            (
                "/apis/entra-operator.dev/v1alpha1/namespaces/etl/entracredentials/a/status",
                "get entracredentials/status.entra-operator.dev in the namespace etl",
            ),
        ] {
            assert_eq!(
                refusal(Verb::Read, named(path).as_deref(), &status),
                ClusterError::Refused(format!("the operator lacks the permission (RBAC) to {named_as}"))
            );
        }
        assert_eq!(named("/version"), None);
    }

    #[test]
    fn a_create_without_namespace_is_refused_and_not_absent() {
        let text = refused(
            &status(404, "NotFound", "namespaces \"x\" not found"),
            Verb::Create,
        );
        assert_eq!(text, "the namespace does not exist (404 NotFound)");
    }

    #[test]
    fn a_json_patch_that_does_not_fit_is_a_conflict() {
        let bland = status(
            422,
            "Invalid",
            "the server rejected our request due to an error in our request",
        );
        assert_eq!(classify(Verb::Patch, &bland), ClusterError::Conflict);
        assert!(matches!(classify(Verb::Create, &bland), ClusterError::Refused(_)));
    }

    #[test]
    fn another_uid_is_a_conflict() {
        let error = answer(
            serde_json::json!({"code": 422, "reason": "Invalid", "details": {"causes": [
            {"reason": "FieldValueInvalid", "field": "metadata.uid", "message": "field is immutable"}]}}),
        );
        assert_eq!(classify(Verb::Patch, &error), ClusterError::Conflict);
    }

    #[test]
    fn an_immutable_secret_is_told_apart() {
        let error = answer(
            serde_json::json!({"code": 422, "reason": "Invalid", "details": {"causes": [
            {"reason": "FieldValueForbidden", "field": "data", "message": "immutable"}]}}),
        );
        assert_eq!(classify(Verb::Patch, &error), ClusterError::Immutable);
    }

    #[test]
    fn an_object_quoted_by_the_server_is_not_passed_on() {
        let error = answer(serde_json::json!({
            "code": 422, "reason": "Invalid", "message": format!("patch: Invalid value: {CANARY}"),
            "details": {"causes": [{"reason": "FieldValueInvalid", "field": "patch", "message": CANARY}]}}));
        assert_eq!(
            refused(&error, Verb::Patch),
            "it finds the object invalid (422 Invalid)"
        );
    }

    #[test]
    fn quotas_webhooks_and_policies_are_named_but_not_quoted() {
        let quota = "secrets \"x\" is forbidden: exceeded quota: team-a, requested: count/secrets=1, used: 9, limited: 9";
        assert_eq!(
            refused(&status(403, "Forbidden", quota), Verb::Create),
            "the resource quota team-a is exceeded"
        );
        let webhook = format!("admission webhook \"deny.example.com\" denied the request: {CANARY}");
        for code in [400, 403, 409, 422] {
            assert_eq!(
                refused(&status(code, "Whatever", &webhook), Verb::Create),
                "the admission webhook deny.example.com denies it"
            );
        }
        let policy = format!(
            "secrets \"x\" is forbidden: ValidatingAdmissionPolicy 'no-foo' with binding 'b' denied request: {CANARY}"
        );
        assert_eq!(
            refused(&status(422, "Invalid", &policy), Verb::Patch),
            "the admission policy no-foo denies it"
        );
    }

    #[test]
    fn what_is_no_name_is_withheld() {
        let forged = format!("admission webhook \"{CANARY} \" denied the request");
        assert_eq!(
            refused(&status(403, "Forbidden", &forged), Verb::Create),
            "the admission webhook (name withheld) denies it"
        );
        let long = format!(
            "secrets \"x\" is forbidden: exceeded quota: {}, requested",
            "a".repeat(64)
        );
        assert!(refused(&status(403, "Forbidden", &long), Verb::Create).contains("withheld"));
    }

    #[test]
    fn permissions_and_dying_namespaces_are_told_apart() {
        let rbac = "secrets is forbidden: User \"u\" cannot create resource \"secrets\" in API group \"\" in the namespace \"n\"";
        assert_eq!(
            refused(&status(403, "Forbidden", rbac), Verb::Create),
            "the operator lacks the permission (RBAC)"
        );
        let dying = answer(
            serde_json::json!({"code": 403, "reason": "Forbidden", "details": {"causes": [
            {"reason": "NamespaceTerminating", "field": "metadata.namespace"}]}}),
        );
        assert_eq!(refused(&dying, Verb::Create), "the namespace is being deleted");
    }

    #[test]
    fn a_reason_that_is_not_kubernetes_own_is_left_out() {
        let text = refused(&status(403, CANARY, CANARY), Verb::Create);
        assert!(!text.contains(CANARY), "{text}");
    }

    #[test]
    fn connection_errors_name_only_their_kind() {
        let io = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, CANARY);
        let text = connection_failure(&kube::Error::ReadEvents(io));
        assert_eq!(text, "the connection failed: connection refused");
    }
}
