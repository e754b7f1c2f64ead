//! The store against lost, late and repeated events.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::plan::metadata::Version;

mod set_back;

fn watch(selects: Selects) -> Watch {
    Watch { selects, scope: None }
}

fn tokens() -> Watch {
    watch(Selects::Tokens)
}

fn store() -> SecretStore {
    SecretStore::new(&Selects::ALL.map(watch))
}

fn key(name: &str) -> Key {
    Key::new("etl", name)
}

fn meta(uid: &str, version: &str) -> SecretMeta {
    SecretMeta {
        uid: Uid(uid.to_owned()),
        version: Version(version.to_owned()),
        ..SecretMeta::default()
    }
}

fn meta_of(name: &str) -> SecretMeta {
    meta(name, "7")
}

fn secret(name: &str, uid: &str, version: &str) -> SeenSecret {
    let metadata = json!({"namespace": "etl", "name": name, "uid": uid, "resourceVersion": version});
    serde_json::from_value(json!({"metadata": metadata})).unwrap()
}

fn applied(name: &str, uid: &str, version: &str) -> Change<SeenSecret> {
    Change::Applied(secret(name, uid, version))
}

fn deleted(name: &str, uid: &str, version: &str) -> Change<SeenSecret> {
    Change::Deleted(secret(name, uid, version))
}

fn version(store: &SecretStore, name: &str) -> Option<String> {
    store.get(&key(name)).map(|m| m.version.0)
}

/// Feeds changes to the watch on token Secrets.
fn feed(store: &SecretStore, changes: impl IntoIterator<Item = Change<SeenSecret>>) -> usize {
    changes.into_iter().map(|c| store.apply(&tokens(), c).len()).sum()
}

/// What is packed is what it was, and few lie open.
#[test]
fn what_was_looked_at_last_lies_open_and_nothing_is_lost_when_it_is_packed() {
    let store = store();
    let names: Vec<_> = (0..300).map(|n| format!("s-{n}")).collect();
    feed(&store, names.iter().map(|name| applied(name, name, "7")));
    for name in &names {
        let meta = store.get_as(&key(name), Selects::Tokens);
        assert_eq!(meta, Some(meta_of(name)));
        assert_eq!(store.get(&key(name)), Some(meta_of(name)));
    }
    let open = |state: &State| {
        state
            .entries
            .of(&None)
            .filter(|(_, entry)| entry.is_open())
            .count()
    };
    assert_eq!(open(&store.read()), entries::OPEN);
    feed(&store, names.iter().map(|name| applied(name, name, "8")));
    assert_eq!(open(&store.read()), entries::OPEN);
    assert!(
        names
            .iter()
            .all(|name| version(&store, name).as_deref() == Some("8"))
    );
}

#[test]
fn nothing_older_replaces_anything_newer() {
    let store = store();
    feed(&store, [applied("a", "u", "10"), applied("a", "u", "9")]);
    assert_eq!(version(&store, "a").as_deref(), Some("10"));
}

#[test]
fn versions_are_compared_as_numbers() {
    let store = store();
    feed(&store, [applied("a", "u", "9"), applied("a", "u", "10")]);
    assert_eq!(version(&store, "a").as_deref(), Some("10"));
}

#[test]
fn versions_that_are_no_numbers_count_as_they_come() {
    let store = store();
    feed(&store, [applied("a", "u", "zz"), applied("a", "u", "aa")]);
    assert_eq!(version(&store, "a").as_deref(), Some("aa"));
}

#[test]
fn a_repeated_event_alters_nothing() {
    let store = store();
    assert_eq!(feed(&store, [applied("a", "u", "1"), applied("a", "u", "1")]), 1);
}

#[test]
fn our_own_write_is_known_at_once_and_its_echo_alters_nothing() {
    let store = store();
    store.wrote(&key("a"), &meta("u", "5"), Some(Selects::Tokens));
    assert_eq!(version(&store, "a").as_deref(), Some("5"));
    assert_eq!(feed(&store, [applied("a", "u", "4"), applied("a", "u", "5")]), 0);
}

#[test]
fn a_write_to_a_secret_that_no_watch_shows_is_not_kept() {
    let store = store();
    store.wrote(&key("a"), &meta("u", "5"), None);
    assert_eq!(store.get(&key("a")), None);
}

#[test]
fn a_write_to_a_known_secret_updates_it() {
    let store = store();
    store.apply(&watch(Selects::Logins), applied("l", "u", "1"));
    store.wrote(&key("l"), &meta("u", "2"), None);
    assert_eq!(
        store
            .get_as(&key("l"), Selects::Logins)
            .map(|m| m.version.0)
            .as_deref(),
        Some("2")
    );
}

#[test]
fn a_deletion_of_another_uid_is_ignored() {
    let store = store();
    feed(&store, [applied("a", "new", "8"), deleted("a", "old", "7")]);
    assert_eq!(version(&store, "a").as_deref(), Some("8"));
}

#[test]
fn a_late_event_about_a_predecessor_is_ignored() {
    let store = store();
    store.wrote(&key("a"), &meta("new", "8"), Some(Selects::Tokens));
    feed(&store, [applied("a", "old", "6")]);
    assert_eq!(store.get(&key("a")).map(|m| m.uid.0).as_deref(), Some("new"));
}

#[test]
fn a_successor_replaces_what_its_deletion_was_lost_of() {
    let store = store();
    feed(&store, [applied("a", "old", "6"), applied("a", "new", "9")]);
    assert_eq!(store.get(&key("a")).map(|m| m.uid.0).as_deref(), Some("new"));
}

#[test]
fn an_event_older_than_the_deletion_does_not_undo_it() {
    let store = store();
    feed(
        &store,
        [
            applied("a", "u", "5"),
            deleted("a", "u", "7"),
            applied("a", "u", "6"),
        ],
    );
    assert_eq!(store.get(&key("a")), None);
}

#[test]
fn what_lost_its_label_is_known_again_from_an_answer() {
    let store = store();
    feed(&store, [applied("a", "u", "10"), deleted("a", "u", "12")]);
    let known = |version: &str| {
        store.wrote(&key("a"), &meta("u", version), Some(Selects::Tokens));
        store.get(&key("a")).map(|m| m.version.0)
    };
    assert_eq!(known("11"), None, "from before");
    assert_eq!(known("12").as_deref(), Some("12"), "it lives on in this version");
}

#[test]
fn our_own_deletion_survives_late_events_but_not_a_finalizer() {
    let store = store();
    feed(&store, [applied("a", "u", "5")]);
    store.deleted(&key("a"), &meta("u", "5"));
    assert_eq!(feed(&store, [applied("a", "u", "5")]), 0);
    assert_eq!(store.get(&key("a")), None);
    feed(&store, [applied("a", "u", "6")]);
    assert_eq!(version(&store, "a").as_deref(), Some("6"));
}

#[test]
fn our_deletion_spares_what_was_created_meanwhile() {
    let store = store();
    feed(&store, [applied("a", "new", "9")]);
    store.deleted(&key("a"), &meta("old", "5"));
    assert_eq!(version(&store, "a").as_deref(), Some("9"));
}

#[test]
fn a_secret_that_one_watch_lost_stays_while_another_shows_it() {
    let store = store();
    let typed = watch(Selects::RefreshTokens);
    store.apply(&typed, applied("a", "u", "5"));
    feed(&store, [applied("a", "u", "5"), deleted("a", "u", "6")]);
    assert!(store.get_as(&key("a"), Selects::RefreshTokens).is_some());
    assert!(store.get_as(&key("a"), Selects::Tokens).is_none());
    store.apply(&typed, deleted("a", "u", "6"));
    assert_eq!(store.get(&key("a")), None);
}

#[test]
fn a_late_loss_of_the_label_does_not_hide_what_was_labelled_again() {
    let store = store();
    feed(&store, [applied("a", "u", "5")]);
    store.wrote(&key("a"), &meta("u", "8"), Some(Selects::Tokens));
    feed(&store, [deleted("a", "u", "6")]);
    assert_eq!(version(&store, "a").as_deref(), Some("8"));
}

#[test]
fn only_the_watch_on_logins_makes_a_login() {
    let store = store();
    feed(&store, [applied("a", "u", "5")]);
    assert!(store.get_as(&key("a"), Selects::Logins).is_none());
}

#[test]
fn a_list_removes_what_is_absent() {
    let store = store();
    feed(&store, [applied("a", "u", "1"), applied("b", "v", "2")]);
    let altered = feed(
        &store,
        [Change::Restarted, applied("b", "v", "2"), Change::Listed],
    );
    assert_eq!(altered, 1);
    assert!(store.get(&key("a")).is_none() && store.get(&key("b")).is_some());
}

#[test]
fn a_list_spares_what_we_wrote_since_it_began() {
    let store = store();
    store.wrote(&key("before"), &meta("u", "1"), Some(Selects::Tokens));
    feed(&store, [Change::Restarted]);
    store.wrote(&key("since"), &meta("v", "2"), Some(Selects::Tokens));
    feed(&store, [Change::Listed]);
    assert!(store.get(&key("before")).is_none() && store.get(&key("since")).is_some());
}

#[test]
fn a_list_of_one_watch_does_not_speak_for_another() {
    let store = store();
    store.apply(&watch(Selects::Logins), applied("l", "u", "1"));
    feed(&store, [Change::Restarted, Change::Listed]);
    assert!(store.get(&key("l")).is_some());
}

#[test]
fn a_list_of_one_namespace_does_not_speak_for_another() {
    let inside = |namespace: &str| Watch {
        selects: Selects::Tokens,
        scope: Some(Arc::from(namespace)),
    };
    let store = SecretStore::new(&[inside("etl"), inside("web")]);
    store.apply(&inside("etl"), applied("a", "u", "1"));
    store.apply(&inside("web"), Change::Restarted);
    store.apply(&inside("web"), Change::Listed);
    assert!(store.get(&key("a")).is_some());
}

#[test]
fn a_list_that_starts_over_counts_from_the_new_start() {
    let store = store();
    feed(
        &store,
        [applied("a", "u", "1"), Change::Restarted, applied("a", "u", "1")],
    );
    feed(&store, [Change::Restarted, Change::Listed]);
    assert_eq!(store.get(&key("a")), None);
}

#[test]
fn an_interrupted_list_removes_nothing() {
    let store = store();
    let failed = Change::Interrupted(crate::cluster::Interruption::Failed {
        verb: "watch",
        error: crate::reconcile::ports::ClusterError::NotFound,
    });
    feed(&store, [applied("a", "u", "1"), Change::Restarted, failed]);
    assert!(store.get(&key("a")).is_some());
}

#[test]
fn synced_means_that_every_watch_was_listed() {
    let store = store();
    for selects in Selects::ALL {
        assert!(!store.synced());
        store.apply(&watch(selects), Change::Restarted);
        assert!(!store.synced());
        store.apply(&watch(selects), Change::Listed);
    }
    assert!(store.synced());
    store.apply(&tokens(), Change::Restarted);
    assert!(store.synced());
}

#[test]
fn what_a_credential_controls_is_found_in_its_namespace_only() {
    let controlled = |namespace: &str, name: &str, uid: &str| {
        let owner = json!({"apiVersion": "entra-operator.dev/v1alpha1", "kind": "EntraCredential",
            "name": "reporting", "uid": "cr", "controller": true});
        let metadata = json!({"namespace": namespace, "name": name, "uid": uid, "resourceVersion": "1",
            "ownerReferences": [owner], "labels": {"entra-operator.dev/token": "true"}});
        Change::Applied(serde_json::from_value(json!({"metadata": metadata})).unwrap())
    };
    let store = store();
    feed(
        &store,
        [
            controlled("etl", "b", "1"),
            controlled("etl", "a", "2"),
            controlled("etl2", "c", "3"),
        ],
    );
    feed(&store, [applied("foreign", "4", "1")]);
    let names = |skip: fn(&str) -> bool| -> Vec<_> {
        let theirs = store.controlled_by("etl", &Uid("cr".to_owned()), skip);
        theirs.into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names(|_| false), ["a", "b"]);
    assert_eq!(names(|name| name == "a"), ["b"]);
    let altered = store.apply(&tokens(), deleted("a", "2", "9"));
    assert_eq!(
        altered
            .first()
            .and_then(|a| a.controller.as_ref())
            .map(|c| c.uid.0.as_str()),
        Some("cr")
    );
}

#[test]
fn tombstones_are_bounded() {
    let store = store();
    for number in 0..=tombstones::MOST {
        let uid = format!("u{number}");
        feed(&store, [applied("a", &uid, "5"), deleted("a", &uid, "6")]);
    }
    feed(&store, [applied("a", "u0", "5")]);
    assert!(store.get(&key("a")).is_some());
}
