//! Objects as one version stored them, and beside them what is known of them: for the test that reads them ever after.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::Error;
use super::cast::{Content, NAMESPACE, Role, Stands};
use super::judge::Evidence;
use super::scene::Scene;
use crate::stage::OPERATOR;

/// What one version stored.
#[derive(Debug)]
pub(super) struct Form {
    name: String,
    objects: String,
    roles: Vec<Role>,
}

impl Form {
    /// Reads all objects.
    pub(super) fn take(scene: &Scene, name: &str, roles: &[Role]) -> Result<Self, Error> {
        let stage = &scene.stage;
        let kinds = "secrets,entracredentials.entra-operator.dev";
        let ours = stage.kubectl(&["-n", NAMESPACE, "get", kinds, "-o", "yaml"], None)?;
        let key = [
            "-n",
            OPERATOR,
            "get",
            "secret",
            "entra-operator-keys",
            "-o",
            "yaml",
        ];
        let keys = stage.kubectl(&key, None)?;
        Ok(Self {
            name: name.to_owned(),
            objects: format!("{ours}---\n{keys}"),
            roles: roles.to_vec(),
        })
    }
}

/// Writes the objects and what is known of them: the cast is, and what the next version redeemed was stored.
pub(super) fn write(directory: Option<&Path>, form: Form, next: &Evidence) -> Result<(), Error> {
    let Some(directory) = directory else {
        return Ok(());
    };
    let known: Vec<_> = form.roles.iter().map(|role| known(role, next)).collect();
    let known = serde_json::to_string_pretty(&known).unwrap_or_default() + "\n";
    for (extension, text) in [("yaml", form.objects), ("json", known)] {
        let file = directory.join(format!("{}.{extension}", form.name));
        fs::write(&file, text).map_err(Error::io(format!("write {}", file.display())))?;
    }
    Ok(())
}

fn known(role: &Role, next: &Evidence) -> Value {
    let contents = role.contents();
    let last = contents.len().saturating_sub(1);
    let contents: Vec<_> = contents
        .iter()
        .enumerate()
        .map(|(n, content)| judged(content, if n == last { verdict(role.stands) } else { "Wrong" }))
        .collect();
    json!({
        "name": role.name,
        "inFlight": role.stands == Stands::InFlight,
        "dead": role.stands == Stands::Dead,
        "signedIn": matches!(role.stands, Stands::Accepted | Stands::Dead | Stands::Suspended),
        "contents": contents,
        "redeemedNext": next.redeemed(role),
    })
}

fn judged(content: &Content, verdict: &str) -> Value {
    json!({"username": content.user, "password": content.password, "verdict": verdict})
}

const fn verdict(stands: Stands) -> &'static str {
    match stands {
        Stands::Accepted | Stands::Dead | Stands::Suspended => "Accepted",
        Stands::Condemned => "Wrong",
        Stands::Kept => "Kept",
        Stands::Unknown | Stands::Waiting | Stands::InFlight | Stands::Awaiting => "Open",
    }
}
