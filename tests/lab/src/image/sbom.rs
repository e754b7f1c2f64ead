//! The crates that are compiled into the program, as CycloneDX 1.5 in JSON. Guarantee: the same lock file gives the same
//! text, so it has neither a time nor a serial number.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::Error;
use crate::stage::repository;
use crate::tool;

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Writes it and says how many crates it has.
pub(super) fn write(path: &Path) -> Result<usize, Error> {
    let mut tree = Command::new("cargo");
    tree.args([
        "tree",
        "--locked",
        "--offline",
        "--package",
        "entra-operator",
        "--edges",
        "normal",
    ])
    .args(["--target", TARGET, "--prefix", "none", "--format", "{p}\t{l}"])
    .current_dir(repository());
    let components = components(&tool::run(&mut tree)?);
    let bom = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {
            "type": "application", "name": "entra-operator", "version": env!("CARGO_PKG_VERSION"),
        }},
        "components": components,
    });
    std::fs::write(path, format!("{bom:#}\n")).map_err(Error::io(format!("write {}", path.display())))?;
    Ok(components.len())
}

/// From lines such as `name v1.2.3 (a note)<tab>licence`, each crate once.
fn components(tree: &str) -> Vec<Value> {
    let mut lines: Vec<_> = tree.lines().filter_map(named).collect();
    lines.sort_unstable();
    lines.dedup();
    let component = |(name, version, licence): (&str, &str, &str)| {
        json!({
            "type": "library", "name": name, "version": version,
            "purl": format!("pkg:cargo/{name}@{version}"),
            "licenses": [{"expression": licence}],
        })
    };
    lines.into_iter().map(component).collect()
}

/// Crates of this repository are the application itself.
fn named(line: &str) -> Option<(&str, &str, &str)> {
    let (package, licence) = line.split_once('\t')?;
    let mut words = package.split_whitespace();
    let (name, version) = (words.next()?, words.next()?);
    let own = words.any(|word| word.starts_with("(/"));
    let licence = licence.trim_end_matches(" (*)");
    (!own).then_some((name, version.trim_start_matches('v'), licence))
}

#[cfg(test)]
mod tests {
    use super::components;

    #[test]
    fn each_crate_is_listed_once_and_the_operator_is_not() {
        let tree = "entra-operator v0.1.0 (/src)\tApache-2.0\nb v2.0.0\tMIT\na v1.0.0 (proc-macro)\tMIT OR Apache-2.0\nb v2.0.0\tMIT (*)\n";
        let found = components(tree);
        let names: Vec<_> = found
            .iter()
            .map(|c| c["purl"].as_str().unwrap_or_default())
            .collect();
        assert_eq!(names, ["pkg:cargo/a@1.0.0", "pkg:cargo/b@2.0.0"]);
    }
}
