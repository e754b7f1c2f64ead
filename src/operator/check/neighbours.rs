//! What is wrong between the objects that are checked together: credentials that share a Secret, and Secrets of the wrong type.

use std::collections::BTreeMap;

use super::finding::Finding;
use super::objects::{Is, Object};
use crate::api::{EntraCredentialSpec, LOGIN_TYPE};

/// Credentials that were seen before, by the Secrets that each has to itself: (namespace, Secret).
#[derive(Default)]
pub(super) struct Claims(BTreeMap<(String, String), String>);

impl Claims {
    /// What this credential wants for itself and another one has already.
    pub(super) fn taken(&mut self, namespace: &str, name: &str, spec: &EntraCredentialSpec) -> Vec<Finding> {
        let login = ("spec.login.secretName".to_owned(), &spec.login.secret_name);
        let tokens = spec.tokens.iter().enumerate();
        let tokens = tokens.map(|(n, token)| (format!("spec.tokens[{n}].secretName"), &token.secret_name));
        let mut found = Vec::new();
        for (path, secret) in [login].into_iter().chain(tokens) {
            let key = (namespace.to_owned(), secret.clone());
            if let Some(other) = self.0.insert(key, name.to_owned()).filter(|other| other != name) {
                let sentence =
                    format!("{secret} belongs to the EntraCredential {other}: each needs Secrets of its own");
                found.push(Finding::at(&path, sentence));
            }
        }
        found
    }
}

/// What a login Secret in a file is warned of.
pub(super) fn login_in_a_file(secret: &Object) -> Vec<Finding> {
    let mut found = vec![Finding::at(
        "",
        format!(
            "kubectl apply copies the password into an annotation, and a file keeps it: create it with kubectl create secret \
             generic {} --type={LOGIN_TYPE}",
            secret.name()
        ),
    )];
    let has = |key: &str| secret.holds("data", key) || secret.holds("stringData", key);
    let missing = ["username", "password"].into_iter().filter(|key| !has(key));
    found.extend(
        missing.map(|key| Finding::at(&format!("stringData.{key}"), "is missing: it is no login without")),
    );
    found
}

/// A Secret of these files that a credential names as its login, of another type.
pub(super) fn of_another_type(namespace: &str, login: &str, all: &[(String, &Object)]) -> Option<Finding> {
    let same = all
        .iter()
        .filter(|(place, object)| place == namespace && object.name() == login);
    let mut wrong = same.filter(|(_, object)| object.is() == Is::Secret);
    wrong.next().map(|(_, object)| {
        let kind = Some(object.secret_type())
            .filter(|kind| !kind.is_empty())
            .unwrap_or("Opaque");
        let sentence = format!(
            "the Secret {login} is of type {kind}, so it is never used: its type must be {LOGIN_TYPE}"
        );
        Finding::at("spec.login.secretName", sentence)
    })
}
