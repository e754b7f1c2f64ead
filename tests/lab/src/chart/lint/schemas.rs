//! The schemas of Kubernetes, without a cluster. Guarantees: the packages are exactly those of the committed lock file, and
//! the schema is that of the version that was asked for.

use std::process::{Command, Stdio};

use super::{Error, Output, folder};
use crate::python;

/// The oldest and the newest that the chart is made for.
pub(super) const VERSIONS: [&str; 2] = ["1.33", "1.37"];

const NAME: &str = "kubernetes-validate";

/// Kinds of the Prometheus operator, which are no part of Kubernetes.
const FOREIGN: &str = "monitoring.coreos.com/v1";

/// Says how many objects fit, if all of them do.
pub(super) fn judge(outputs: &[Output], kubernetes: &str) -> Result<String, Error> {
    let lock = folder("python/kubernetes-validate/requirements.txt");
    let mut command = Command::new("python3");
    command
        .env("PYTHONPATH", python::packages(NAME, &lock)?)
        .args([
            "-m",
            "kubernetes_validate",
            "--strict",
            "--kubernetes-version",
            kubernetes,
        ])
        .args(outputs.iter().map(|output| &output.file))
        .stdin(Stdio::null());
    // It fails when it finds something: what it says then is the answer all the same.
    let answer = command.output().map_err(Error::io(format!("run {NAME}")))?;
    let said = String::from_utf8_lossy(&[answer.stdout, answer.stderr].concat()).into_owned();
    let [fit, foreign] = counts(&said, kubernetes)?;
    let objects: usize = outputs.iter().map(|output| output.objects).sum();
    if fit + foreign != objects {
        let missed = format!("looked at {fit} and {foreign} of {objects} objects:\n{said}");
        return Err(Error::Unclear(NAME, missed));
    }
    Ok(format!(
        "Kubernetes {kubernetes}: {fit} objects fit its schemas; {foreign} of {FOREIGN} have none"
    ))
}

/// How many objects fit, and how many are foreign. Without a schema of the version it takes an older one; that is no answer.
fn counts(said: &str, kubernetes: &str) -> Result<[usize; 2], Error> {
    let fits = format!("against version {kubernetes}");
    let unknown = format!("with api version {FOREIGN} for kubernetes version {kubernetes}");
    let (mut counts, mut wrong) = ([0, 0], Vec::new());
    for line in said.lines() {
        let [fit, foreign] = &mut counts;
        if line.starts_with("INFO ") && line.ends_with(&fits) {
            *fit += 1;
        } else if line.starts_with("WARN ") && line.ends_with(&unknown) {
            *foreign += 1;
        } else {
            wrong.push(line.to_owned());
        }
    }
    Error::found(&wrong)?;
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FITS: &str = "INFO a.yaml passed for resource pod/a against version 1.37\n";

    fn said(line: &str) -> Result<[usize; 2], Error> {
        counts(&format!("{FITS}{line}"), "1.37")
    }

    #[test]
    fn what_fits_and_what_is_foreign_is_counted() {
        let foreign = "WARN a.yaml Couldn't find schema for kind PodMonitor with api version monitoring.coreos.com/v1 for kubernetes version 1.37";
        assert_eq!(said(foreign).unwrap(), [1, 1]);
    }

    #[test]
    fn all_else_is_an_error() {
        let older = "INFO a.yaml passed for resource pod/b against version 1.36";
        let misspelt =
            "WARN a.yaml Couldn't find schema for kind Pods with api version v1 for kubernetes version 1.37";
        for line in [older, misspelt, "ERROR a.yaml did not validate", "Traceback"] {
            assert!(said(line).unwrap_err().to_string().ends_with(line));
        }
    }
}
