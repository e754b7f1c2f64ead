//! Sets of values that the chart is rendered with, one directory each below `deploy/chart/tests`.
//!
//! Guarantee: what a set gives is the same text with every Helm.

use std::path::PathBuf;

use super::helm::{Error, Helm};
use crate::stage::repository;

/// Name and namespace of the release.
pub const RELEASE: &str = "entra-operator";

/// The set that `deploy/manifests` is rendered with.
pub const MANIFESTS: &str = "manifests";

/// A set of values.
#[derive(Debug, Clone, Copy)]
pub struct Set {
    /// Name of its directory.
    pub name: &'static str,
    /// API groups that the cluster has beside those of Kubernetes.
    apis: &'static [&'static str],
}

/// Every set.
pub const SETS: &[Set] = &[
    Set::new(MANIFESTS),
    Set::new("defaults"),
    Set::new("namespaces"),
    Set::new("two-replicas"),
    Set {
        name: "openshift",
        apis: &["security.openshift.io/v1"],
    },
    Set::new("digest"),
    Set::new("dual-stack"),
    Set::new("egress"),
    Set {
        name: "monitoring",
        apis: &["monitoring.coreos.com/v1"],
    },
    Set::new("key-file"),
    Set::new("protected"),
    Set::new("bring-your-own"),
    Set::new("everything"),
];

/// An object as it was rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// File name of its template.
    pub template: String,
    /// YAML, without an empty line around it.
    pub text: String,
}

/// The chart.
pub fn chart() -> PathBuf {
    repository().join("deploy/chart")
}

impl Set {
    const fn new(name: &'static str) -> Self {
        Self { name, apis: &[] }
    }

    /// Its file.
    pub fn values(&self) -> PathBuf {
        chart().join("tests").join(self.name).join("values.yaml")
    }

    /// What `helm` renders for a version of Kubernetes. Blocks.
    ///
    /// # Errors
    /// See [`Helm::run`].
    pub fn rendered(&self, helm: Helm, kubernetes: &str) -> Result<Vec<Rendered>, Error> {
        let [chart, values] = [chart(), self.values()].map(|path| path.display().to_string());
        let mut arguments = vec!["template", RELEASE, &chart, "--namespace", RELEASE];
        arguments.extend(["--values", &values, "--kube-version", kubernetes]);
        for api in self.apis {
            arguments.extend(["--api-versions", api]);
        }
        Ok(objects(&helm.run(&arguments)?))
    }
}

/// Helm puts the name of the template before each object.
fn objects(output: &str) -> Vec<Rendered> {
    let object = |piece: &str| {
        let (source, text) = piece.split_once('\n')?;
        let template = source.rsplit('/').next()?.to_owned();
        let text = text.trim().to_owned();
        Some(Rendered { template, text })
    };
    output
        .split("---\n# Source: ")
        .skip(1)
        .filter_map(object)
        .collect()
}
