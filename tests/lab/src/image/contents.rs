//! What is in an image: its configuration, and its files as they come out of a registry.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use super::{Error, LARGEST, workshop::Workshop};
use crate::tool;

/// All files that may be in it.
const FILES: [&str; 4] = [
    "LICENSE",
    "THIRD-PARTY",
    "entra-operator",
    "etc/ssl/certs/ca-certificates.crt",
];

/// Labels that registries and scanners read, each not empty.
const LABELS: [&str; 6] = [
    "title",
    "description",
    "licenses",
    "version",
    "revision",
    "created",
];

/// An image.
#[derive(Debug)]
pub(super) struct Contents {
    inspected: Inspected,
    /// Bytes of the archive that a registry would hand out: layers are compressed there, here they are not.
    bytes: u64,
    /// Path and mode of each file.
    files: Vec<(String, String)>,
}

#[derive(Debug, Deserialize)]
struct Inspected {
    #[serde(rename = "FromImageDigest")]
    digest: String,
    #[serde(rename = "OCIv1")]
    image: Image,
}

#[derive(Debug, Deserialize)]
struct Image {
    config: Config,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    #[serde(default)]
    user: String,
    #[serde(default)]
    labels: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    entrypoint: Vec<String>,
    #[serde(default)]
    stop_signal: String,
    #[serde(default)]
    exposed_ports: std::collections::BTreeMap<String, Value>,
}

impl Contents {
    pub(super) fn of(workshop: &Workshop, tag: &str) -> Result<Self, Error> {
        let text = tool::run(workshop.buildah().args(["inspect", "--type", "image", tag]))?;
        let inspected = serde_json::from_str(&text).map_err(|error| Error::Json("buildah inspect", error))?;
        let directory = tempfile::tempdir().map_err(Error::io("create a directory"))?;
        let archive = directory.path().join("image.tar");
        workshop.export(tag, &archive)?;
        let bytes = archive.metadata().map_err(Error::io("measure the image"))?.len();
        Ok(Self {
            inspected,
            bytes,
            files: files(&archive, directory.path())?,
        })
    }

    pub(super) fn digest(&self) -> &str {
        &self.inspected.digest
    }

    fn config(&self) -> &Config {
        &self.inspected.image.config
    }

    fn label(&self, name: &str) -> &str {
        let label = self
            .config()
            .labels
            .get(&format!("org.opencontainers.image.{name}"));
        label.map_or("", String::as_str)
    }

    pub(super) fn table(&self, revision: &str) -> String {
        let config = self.config();
        let files = self.files.iter().map(|(path, mode)| format!("{mode} /{path}"));
        let ports = config
            .exposed_ports
            .keys()
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        [
            format!("digest        {}", self.digest()),
            format!("size          {} bytes", self.bytes),
            format!("revision      {revision}"),
            format!("user          {}", config.user),
            format!("entry point   {}", config.entrypoint.join(" ")),
            format!("stop signal   {}", config.stop_signal),
            format!("ports         {ports}"),
            format!(
                "labels        {}",
                LABELS
                    .map(|name| format!("{name}={}", self.label(name)))
                    .join(", ")
            ),
            format!("files         {}", files.collect::<Vec<_>>().join(", ")),
        ]
        .join("\n")
    }

    /// What does not hold.
    pub(super) fn broken(&self) -> Vec<String> {
        let config = self.config();
        let unnamed = LABELS.into_iter().filter(|name| self.label(name).is_empty());
        let mut broken: Vec<_> = unnamed
            .map(|name| format!("the label {name} says something"))
            .collect();
        let found: Vec<_> = self.files.iter().map(|(path, _)| path.as_str()).collect();
        let writable = self.files.iter().any(|(_, mode)| mode.contains('w'));
        let checks = [
            (
                self.bytes <= LARGEST,
                format!("at most {LARGEST} bytes, and not {}", self.bytes),
            ),
            (
                config.user == "65532:65532",
                "it runs as nobody in particular".to_owned(),
            ),
            (
                config.entrypoint == ["/entra-operator"],
                "the entry point is the operator".to_owned(),
            ),
            (
                config.stop_signal == "SIGTERM",
                "it is told to end by SIGTERM".to_owned(),
            ),
            (
                found == FILES,
                format!("nothing is in it but {FILES:?}: no shell, no library"),
            ),
            (!writable, "no file can be written".to_owned()),
        ];
        broken.extend(
            checks
                .into_iter()
                .filter(|(holds, _)| !holds)
                .map(|(_, what)| what),
        );
        broken
    }
}

impl Workshop {
    /// Writes an image as one file that container runtimes read.
    ///
    /// # Errors
    /// buildah fails.
    pub fn export(&self, tag: &str, archive: &Path) -> Result<(), Error> {
        let target = format!("docker-archive:{}:{tag}", archive.display());
        let mut push = self.buildah();
        push.args(["push", "--quiet", "--signature-policy"])
            .arg(self.path("policy.json"))
            .args([tag, &target]);
        Ok(tool::run(&mut push).map(drop)?)
    }
}

/// Files of all layers, sorted.
fn files(archive: &Path, directory: &Path) -> Result<Vec<(String, String)>, Error> {
    tool::run(
        Command::new("tar")
            .arg("-xf")
            .arg(archive)
            .arg("-C")
            .arg(directory),
    )?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(Error::io("read the image"))? {
        let path = entry.map_err(Error::io("read the image"))?.path();
        let is_layer = path != archive && path.extension().is_some_and(|extension| extension == "tar");
        if is_layer {
            let list = tool::run(Command::new("tar").arg("-tvf").arg(&path))?;
            files.extend(list.lines().filter_map(file));
        }
    }
    files.sort();
    Ok(files)
}

/// A line such as `-r-xr-xr-x 0/0 11500000 1970-01-01 00:00 entra-operator`; not that of a directory.
fn file(line: &str) -> Option<(String, String)> {
    let mut words = line.split_whitespace();
    let mode = words.next()?.to_owned();
    let path = words.nth(4)?.trim_start_matches("./").to_owned();
    (!mode.starts_with('d')).then_some((path, mode))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Contents, FILES, LABELS, file};

    fn image(change: impl FnOnce(&mut Value), more: &[(&str, &str)]) -> Vec<String> {
        let labels = LABELS.map(|name| (format!("org.opencontainers.image.{name}"), json!("said")));
        let labels: serde_json::Map<_, _> = labels.into_iter().collect();
        let mut config = json!({
            "User": "65532:65532", "Entrypoint": ["/entra-operator"], "StopSignal": "SIGTERM", "Labels": labels,
        });
        change(&mut config);
        let inspected = json!({"FromImageDigest": "sha256:0", "OCIv1": {"config": config}});
        let files = FILES.map(|path| (path, "-r--r--r--"));
        let mut files: Vec<_> = files
            .iter()
            .chain(more)
            .map(|(path, mode)| ((*path).into(), (*mode).into()))
            .collect();
        files.sort();
        let contents = Contents {
            inspected: serde_json::from_value(inspected).expect("as buildah has it"),
            bytes: 13_000_000,
            files,
        };
        contents.broken()
    }

    #[test]
    fn what_does_not_belong_into_the_image_is_told() {
        assert_eq!(image(|_| (), &[]), Vec::<String>::new());
        assert_eq!(image(|_| (), &[("bin/sh", "-r-xr-xr-x")]).len(), 1);
        assert_eq!(image(|_| (), &[("tmp/x", "-rw-r--r--")]).len(), 2);
        assert_eq!(image(|config| config["User"] = json!(""), &[]).len(), 1);
        assert_eq!(
            image(|config| config["Labels"] = json!({}), &[]).len(),
            LABELS.len()
        );
    }

    #[test]
    fn a_listing_gives_files_and_not_directories() {
        let line = "-r-xr-xr-x 0/0 11500000 1970-01-01 00:00 entra-operator";
        assert_eq!(
            file(line),
            Some(("entra-operator".to_owned(), "-r-xr-xr-x".to_owned()))
        );
        assert_eq!(file("drwxr-xr-x 0/0 0 1970-01-01 00:00 etc/"), None);
    }
}
