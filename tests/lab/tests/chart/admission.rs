//! Admission policies: bound to the pod's own account, closed when in doubt, and for the audiences that the operator uses.

use entra_lab::chart::helm::Helm;
use entra_lab::chart::sets::{RELEASE, chart};
use entra_operator::entra::{CLOUDS, audience};
use serde_json::{Value, json};

use crate::objects::{Objects, all, of_kind, pod, set};

fn policies(objects: &Objects) -> Vec<&Value> {
    of_kind(objects, "ValidatingAdmissionPolicy").collect()
}

fn policy<'a>(objects: &'a Objects, suffix: &str) -> &'a Value {
    let named = |policy: &&&Value| policy["metadata"]["name"].as_str().unwrap().ends_with(suffix);
    policies(objects).iter().find(named).unwrap()
}

/// All expressions of a policy.
fn expressions(policy: &Value) -> String {
    let lists = ["matchConditions", "variables", "validations"];
    let all = lists
        .iter()
        .flat_map(|list| policy["spec"][list].as_array().into_iter().flatten());
    all.map(|entry| entry["expression"].as_str().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn every_policy_is_bound_and_denies_when_it_cannot_tell() {
    let mut seen = 0;
    for (name, objects) in all() {
        for policy in policies(objects) {
            seen += 1;
            assert_eq!(policy["spec"]["failurePolicy"], "Fail", "{name}");
            let mut bindings = of_kind(objects, "ValidatingAdmissionPolicyBinding");
            let binding = bindings.find(|b| b["spec"]["policyName"] == policy["metadata"]["name"]);
            let actions = &binding.unwrap()["spec"]["validationActions"];
            let expected = if *name == "protected" {
                json!(["Deny", "Audit"])
            } else {
                json!(["Deny"])
            };
            assert_eq!(actions, &expected, "{name}");
            for validation in policy["spec"]["validations"].as_array().unwrap() {
                assert_eq!(validation["reason"], "Forbidden", "{name}");
                assert!(validation["message"].as_str().unwrap().len() > 20, "{name}");
            }
        }
    }
    assert!(seen > 20);
}

#[test]
fn they_are_about_the_account_of_the_pod() {
    for (name, objects) in all() {
        let account = pod(objects)["serviceAccountName"].as_str().unwrap();
        let user = format!("'system:serviceaccount:entra-operator:{account}'");
        for policy in policies(objects) {
            let condition = &policy["spec"]["matchConditions"][0]["expression"];
            assert!(
                condition.as_str().unwrap().ends_with(&user),
                "{name}: {condition}"
            );
        }
    }
}

#[test]
fn the_keys_are_those_of_the_configuration() {
    let keys = "request.namespace == 'entra-operator' && request.name == 'entra-operator-keys'";
    assert!(expressions(policy(set("defaults"), "-secrets")).contains(keys));
    assert!(!expressions(policy(set("key-file"), "-secrets")).contains("request.namespace"));
    assert!(expressions(policy(set("protected"), "-protection")).contains(keys));
}

#[test]
fn tokens_are_for_the_audiences_of_the_clouds_or_what_replaces_them() {
    let [built_in, replaced] =
        ["defaults", "protected"].map(|name| expressions(policy(set(name), "-tokens")));
    for (cloud, _) in CLOUDS {
        let quoted = format!("\"{}\"", audience(cloud));
        assert!(built_in.contains(&quoted), "{quoted}");
        assert_eq!(replaced.contains(&quoted), cloud.name() != "China", "{quoted}");
    }
    assert!(replaced.contains("\"api://another\"") && !built_in.contains("another"));
}

#[test]
fn the_secrets_are_protected_from_others_where_that_is_wished() {
    for (name, objects) in all() {
        let wished = *name == "protected";
        let found = policies(objects).len();
        let expected = match *name {
            "bring-your-own" => 0,
            _ if wished => 3,
            _ => 2,
        };
        assert_eq!(found, expected, "{name}");
    }
    let conditions = expressions(policy(set("protected"), "-protection"));
    for exempt in [
        "\"system:serviceaccount:backup:restore\"",
        "\"system:masters\",\"platform\"",
    ] {
        assert!(conditions.contains(exempt), "{exempt}");
    }
}

#[test]
fn protection_does_without_the_keys_where_they_are_no_secret() {
    let chart = chart().display().to_string();
    let settings = [
        "config.sealing.keySecret=null",
        "config.sealing.keyFile=/keys",
        "admissionPolicy.protectSecrets=true",
    ];
    let mut arguments = vec![
        "template",
        RELEASE,
        &chart,
        "--show-only",
        "templates/admission.yaml",
    ];
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    let rendered = Helm::V4.run(&arguments).unwrap();
    assert!(rendered.contains("-protection") && !rendered.contains("request.name == 'entra-operator-keys'"));
}
