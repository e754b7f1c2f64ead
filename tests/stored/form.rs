//! What one version stored, and what is known of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use entra_operator::api::{EntraCredential, refresh_token_secret};
use entra_operator::cluster::SeenSecret;
use entra_operator::plan::Time;
use entra_operator::plan::snapshot::Binding;
use entra_operator::reconcile::annotations;
use entra_operator::reconcile::material::SecretData;
use entra_operator::reconcile::ports::{Key, SecretMeta};
use entra_operator::secrets::{KeySet, Keyring};
use kube::ResourceExt as _;
use serde::Deserialize;
use serde_json::Value;

/// Objects of one version.
pub(crate) struct Form {
    /// The version's name, and the files'.
    pub(crate) name: String,
    pub(crate) keys: KeySet,
    pub(crate) known: Vec<Known>,
    objects: Vec<Value>,
}

/// What is known of a credential.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Known {
    pub(crate) name: String,
    /// A refresh token is stored.
    pub(crate) signed_in: bool,
    /// It is dead.
    pub(crate) dead: bool,
    /// A send is recorded, and its outcome is not.
    pub(crate) in_flight: bool,
    /// What was typed, oldest first.
    pub(crate) contents: Vec<Typed>,
    /// Digest of the refresh token that the next version redeemed.
    pub(crate) redeemed_next: Option<String>,
}

/// What somebody typed, and what came of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Typed {
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) verdict: String,
}

/// A Secret, as the operator takes it in.
pub(crate) struct Stored {
    pub(crate) key: Key,
    pub(crate) kind: String,
    pub(crate) meta: SecretMeta,
    pub(crate) data: SecretData,
    pub(crate) metadata: kube::core::ObjectMeta,
}

/// All that are kept.
pub(crate) fn forms() -> Vec<Form> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stored");
    let files = std::fs::read_dir(directory)
        .unwrap()
        .map(|file| file.unwrap().path());
    let forms = files.filter(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    forms.map(|file| Form::read(&file)).collect()
}

impl Form {
    fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap();
        let documents = text.split("\n---\n").map(|document| {
            let value: Value = serde_saphyr::from_str(document).unwrap();
            value
        });
        let objects = documents.flat_map(|document| match document.get("items") {
            Some(items) => items.as_array().unwrap().clone(),
            None => vec![document],
        });
        let objects: Vec<_> = objects.collect();
        let keys = objects
            .iter()
            .find(|object| object["metadata"]["name"] == "entra-operator-keys");
        let known = std::fs::read_to_string(file.with_extension("json")).unwrap();
        Self {
            name: file.file_stem().unwrap().to_string_lossy().into_owned(),
            keys: KeySet::from_data(&data(keys.unwrap())).unwrap(),
            known: serde_json::from_str(&known).unwrap(),
            objects,
        }
    }

    /// The vault of a process that has the stored keys.
    pub(crate) fn vault(&self) -> Keyring {
        Keyring::new(
            self.keys.duplicate(),
            Time(2_000_000_000),
            Arc::new(|| Duration::ZERO),
        )
    }

    pub(crate) fn credential(&self, name: &str) -> EntraCredential {
        let found = self
            .objects
            .iter()
            .find(|object| object["kind"] == "EntraCredential" && object["metadata"]["name"] == name);
        serde_json::from_value(found.unwrap().clone()).unwrap()
    }

    pub(crate) fn secrets(&self) -> impl Iterator<Item = Stored> + use<'_> {
        let secrets = self.objects.iter().filter(|object| object["kind"] == "Secret");
        secrets.map(Stored::new)
    }

    pub(crate) fn secret(&self, name: &str) -> Option<Stored> {
        self.secrets().find(|secret| *secret.key.name == *name)
    }

    /// Its refresh-token Secret.
    pub(crate) fn session(&self, credential: &str) -> Stored {
        let found = self.secret(&refresh_token_secret(credential));
        found.unwrap_or_else(|| panic!("{}: no session of {credential}", self.name))
    }

    /// Where its refresh token belongs: that of a credential for the same client that signed in.
    pub(crate) fn binding(&self, credential: &str) -> Binding {
        let place = |name: &str| {
            let spec = self.credential(name).spec;
            (spec.authority, spec.client_id)
        };
        let alike = self
            .known
            .iter()
            .filter(|known| known.signed_in && place(&known.name) == place(credential));
        let mut bindings = alike.filter_map(|known| annotations::binding(&self.session(&known.name).meta));
        bindings.next().unwrap()
    }
}

impl Stored {
    fn new(secret: &Value) -> Self {
        let seen: SeenSecret = serde_json::from_value(secret.clone()).unwrap();
        let (key, meta) = seen.into_parts();
        Self {
            key,
            kind: secret["type"].as_str().unwrap_or_default().to_owned(),
            meta,
            data: data(secret),
            metadata: serde_json::from_value(secret["metadata"].clone()).unwrap(),
        }
    }

    pub(crate) fn annotation(&self, name: &str) -> Option<&str> {
        self.metadata.annotations.as_ref()?.get(name).map(String::as_str)
    }
}

fn data(secret: &Value) -> SecretData {
    let mut data = SecretData::default();
    for (key, value) in secret["data"].as_object().into_iter().flatten() {
        data.insert(key, BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap());
    }
    data
}

/// Every credential that is known, with its form.
pub(crate) fn each(mut look: impl FnMut(&Form, &Known, &EntraCredential)) {
    for form in forms() {
        assert!(!form.known.is_empty());
        for known in &form.known {
            let credential = form.credential(&known.name);
            assert_eq!(credential.name_any(), known.name);
            look(&form, known, &credential);
        }
    }
}
