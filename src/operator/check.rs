//! `entra-operator check`: validates and explains credentials offline.
//!
//! # Guarantees
//!
//! - It reads what it is given and nothing else: no cluster, no identity provider.
//! - An object is judged by the schema that is installed, its rules included, by the decoder of the operator, and, with a
//!   configuration, by the code that decides about every call.
//! - Nothing of a Secret's values is printed.

mod configured;
mod explain;
mod finding;
mod judge;
mod neighbours;
mod objects;
mod print;
mod report;
mod rules;
mod schema;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::process::ExitCode;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

use self::configured::{Configured, Unconfigured};
use self::explain::Explained;
use self::finding::Finding;
use self::neighbours::Claims;
use self::objects::{Is, Object};
use self::report::{FileReport, ObjectReport, Report};
use self::schema::Schema;
use super::cli::{CheckArgs, Output};
use crate::api::EntraCredentialSpec;
use crate::cluster::SeenCredential;
use crate::plan::policy::Place;

/// Something is wrong in a file.
const WRONG: u8 = 1;

/// The name of the standard input.
const STDIN: &str = "-";

/// Why nothing could be checked: exit code 2, as for a wrong command line.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] Unconfigured),
    /// A file cannot be read.
    #[error("{file} cannot be read")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The report cannot be written.
    #[error("the report cannot be written")]
    Unwritable(#[source] std::io::Error),
}

/// Checks the files and prints what was found: 0 if nothing is wrong, 1 if something is.
pub fn check(args: &CheckArgs, input: impl Read, output: &mut impl Write) -> Result<ExitCode, CheckError> {
    let configured = Configured::new(args.config.as_deref())?;
    let texts = texts(&args.files, input)?;
    let report = Checker::new(&configured, &args.namespace).report(texts);
    let written = match args.output {
        Output::Text => output.write_all(print::text(&report).as_bytes()),
        Output::Json => serde_json::to_writer_pretty(&mut *output, &report)
            .map_err(Into::into)
            .and_then(|()| output.write_all(b"\n")),
    };
    written.map_err(CheckError::Unwritable)?;
    Ok(if report.fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(WRONG)
    })
}

/// Every file with its text, before anything is said.
fn texts(files: &[String], mut input: impl Read) -> Result<Vec<(String, String)>, CheckError> {
    let mut read = |file: &String| {
        let mut text = String::new();
        let done = if file == STDIN {
            input.read_to_string(&mut text).map(|_| ())
        } else {
            std::fs::read_to_string(file).map(|read| text = read)
        };
        done.map_err(|source| CheckError::Unreadable {
            file: file.clone(),
            source,
        })?;
        Ok((file.clone(), text))
    };
    files.iter().map(&mut read).collect()
}

struct Checker<'c> {
    configured: &'c Configured,
    /// Of objects that name none.
    namespace: &'c str,
    schema: Schema,
    claims: Claims,
}

impl<'c> Checker<'c> {
    fn new(configured: &'c Configured, namespace: &'c str) -> Self {
        Self {
            configured,
            namespace,
            schema: Schema::new(),
            claims: Claims::default(),
        }
    }

    fn report(mut self, texts: Vec<(String, String)>) -> Report {
        let read: Vec<_> = texts
            .into_iter()
            .map(|(file, text)| (file, objects::read(&text)))
            .collect();
        let all = read.iter().flat_map(|(_, objects)| objects.iter().flatten());
        let all: Vec<_> = all.map(|object| (self.place_of(object), object)).collect();
        let files = read
            .iter()
            .map(|(file, objects)| self.file(file, objects, &all))
            .collect();
        Report::new(files)
    }

    fn place_of(&self, object: &Object) -> String {
        object.namespace().unwrap_or(self.namespace).to_owned()
    }

    fn file(
        &mut self,
        file: &str,
        objects: &Result<Vec<Object>, Finding>,
        all: &[(String, &Object)],
    ) -> FileReport {
        let (objects, problems) = match objects {
            Ok(objects) => (
                objects.iter().map(|object| self.object(object, all)).collect(),
                Vec::new(),
            ),
            Err(problem) => (Vec::new(), vec![problem.clone()]),
        };
        FileReport {
            file: file.to_owned(),
            problems,
            objects,
        }
    }

    fn object(&mut self, object: &Object, all: &[(String, &Object)]) -> ObjectReport {
        let is = object.is();
        let mut report = ObjectReport {
            document: object.document,
            kind: object.kind().to_owned(),
            namespace: self.place_of(object),
            name: object.name().to_owned(),
            checked: matches!(is, Is::Credential | Is::Login),
            problems: Vec::new(),
            warnings: Vec::new(),
            explained: None,
        };
        match is {
            Is::Credential => match self.credential(object, &report.namespace, all, &mut report.warnings) {
                Ok(explained) => report.explained = explained,
                Err(problems) => report.problems = problems,
            },
            Is::Login => report.warnings = neighbours::login_in_a_file(object),
            Is::Secret | Is::Other => {}
        }
        report
    }

    fn credential(
        &mut self,
        object: &Object,
        namespace: &str,
        all: &[(String, &Object)],
        warnings: &mut Vec<Finding>,
    ) -> Result<Option<Explained>, Vec<Finding>> {
        let mut problems = object.identity_problems();
        let told: BTreeSet<_> = problems.iter().map(|known| known.path.clone()).collect();
        let shape = self.schema.misshapen(&object.value).into_iter();
        problems.extend(shape.filter(|problem| !told.contains(&problem.path)));
        if problems.is_empty() {
            problems = self.schema.broken_rules(&object.as_created());
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let spec = decoded(object).map_err(|problem| vec![problem])?;
        let mut problems = self.claims.taken(namespace, object.name(), &spec);
        problems.extend(neighbours::of_another_type(
            namespace,
            &spec.login.secret_name,
            all,
        ));
        let place = Place {
            namespace,
            authority: spec.authority.as_deref(),
        };
        let explained = judge::credential(&spec, place, self.configured, warnings);
        match explained {
            Ok(explained) if problems.is_empty() => Ok(explained),
            Ok(_) => Err(problems),
            Err(more) => Err(problems.into_iter().chain(more).collect()),
        }
    }
}

/// As the operator takes it in.
fn decoded(object: &Object) -> Result<EntraCredentialSpec, Finding> {
    let metadata = object.value.get("metadata").unwrap_or(&Value::Null);
    let told = "is not as Kubernetes takes it: the values of labels and annotations must be texts, say";
    ObjectMeta::deserialize(metadata).map_err(|_| Finding::at("metadata", told))?;
    let no_object = |_| Finding::at("", "is no object of Kubernetes");
    let seen = SeenCredential::deserialize(&object.value).map_err(no_object)?;
    let cannot_be_read = |problem| Finding::at("", format!("cannot be read by the operator: {problem}"));
    seen.into_credential()
        .map(|credential| credential.spec)
        .map_err(cannot_be_read)
}
