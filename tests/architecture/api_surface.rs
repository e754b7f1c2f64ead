//! What users rely on does not change by accident: the generated CRD, its explanations, and the names of reasons.

use std::fs;

use entra_operator::api::{Reason, crd, crd_yaml};
use serde_json::Value;
use strum::IntoEnumIterator;

use crate::source::root;

const CRD_FILE: &str = "crds/entracredentials.yaml";

/// The names of all reasons. They are in users' alerts and scripts: add, never rename.
const REASONS: &[&str] = &[
    "Fresh",
    "Expiring",
    "Expired",
    "AwaitingLogin",
    "LoggingIn",
    "LoginRequired",
    "WrongPassword",
    "LoginOutcomeUnknown",
    "InteractionRequired",
    "ConsentMissing",
    "AppMisconfigured",
    "TenantNotFound",
    "UserNotFound",
    "AccountLocked",
    "BlockedByPolicy",
    "Throttled",
    "ServiceUnavailable",
    "ClusterUnavailable",
    "UnexpectedResponse",
    "IdentityChanged",
    "InvalidLoginSecret",
    "LoginSecretNotDeleted",
    "SecretConflict",
    "WriteRefused",
    "NotAllowed",
    "Unsealable",
    "Suspended",
    "ScopesReduced",
    "ClockSkew",
    "CertificateExpiring",
    "RefreshTokenStored",
    "UpToDate",
    "Publishing",
    "SpecChanged",
    "Settled",
];

#[test]
fn reasons_keep_their_names() {
    let names: Vec<String> = Reason::iter().map(|r| r.to_string()).collect();
    assert_eq!(names, REASONS);
}

/// A reason has the same name wherever it appears: conditions, Events, labels and the status.
#[test]
fn reasons_have_one_name() {
    for reason in Reason::iter() {
        let label: &'static str = reason.into();
        assert_eq!(label, reason.as_ref());
        assert_eq!(serde_json::to_value(reason).unwrap(), Value::from(label));
    }
}

#[test]
fn the_generated_crd_is_current() {
    let stored = fs::read_to_string(root().join(CRD_FILE)).unwrap_or_default();
    assert!(
        stored == crd_yaml().unwrap(),
        "{CRD_FILE} is missing or stale: run cargo run -- crd > {CRD_FILE}"
    );
}

/// `kubectl explain` says for every field of the spec what it is, what holds without it, and how it looks.
#[test]
fn every_field_of_the_spec_is_explained() {
    let crd = serde_json::to_value(crd()).unwrap();
    let spec = crd
        .pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec")
        .unwrap();
    let mut unexplained = Vec::new();
    explain("spec", spec, &mut unexplained);
    assert!(unexplained.is_empty(), "{unexplained:#?}");
}

fn explain(path: &str, schema: &Value, unexplained: &mut Vec<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        if !is_explained(field["description"].as_str().unwrap_or_default()) {
            unexplained.push(format!("{path}: {}", field["description"]));
        }
        explain(&path, field, unexplained);
        explain(&path, &field["items"], unexplained);
    }
}

fn is_explained(description: &str) -> bool {
    let without = ["Required", "Default", "Absent means", "No default"];
    let sentence = description
        .split(". ")
        .next()
        .is_some_and(|s| s.split(' ').count() > 3);
    sentence && description.contains("Example: `") && without.iter().any(|w| description.contains(w))
}

/// Every field of the status is described, too.
#[test]
fn every_field_of_the_status_is_described() {
    let crd = serde_json::to_value(crd()).unwrap();
    let status = crd
        .pointer("/spec/versions/0/schema/openAPIV3Schema/properties/status")
        .unwrap();
    let mut silent = Vec::new();
    describe("status", status, &mut silent);
    assert!(silent.is_empty(), "{silent:#?}");
}

fn describe(path: &str, schema: &Value, silent: &mut Vec<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        if field["description"].as_str().unwrap_or_default().is_empty() {
            silent.push(path.clone());
        }
        describe(&path, field, silent);
        describe(&path, &field["items"], silent);
    }
}
