//! What was found, for people and for programs.

use serde::Serialize;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    check: &'static str,
    ok: bool,
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    remedy: String,
}

/// All that was found, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    ok: bool,
    version: &'static str,
    findings: Vec<Finding>,
}

impl Finding {
    pub(super) fn fine(check: &'static str, message: impl Into<String>) -> Self {
        Self {
            check,
            ok: true,
            message: message.into(),
            remedy: String::new(),
        }
    }

    pub(super) fn wrong(check: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            check,
            ok: false,
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    fn lines(&self, width: usize) -> String {
        let Self {
            check,
            ok,
            message,
            remedy,
        } = self;
        let verdict = if *ok { "ok    " } else { "FAILED" };
        let first = format!("{verdict}  {check:width$}  {message}\n");
        if remedy.is_empty() {
            return first;
        }
        format!("{first}        {:width$}  {remedy}\n", "")
    }

    #[cfg(test)]
    pub(super) const fn is_fine(&self) -> bool {
        self.ok
    }
}

impl Report {
    pub(super) fn of(findings: impl IntoIterator<Item = Finding>) -> Self {
        let mut report = Self {
            ok: true,
            version: env!("CARGO_PKG_VERSION"),
            findings: Vec::new(),
        };
        report.extend(findings);
        report
    }

    pub(super) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
        self.ok = self.findings.iter().all(|finding| finding.ok);
    }

    /// Whether nothing is missing.
    pub const fn is_fine(&self) -> bool {
        self.ok
    }

    /// One line for each finding, and what to do below it.
    pub fn table(&self) -> String {
        let width = self
            .findings
            .iter()
            .map(|f| f.check.len())
            .max()
            .unwrap_or_default();
        let lines = self.findings.iter().map(|finding| finding.lines(width));
        let failed = self.findings.iter().filter(|f| !f.ok).count();
        let end = match failed {
            0 => "Nothing is missing.\n".to_owned(),
            1 => "1 check failed.\n".to_owned(),
            more => format!("{more} checks failed.\n"),
        };
        lines.chain([end]).collect()
    }

    /// The same as JSON: `ok`, `version`, and `findings` with `check`, `ok`, `message` and, if there is one, `remedy`.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_programs_are_told_the_same() {
        let mut report = Report::of([Finding::fine("clock", "right")]);
        assert!(report.is_fine() && report.table().ends_with("Nothing is missing.\n"));
        report.extend([Finding::wrong("rights", "none", "Add one.")]);
        assert!(!report.is_fine());
        let expected =
            "ok      clock   right\nFAILED  rights  none\n                Add one.\n1 check failed.\n";
        assert_eq!(report.table(), expected);
        let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
        assert_eq!(json["ok"], false);
        assert_eq!(json["findings"][1]["remedy"], "Add one.");
        assert!(json["findings"][0]["remedy"].is_null());
    }
}
