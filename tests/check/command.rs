//! The command itself: exit codes, several files, the standard input, both forms of output.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::root;

/// Runs `entra-operator check` with these arguments and this input.
fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_entra-operator"))
        .arg("check")
        .args(arguments)
        .current_dir(root())
        .env_remove("ENTRA_OPERATOR_CONFIG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have ended before it read anything.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_exit_code_says_whether_something_is_wrong() {
    let fine = "deploy/examples/entracredential.yaml";
    let wrong = "tests/check/wrong/tenant-common.yaml";
    for (arguments, code) in [
        (&[fine][..], 0),
        (&["deploy/examples/pod.yaml"], 0),
        (&[wrong], 1),
        (&[fine, wrong], 1),
        (&["tests/check/wrong/not-yaml.yaml"], 1),
        (&[], 2),
        (&["--outptu", "json", fine], 2),
        (&["nowhere.yaml"], 2),
        (&["--config", "nowhere.yaml", fine], 2),
        (&["--config", wrong, fine], 2),
    ] {
        let output = run(arguments, "");
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
        assert_eq!(output.stderr.is_empty(), code < 2, "{arguments:?}");
    }
    let unreadable = text(&run(&["nowhere.yaml"], "").stderr);
    assert!(
        unreadable.starts_with("error: nowhere.yaml cannot be read: "),
        "{unreadable}"
    );
}

#[test]
fn the_standard_input_is_a_file_like_others() {
    let credential = std::fs::read_to_string(root().join("deploy/examples/entracredential.yaml")).unwrap();
    let output = run(&["-o", "json", "deploy/examples/pod.yaml", "-"], &credential);
    assert_eq!(output.status.code(), Some(0));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["fine"], &report["files"][1]["file"]),
        (&true.into(), &"-".into())
    );
    assert_eq!(report["files"][0]["objects"][0]["checked"], false);
    let object = &report["files"][1]["objects"][0];
    assert_eq!(
        (&object["name"], &object["namespace"]),
        (&"reporting".into(), &"etl".into())
    );
    assert_eq!(
        object["explained"]["tokens"][0]["resource"],
        "https://graph.microsoft.com"
    );
}

#[test]
fn objects_without_a_namespace_are_in_the_one_of_the_command_line() {
    let credential = std::fs::read_to_string(root().join("deploy/examples/entracredential.yaml")).unwrap();
    let output = run(
        &["--namespace", "web", "-"],
        &credential.replace("  namespace: etl\n", ""),
    );
    let told = text(&output.stdout);
    assert!(
        told.contains("-#1: EntraCredential web/reporting is fine"),
        "{told}"
    );
}
