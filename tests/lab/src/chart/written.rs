//! The files that are written from the chart, and from what the chart takes from elsewhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::Error;
use super::helm::Helm;
use super::sets::{MANIFESTS, Rendered, SETS, Set};
use super::values;
use crate::stage::repository;

/// The lowest version that Chart.yaml admits.
pub const KUBERNETES: &str = "1.33.0";

const ORIGIN: &str = "# Written from deploy/chart by `cargo lab chart write`.\n";

const CONFIG_HEAD: &str = "\
# Configuration of the operator. Every key is shown with its default; leave out what you do not change.
# An unknown key stops the operator at its start, with a message that names the key.
";

/// What a file below the repository should hold, by its path.
pub type Files = BTreeMap<String, String>;

/// The template of the CustomResourceDefinition; what is rendered needs it first.
///
/// # Errors
/// `crds` cannot be read.
pub fn definition() -> Result<Files, Error> {
    let path = "crds/entracredentials.yaml";
    let io = |error| Error::File(path.to_owned(), error);
    let text = fs::read_to_string(repository().join(path)).map_err(io)?;
    let escaped = text.trim_end().replace("{{", "{{ \"{{\" }}");
    let (head, spec) = escaped
        .split_once("\nspec:\n")
        .ok_or_else(|| io(std::io::ErrorKind::InvalidData.into()))?;
    let template = format!(
        "{{{{- /* Written from {path} by `cargo lab chart write`. */}}}}
{{{{- if .Values.crds.enabled }}}}
{head}
  labels:
    {{{{- include \"entra-operator.labels\" . | nindent 4 }}}}
  {{{{- include \"entra-operator.crdAnnotations\" . }}}}
spec:
{spec}
{{{{- end }}}}
"
    );
    Ok(Files::from([(
        "deploy/chart/templates/crds.yaml".to_owned(),
        template,
    )]))
}

/// All that is rendered. Blocks.
///
/// # Errors
/// See [`Helm::run`].
pub fn rendered() -> Result<Files, Error> {
    let mut files = Files::new();
    for set in SETS {
        let objects = set.rendered(Helm::V4, KUBERNETES)?;
        if set.name == MANIFESTS {
            files.extend(manifests(&objects));
        } else {
            files.insert(path_of(set), golden(&objects));
        }
    }
    Ok(files)
}

/// Where the objects of a set are kept.
pub fn path_of(set: &Set) -> String {
    format!("deploy/chart/tests/{}/rendered.yaml", set.name)
}

/// All objects in one text, the definition without its schema.
pub fn golden(objects: &[Rendered]) -> String {
    let text = |object: &Rendered| {
        let short = object.text.split("\nspec:\n  group:").next();
        format!("---\n# {}\n{}\n", object.template, short.unwrap_or_default())
    };
    objects.iter().map(text).collect()
}

/// A file for each template.
fn manifests(objects: &[Rendered]) -> Files {
    let mut files = Files::new();
    for object in objects {
        let file = files.entry(format!("deploy/manifests/{}", object.template));
        let before: &mut String = file.or_default();
        let divider = if before.is_empty() { ORIGIN } else { "---\n" };
        *before = format!("{before}{divider}{}\n", object.text);
    }
    let config = format!("{CONFIG_HEAD}\n{}\n", values::config());
    files.insert("deploy/manifests/config.yaml".to_owned(), config);
    files
}

/// Writes those that are stale and gives their paths.
///
/// # Errors
/// A file cannot be written.
pub fn write(files: &Files) -> Result<Vec<&str>, Error> {
    let mut stale = Vec::new();
    for (path, text) in files {
        let file = repository().join(path);
        if !is_current(&file, text) {
            fs::write(&file, text).map_err(|error| Error::File(path.clone(), error))?;
            stale.push(path.as_str());
        }
    }
    Ok(stale)
}

fn is_current(file: &Path, text: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|stored| stored == *text)
}
