//! What Argo CD shows of a credential: `deploy/argocd/health.lua` in a real Lua, over what the operator reports.

use std::fs;

use entra_lab::stage::repository;
use entra_operator::api::{EntraCredentialStatus, Reason};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use mlua::{Lua, LuaOptions, StdLib, Table, Value as LuaValue};
use serde_json::{Value, json};

/// What the script answers: the status, and the message beside it.
type Health = (String, String);

/// A credential of this generation, with what the operator reported, if it did.
fn credential(generation: i64, status: Option<&EntraCredentialStatus>) -> Value {
    let mut object = json!({
        "apiVersion": "entra-operator.dev/v1alpha1",
        "kind": "EntraCredential",
        "metadata": {"name": "reporting", "namespace": "etl", "generation": generation},
        "spec": {
            "tenant": "contoso.example",
            "clientId": "3f0c1a52-0000-4000-8000-000000000001",
            "login": {"secretName": "reporting-login"},
            "tokens": [{
                "secretName": "reporting-graph",
                "scopes": ["https://graph.microsoft.com/.default"],
            }],
        },
    });
    if let Some(status) = status {
        object["status"] = serde_json::to_value(status).unwrap();
    }
    object
}

fn condition(kind: &str, holds: bool, reason: Reason, message: &str) -> Condition {
    Condition {
        type_: kind.to_owned(),
        status: if holds { "True" } else { "False" }.to_owned(),
        reason: reason.to_string(),
        message: message.to_owned(),
        last_transition_time: Time("2026-11-22T07:24:37Z".parse().unwrap()),
        observed_generation: Some(1),
    }
}

/// A status with this headline for generation 1; `Stalled` follows from it by the rule of the plan.
fn reported(ready: bool, reason: Reason, message: &str) -> EntraCredentialStatus {
    let stalled = !ready && reason.verdicts().needs_person;
    let stalled = if stalled {
        condition("Stalled", true, reason, message)
    } else {
        condition("Stalled", false, Reason::Settled, "")
    };
    EntraCredentialStatus {
        observed_generation: Some(1),
        conditions: vec![
            condition("Ready", ready, reason, message),
            condition("Reconciling", false, Reason::Settled, ""),
            stalled,
        ],
        ..EntraCredentialStatus::default()
    }
}

/// The script's answer, in the Lua that Argo CD has: 5.1, of whose libraries it opens the base and the tables.
fn health(object: &Value) -> Health {
    let script = fs::read_to_string(repository().join("deploy/argocd/health.lua")).unwrap();
    let lua = Lua::new_with(StdLib::TABLE, LuaOptions::default()).unwrap();
    lua.globals().set("obj", to_lua(&lua, object)).unwrap();
    let answer: Table = lua.load(script).set_name("health.lua").eval().unwrap();
    (answer.get("status").unwrap(), answer.get("message").unwrap())
}

/// JSON as Argo CD hands it over: every number is a double, and an array counts from 1.
fn to_lua(lua: &Lua, value: &Value) -> LuaValue {
    let table = |table: mlua::Result<Table>| LuaValue::Table(table.unwrap());
    match value {
        Value::Null => LuaValue::Nil,
        Value::Bool(value) => LuaValue::Boolean(*value),
        Value::Number(value) => LuaValue::Number(value.as_f64().unwrap()),
        Value::String(value) => LuaValue::String(lua.create_string(value).unwrap()),
        Value::Array(values) => {
            table(lua.create_sequence_from(values.iter().map(|value| to_lua(lua, value))))
        }
        Value::Object(fields) => table(
            lua.create_table_from(
                fields
                    .iter()
                    .map(|(key, value)| (key.as_str(), to_lua(lua, value))),
            ),
        ),
    }
}

/// The health of what was reported for the present generation.
fn health_of(ready: bool, reason: Reason, message: &str) -> Health {
    health(&credential(1, Some(&reported(ready, reason, message))))
}

fn told(status: &str, message: &str) -> Health {
    (status.to_owned(), message.to_owned())
}

#[test]
fn what_nobody_has_looked_at_yet_is_progressing() {
    let unseen = told("Progressing", "the operator has not looked at this change yet");
    assert_eq!(health(&credential(1, None)), unseen, "no status");
    let empty = EntraCredentialStatus::default();
    assert_eq!(health(&credential(1, Some(&empty))), unseen, "an empty status");
    for (ready, reason) in [(true, Reason::Fresh), (false, Reason::WrongPassword)] {
        let behind = credential(2, Some(&reported(ready, reason, "of the former spec")));
        assert_eq!(health(&behind), unseen, "{reason} of the former spec");
    }
    let mut suspended = credential(2, Some(&reported(true, Reason::Fresh, "")));
    suspended["spec"]["suspend"] = json!(true);
    assert_eq!(health(&suspended), unseen, "suspended just now");
}

#[test]
fn a_good_token_is_healthy_and_tells_what_is_worth_knowing() {
    assert_eq!(health_of(true, Reason::Fresh, ""), told("Healthy", "Fresh"));
    for reason in [
        Reason::Expiring,
        Reason::CertificateExpiring,
        Reason::LoginRequired,
    ] {
        let expected = told("Healthy", &format!("{reason}: what to do"));
        assert_eq!(health_of(true, reason, "what to do"), expected);
    }
}

#[test]
fn who_waits_for_a_login_or_for_the_provider_is_progressing() {
    for reason in [
        Reason::AwaitingLogin,
        Reason::LoggingIn,
        Reason::Publishing,
        Reason::Expired,
        Reason::ServiceUnavailable,
    ] {
        let expected = told("Progressing", &format!("{reason}: it goes on by itself"));
        assert_eq!(health_of(false, reason, "it goes on by itself"), expected);
    }
}

#[test]
fn where_only_a_person_can_help_it_is_degraded_and_says_what_to_do() {
    for reason in [
        Reason::WrongPassword,
        Reason::LoginRequired,
        Reason::BlockedByPolicy,
        Reason::Unsealable,
    ] {
        let expected = told("Degraded", &format!("{reason}: create a new login Secret"));
        assert_eq!(health_of(false, reason, "create a new login Secret"), expected);
    }
}

#[test]
fn who_is_suspended_is_suspended_with_a_good_token_and_without_one() {
    for ready in [true, false] {
        let mut object = credential(
            1,
            Some(&reported(ready, Reason::Suspended, "spec.suspend is set")),
        );
        object["spec"]["suspend"] = json!(true);
        assert_eq!(
            health(&object),
            told("Suspended", "Suspended: spec.suspend is set")
        );
        object["spec"]["suspend"] = json!(false);
        assert_ne!(health(&object).0, "Suspended", "it was lifted");
    }
}

#[test]
fn a_status_without_conditions_is_no_error() {
    let bare = EntraCredentialStatus {
        observed_generation: Some(1),
        ..EntraCredentialStatus::default()
    };
    let mut object = credential(1, Some(&bare));
    assert_eq!(health(&object), told("Progressing", ""));
    object["spec"]["suspend"] = json!(true);
    assert_eq!(health(&object), told("Suspended", ""));
}

#[test]
fn every_reason_has_a_health_that_argo_cd_knows() {
    for reason in <Reason as strum::IntoEnumIterator>::iter() {
        let expected = if reason.verdicts().needs_person {
            "Degraded"
        } else {
            "Progressing"
        };
        assert_eq!(health_of(false, reason, "").0, expected, "{reason}");
        assert_eq!(health_of(true, reason, "").0, "Healthy", "{reason}");
    }
}
