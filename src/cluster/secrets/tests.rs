//! Writes and reads of Secrets against an API server that answers from a script.

use super::*;
use crate::cluster::scripted::{Asked, Scripted};
use crate::plan::metadata::Version;

fn owner() -> Owner {
    Owner {
        name: "reporting".to_owned(),
        uid: Uid("cr".to_owned()),
    }
}

fn data(value: &str) -> SecretData {
    let mut data = SecretData::default();
    data.insert("access_token", value.as_bytes().to_vec());
    data
}

fn new_secret() -> NewSecret {
    NewSecret {
        key: Key::new("etl", "reporting-graph"),
        kind: "Opaque",
        owner: owner(),
        labels: [("l".to_owned(), "1".to_owned())].into(),
        annotations: [("a".to_owned(), "2".to_owned())].into(),
        data: data("hunter2"),
    }
}

#[test]
fn a_new_secret_is_controlled_without_blocking() {
    let secret = new_secret();
    let json =
        serde_json::to_value(Manifest::new(&secret, vec![owner_reference(&secret.owner, true)])).unwrap();
    assert_eq!(json["metadata"]["ownerReferences"][0]["controller"], true);
    assert_eq!(
        json["metadata"]["ownerReferences"][0]["blockOwnerDeletion"],
        false
    );
    assert_eq!(
        json["metadata"]["ownerReferences"][0]["apiVersion"],
        "entra-operator.dev/v1alpha1"
    );
    assert_eq!(json["type"], "Opaque");
    assert_eq!(json["data"]["access_token"], "aHVudGVyMg==");
}

#[test]
fn nothing_that_is_sent_shows_its_values() {
    let secret = new_secret();
    let change = SecretChange {
        data: Some(data("hunter2")),
        ..SecretChange::default()
    };
    let shown = format!("{:?} {change:?} {secret:?}", Manifest::new(&secret, Vec::new()));
    assert!(
        !shown.contains("hunter2") && !shown.contains("aHVudGVyMg"),
        "{shown}"
    );
}

#[test]
fn a_received_secret_decodes() {
    let text =
        r#"{"metadata": {"uid": "u"}, "type": "x/y", "immutable": true, "data": {"a": "aGk=", "b": null}}"#;
    let object = decode_object(text.as_bytes()).unwrap();
    assert_eq!(
        (object.meta.uid.0.as_str(), object.kind.as_str(), object.immutable),
        ("u", "x/y", true)
    );
    assert_eq!(object.data.get("a"), Some(&b"hi"[..]));
    assert_eq!(object.data.get("b"), Some(&b""[..]));
}

#[test]
fn an_empty_secret_decodes() {
    let object = decode_object(b"{}").unwrap();
    assert!(object.data.is_empty() && object.kind.is_empty() && !object.immutable);
}

#[test]
fn an_answer_that_is_no_secret_is_not_quoted() {
    let error = decode_object(br#"{"data": "aHVudGVyMg"#).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("aHVudGVyMg"));
}

/// What was seen of the Secret before it is written.
fn seen() -> SecretMeta {
    SecretMeta {
        uid: Uid("u".to_owned()),
        version: Version("7".to_owned()),
        has_labels: true,
        has_annotations: true,
        ..SecretMeta::default()
    }
}

fn key() -> Key {
    Key::new("etl", "reporting-graph")
}

const PATH: &str = "/api/v1/namespaces/etl/secrets/reporting-graph";

/// A Secret as the API server has it, in that version.
fn live(uid: &str, version: &str, more: &Value) -> (u16, Value) {
    let mut metadata = json!({"uid": uid, "resourceVersion": version});
    if let Some(owners) = more.get("ownerReferences") {
        metadata["ownerReferences"] = owners.clone();
    }
    let data = more.get("data").cloned().unwrap_or_default();
    (200, json!({"metadata": metadata, "type": "Opaque", "data": data}))
}

const CONFLICT: u16 = 409;
const NOT_FOUND: u16 = 404;

fn failing(code: u16) -> (u16, Value) {
    (code, json!({"kind": "Status", "code": code}))
}

async fn changed(
    change: SecretChange,
    answers: Vec<(u16, Value)>,
) -> (Result<SecretMeta, ClusterError>, Vec<Asked>) {
    let server = Scripted::new(answers);
    let outcome = Secrets::new(server.calls())
        .change(&key(), &seen(), &change)
        .await;
    (outcome, server.asked())
}

fn pinned() -> [Value; 2] {
    [
        json!({"op": "replace", "path": "/metadata/resourceVersion", "value": "7"}),
        json!({"op": "replace", "path": "/metadata/uid", "value": "u"}),
    ]
}

fn one_key() -> SecretChange {
    SecretChange {
        keys: data("v"),
        ..SecretChange::default()
    }
}

#[tokio::test]
async fn a_change_is_one_patch_that_is_pinned_to_what_was_seen() {
    let change = SecretChange {
        labels: [("l".to_owned(), Some("1".to_owned()))].into(),
        annotations: [("a".to_owned(), Some("2".to_owned()))].into(),
        data: Some(data("v")),
        ..SecretChange::default()
    };
    let (outcome, asked) = changed(change, vec![live("u", "8", &json!({}))]).await;
    assert_eq!(outcome.unwrap().version, Version("8".to_owned()));
    let [resource_version, uid] = pinned();
    let patch = json!([
        resource_version,
        uid,
        {"op": "add", "path": "/metadata/labels/l", "value": "1"},
        {"op": "add", "path": "/metadata/annotations/a", "value": "2"},
        {"op": "add", "path": "/data", "value": {"access_token": "dg=="}},
    ]);
    assert_eq!(asked, [Asked::new("PATCH", PATH, patch)]);
}

/// A patch cannot add a key to data that is not there: that is no race with anybody.
#[tokio::test]
async fn where_all_data_was_removed_single_keys_are_written_with_the_data() {
    let emptied = live("u", "7", &json!({}));
    let (outcome, asked) = changed(
        one_key(),
        vec![failing(CONFLICT), emptied, live("u", "8", &json!({}))],
    )
    .await;
    assert_eq!(outcome.unwrap().version, Version("8".to_owned()));
    let [resource_version, uid] = pinned();
    let key_only =
        json!([resource_version, uid, {"op": "add", "path": "/data/access_token", "value": "dg=="}]);
    let [resource_version, uid] = pinned();
    let whole =
        json!([resource_version, uid, {"op": "add", "path": "/data", "value": {"access_token": "dg=="}}]);
    assert_eq!(
        asked,
        [
            Asked::new("PATCH", PATH, key_only),
            Asked::new("GET", PATH, Value::Null),
            Asked::new("PATCH", PATH, whole),
        ]
    );
}

#[tokio::test]
async fn whoever_lost_the_race_writes_nothing_more() {
    let has_data = json!({"data": {"other": "aGk="}});
    for other in [
        live("u", "8", &json!({})),
        live("another", "7", &json!({})),
        live("u", "7", &has_data),
        failing(NOT_FOUND),
    ] {
        let (outcome, asked) = changed(one_key(), vec![failing(CONFLICT), other]).await;
        assert_eq!(outcome, Err(ClusterError::Conflict));
        assert_eq!(asked.len(), 2, "a write and a look");
    }
    let whole = SecretChange {
        data: Some(data("v")),
        ..SecretChange::default()
    };
    let (outcome, asked) = changed(whole, vec![failing(CONFLICT)]).await;
    assert_eq!(outcome, Err(ClusterError::Conflict));
    assert_eq!(asked.len(), 1, "whole data needs no look");
    let (outcome, asked) = changed(one_key(), vec![failing(NOT_FOUND)]).await;
    assert_eq!((outcome, asked.len()), (Err(ClusterError::NotFound), 1));
}

fn adopt() -> SecretChange {
    SecretChange {
        adopt: Some(owner()),
        ..SecretChange::default()
    }
}

fn reference(kind: &str, name: &str, uid: &str, controller: bool) -> Value {
    let group = if kind == "EntraCredential" {
        "entra-operator.dev/v1alpha1"
    } else {
        "apps/v1"
    };
    json!({"apiVersion": group, "kind": kind, "name": name, "uid": uid, "controller": controller})
}

#[tokio::test]
async fn an_adopted_secret_keeps_its_other_owners_and_loses_a_former_credential_of_this_name() {
    let bystander = reference("ReplicaSet", "web", "rs", false);
    let former = reference("EntraCredential", "reporting", "former", true);
    let ours = reference("EntraCredential", "reporting", "cr", false);
    let own = owner_reference(&owner(), true);
    for (before, after) in [
        (json!([]), json!([own])),
        (json!([bystander, former]), json!([bystander, own])),
        (json!([ours, bystander]), json!([bystander, own])),
    ] {
        let owned = live("u", "7", &json!({"ownerReferences": before}));
        let (outcome, asked) = changed(adopt(), vec![owned, live("u", "8", &json!({}))]).await;
        assert_eq!(outcome.unwrap().version, Version("8".to_owned()));
        let [resource_version, uid] = pinned();
        let patch = json!([
            resource_version,
            uid,
            {"op": "add", "path": "/metadata/ownerReferences", "value": after},
        ]);
        assert_eq!(
            asked,
            [
                Asked::new("GET", PATH, Value::Null),
                Asked::new("PATCH", PATH, patch)
            ]
        );
    }
}

/// Who claims a login becomes an owner of it; a claim before it was void.
#[tokio::test]
async fn what_goes_with_a_credential_keeps_its_other_owners_and_loses_other_credentials() {
    let along = || SecretChange {
        goes_with: Some(owner()),
        ..SecretChange::default()
    };
    let own = owner_reference(&owner(), false);
    let [resource_version, uid] = pinned();
    let patch = |owners: Value| {
        let add = json!({"op": "add", "path": "/metadata/ownerReferences", "value": owners});
        Asked::new("PATCH", PATH, json!([resource_version, uid, add]))
    };
    let (outcome, asked) = changed(along(), vec![live("u", "8", &json!({}))]).await;
    assert_eq!(outcome.unwrap().version, Version("8".to_owned()));
    assert_eq!(
        asked,
        [patch(json!([own]))],
        "nothing is read where nobody owns it"
    );

    let bystander = reference("ExternalSecret", "sync", "es", true);
    let void = reference("EntraCredential", "another", "former", false);
    let owned = live("u", "7", &json!({"ownerReferences": [bystander, void]}));
    let server = Scripted::new(vec![owned, live("u", "8", &json!({}))]);
    let seen = SecretMeta {
        has_owners: true,
        ..seen()
    };
    let written = Secrets::new(server.calls()).change(&key(), &seen, &along()).await;
    assert_eq!(written.unwrap().version, Version("8".to_owned()));
    assert_eq!(
        server.asked(),
        [
            Asked::new("GET", PATH, Value::Null),
            patch(json!([bystander, own]))
        ]
    );
}

#[tokio::test]
async fn what_another_controls_or_has_changed_is_not_adopted() {
    let controlled = |kind: &str, name: &str, uid: &str| {
        let owner = reference(kind, name, uid, true);
        live("u", "7", &json!({"ownerReferences": [owner]}))
    };
    for answer in [
        live("another", "7", &json!({})),
        live("u", "8", &json!({})),
        controlled("ReplicaSet", "reporting", "rs"),
        controlled("EntraCredential", "another", "former"),
        controlled("EntraCredential", "reporting", "cr"),
    ] {
        let (outcome, asked) = changed(adopt(), vec![answer]).await;
        assert_eq!((outcome, asked.len()), (Err(ClusterError::Conflict), 1));
    }
    let (outcome, _) = changed(adopt(), vec![failing(NOT_FOUND)]).await;
    assert_eq!(outcome, Err(ClusterError::NotFound));
}

#[tokio::test]
async fn a_delete_carries_what_was_seen_and_what_was_never_seen_is_not_deleted() {
    let server = Scripted::new(vec![(200, json!({}))]);
    let secrets = Secrets::new(server.calls());
    secrets.delete(&key(), &seen()).await.unwrap();
    for unseen in [
        SecretMeta {
            uid: Uid::default(),
            ..seen()
        },
        SecretMeta {
            version: Version::default(),
            ..seen()
        },
    ] {
        assert_eq!(secrets.delete(&key(), &unseen).await, Err(ClusterError::Conflict));
    }
    let [asked] = &server.asked()[..] else {
        panic!("one call")
    };
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("DELETE", PATH));
    assert_eq!(
        asked.body["preconditions"],
        json!({"uid": "u", "resourceVersion": "7"})
    );
    assert_eq!(asked.body["propagationPolicy"], "Background");
}

#[tokio::test]
async fn a_secret_is_created_with_its_owner_and_the_operator_s_own_without() {
    let server = Scripted::new(vec![live("u", "1", &json!({})), live("v", "2", &json!({}))]);
    let secrets = Secrets::new(server.calls());
    let created = secrets.create(&new_secret()).await.unwrap();
    assert_eq!((created.uid.0.as_str(), created.version.0.as_str()), ("u", "1"));
    let keys = secrets.create_unowned(&key(), "x/y", &data("v")).await.unwrap();
    assert_eq!(keys.uid.0, "v");
    let [owned, unowned] = &server.asked()[..] else {
        panic!("two calls")
    };
    for asked in [owned, unowned] {
        assert_eq!(asked.method, "POST");
        assert_eq!(asked.path, "/api/v1/namespaces/etl/secrets");
    }
    assert_eq!(
        owned.body["metadata"]["ownerReferences"],
        json!([owner_reference(&owner(), true)])
    );
    assert_eq!(owned.body["metadata"]["labels"], json!({"l": "1"}));
    assert_eq!(unowned.body["metadata"]["ownerReferences"], json!([]));
    assert_eq!(unowned.body["type"], "x/y");
    assert_eq!(unowned.body["data"], json!({"access_token": "dg=="}));
}

#[tokio::test]
async fn what_does_not_exist_is_read_as_nothing_and_a_failure_is_none() {
    let there = live("u", "7", &json!({"data": {"a": "aGk="}}));
    let server = Scripted::new(vec![
        failing(NOT_FOUND),
        there.clone(),
        failing(NOT_FOUND),
        there,
        failing(403),
    ]);
    let secrets = Secrets::new(server.calls());
    assert!(secrets.read(&key()).await.unwrap().is_none());
    let object = secrets.read(&key()).await.unwrap().unwrap();
    assert_eq!(object.meta.version.0, "7");
    assert_eq!(object.data.get("a"), Some(&b"hi"[..]));
    assert!(secrets.peek(&key()).await.unwrap().is_none());
    assert_eq!(secrets.peek(&key()).await.unwrap().unwrap().uid.0, "u");
    assert!(matches!(
        secrets.read(&key()).await,
        Err(ClusterError::Refused(_))
    ));
}
