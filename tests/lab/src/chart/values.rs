//! `values.yaml`: its comments are the documentation of the chart.

const VALUES: &str = include_str!("../../../../deploy/chart/values.yaml");

/// A value, or a group of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Path with dots.
    pub path: String,
    /// As it is written; `None` for a group.
    pub default: Option<String>,
    /// First paragraph of its comment.
    pub text: String,
}

/// All values, in the order of the file.
pub fn values() -> Vec<Value> {
    let (mut path, mut comment) = (Vec::new(), Vec::new());
    let mut found = Vec::new();
    for line in VALUES.lines() {
        let content = line.trim_start();
        if let Some(text) = content.strip_prefix('#') {
            comment.push(text.trim());
        } else if let Some((key, default)) = content.split_once(':') {
            path.truncate((line.len() - content.len()) / 2);
            path.push(key);
            found.push(Value {
                path: path.join("."),
                default: Some(default.trim().to_owned()).filter(|default| !default.is_empty()),
                text: first_paragraph(&comment),
            });
            comment.clear();
        } else {
            comment.clear();
        }
    }
    found
}

fn first_paragraph(comment: &[&str]) -> String {
    let lines = comment.iter().copied().take_while(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

/// A table in Markdown of what has a default or a comment.
pub fn table() -> String {
    let told = values()
        .into_iter()
        .filter(|value| value.default.is_some() || !value.text.is_empty());
    let row = |value: Value| {
        let default = value.default.map(|default| format!("`{default}`"));
        [
            format!("`{}`", value.path),
            default.unwrap_or_default(),
            value.text.replace('|', "\\|"),
        ]
    };
    crate::docs::markdown(["Value", "Default", "Meaning"], told.map(row))
}

/// The lines below `config:`, as a file of their own.
pub fn config() -> String {
    let lines = VALUES.lines().skip_while(|line| *line != "config:").skip(1);
    let inside = lines.take_while(|line| line.is_empty() || line.starts_with("  "));
    let outdented = inside.map(|line| line.strip_prefix("  ").unwrap_or(line));
    let text = outdented.collect::<Vec<_>>().join("\n");
    text.trim_end().to_owned()
}
