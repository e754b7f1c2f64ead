//! `deploy/kube-score.yaml`: which findings are wanted so, and why.

use serde::Deserialize;

use super::Error;

const FILE: &str = "deploy/kube-score.yaml";
const TEXT: &str = include_str!("../../../../../deploy/kube-score.yaml");

/// A check of kube-score that an object of a set does not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) set: String,
    pub(super) object: String,
    pub(super) check: String,
    pub(super) summary: String,
}

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    /// Checks that are off by default.
    pub(super) optional: Vec<String>,
    exceptions: Vec<Exception>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Exception {
    check: String,
    reason: String,
    #[serde(default)]
    only_in: Vec<String>,
    #[serde(default)]
    not_in: Vec<String>,
}

pub(super) fn rules() -> Result<Rules, Error> {
    parse(TEXT)
}

fn parse(text: &str) -> Result<Rules, Error> {
    serde_saphyr::from_str(text).map_err(|error| Error::Unclear(FILE, error.to_string()))
}

impl Rules {
    /// What is wrong with the chart, and with the file.
    pub(super) fn complaints(&self, findings: &[Finding], sets: &[&str]) -> Vec<String> {
        let unexcused = |f: &&Finding| !self.exceptions.iter().any(|e| e.excuses(f));
        let of_chart = findings.iter().filter(unexcused).map(Finding::line);
        let of_file = self.exceptions.iter().filter_map(|e| e.complaint(findings, sets));
        of_chart.chain(of_file).collect()
    }
}

impl Exception {
    fn excuses(&self, finding: &Finding) -> bool {
        self.check == finding.check
            && !self.not_in.contains(&finding.set)
            && (self.only_in.is_empty() || self.only_in.contains(&finding.set))
    }

    fn complaint(&self, findings: &[Finding], sets: &[&str]) -> Option<String> {
        let mut named = self.only_in.iter().chain(&self.not_in);
        let unknown = named.find(|set| !sets.contains(&set.as_str()));
        let wrong = if self.reason.trim().is_empty() {
            "has no reason".to_owned()
        } else if let Some(set) = unknown {
            format!("names {set}, which is no set")
        } else if !findings.iter().any(|finding| self.excuses(finding)) {
            "is not needed any more".to_owned()
        } else {
            return None;
        };
        Some(format!("{FILE}: the exception from {} {wrong}", self.check))
    }
}

impl Finding {
    fn line(&self) -> String {
        let Self {
            set,
            object,
            check,
            summary,
        } = self;
        format!("{set}: {object}: {check}: {summary}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETS: [&str; 2] = ["defaults", "openshift"];

    fn complaints(exception: &str, found_in: &[&str]) -> Vec<String> {
        let file = format!("optional: []\nexceptions: [{{check: user, {exception}}}]");
        let finding = |set: &&str| Finding {
            set: (*set).to_owned(),
            object: "Pod/a".to_owned(),
            check: "user".to_owned(),
            summary: "none".to_owned(),
        };
        let findings: Vec<_> = found_in.iter().map(finding).collect();
        parse(&file).unwrap().complaints(&findings, &SETS)
    }

    #[test]
    fn an_exception_holds_where_it_says() {
        assert!(complaints("reason: a", &SETS).is_empty());
        let elsewhere = ["defaults: Pod/a: user: none"];
        assert_eq!(complaints("reason: a, onlyIn: [openshift]", &SETS), elsewhere);
        assert_eq!(complaints("reason: a, notIn: [defaults]", &SETS), elsewhere);
    }

    #[test]
    fn an_exception_has_a_reason_and_is_needed() {
        let one = |exception, found_in: &[&str]| complaints(exception, found_in).concat();
        assert!(one("reason: ''", &SETS).ends_with("user has no reason"));
        assert!(one("reason: a", &[]).ends_with("is not needed any more"));
        assert!(
            one("reason: a, onlyIn: [b, openshift]", &["openshift"]).ends_with("names b, which is no set")
        );
    }
}
