//! What readiness waits for, and what it does not.

use futures::FutureExt as _;

use super::*;
use crate::cluster::{Selects, scopes};

fn lists(namespaces: &[&str]) -> (Lists, Vec<Watched>) {
    let namespaces: Vec<_> = namespaces.iter().map(|ns| (*ns).to_owned()).collect();
    let health = Arc::new(Health::new(&[(WATCHES, "-")], Arc::new(|| Duration::ZERO)));
    let lists = Lists::new(health, Arc::new(Metrics::new(false)), &scopes(&namespaces));
    let all = lists.state().watched.keys().cloned().collect();
    (lists, all)
}

/// The same, and all of it was listed.
fn listed(namespaces: &[&str]) -> Lists {
    let (lists, all) = lists(namespaces);
    for watched in &all {
        lists.listed(watched);
    }
    lists
}

fn failed(verb: &'static str, error: ClusterError) -> Interruption {
    Interruption::Failed { verb, error }
}

fn forbidden() -> ClusterError {
    ClusterError::Refused("the operator lacks the permission (RBAC)".to_owned())
}

fn away() -> ClusterError {
    ClusterError::Unavailable {
        text: "gone".to_owned(),
        retry_after: None,
    }
}

/// Whether `/readyz` says so.
fn says(lists: &Lists, what: &str) -> bool {
    lists.health.ready().text.contains(what)
}

fn is_in(watched: &Watched, namespace: &str) -> bool {
    watched.scope().as_deref() == Some(namespace)
}

fn unserved(lists: &Lists) -> String {
    let text = lists.metrics.encode().unwrap();
    let line = text.lines().find(|l| l.starts_with("entra_namespaces_unserved "));
    line.unwrap().rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn ready_once_every_scope_was_listed() {
    let (lists, all) = lists(&["a", "b"]);
    for watched in &all {
        assert!(!lists.health.ready().ok, "before the list of {watched:?}");
        lists.listed(watched);
    }
    assert!(lists.health.ready().ok);
    assert!(says(&lists, "[+] watches: ok"));
}

fn certificates() -> Watch {
    let selects = Selects::Certificates;
    Watch { selects, scope: None }
}

#[tokio::test(start_paused = true)]
async fn who_names_what_nobody_watched_waits_for_its_first_list() {
    let lists = listed(&[]);
    let certificates = certificates();
    assert!(lists.begins(&certificates).now_or_never().is_none());
    let knows = lists.know(&certificates);
    tokio::pin!(knows);
    assert!(futures::poll!(&mut knows).is_pending());
    assert!(lists.begins(&certificates).now_or_never().is_some());
    assert!(lists.health.ready().ok, "{}", lists.health.ready().text);
    lists.listed(&Watched::Secrets(certificates.clone()));
    assert!(futures::poll!(&mut knows).is_ready());
    assert!(lists.know(&certificates).now_or_never().is_some());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_listed_late_is_told_and_not_waited_for_long() {
    let lists = listed(&[]);
    let certificates = certificates();
    let knows = lists.know(&certificates);
    tokio::pin!(knows);
    assert!(tokio::time::timeout(NAMED_WITHIN / 2, &mut knows).await.is_err());
    assert!(tokio::time::timeout(NAMED_WITHIN, &mut knows).await.is_ok());
    assert!(lists.know(&certificates).now_or_never().is_some(), "once");
    assert!(lists.health.ready().ok, "{}", lists.health.ready().text);
    let watched = Watched::Secrets(certificates.clone());
    lists.interrupted(&watched, &failed("list", forbidden()));
    assert!(says(&lists, "cannot list secrets in all namespaces"));
}

#[test]
fn a_namespace_that_may_not_be_read_is_named_by_its_rights_and_holds_up_no_other() {
    let (lists, all) = lists(&["a", "b"]);
    for watched in &all {
        if is_in(watched, "b") {
            lists.interrupted(watched, &failed("list", forbidden()));
        } else {
            lists.listed(watched);
        }
    }
    let detail = lists.health.ready();
    assert!(detail.ok, "{}", detail.text);
    for right in ["entracredentials.entra-operator.dev", "secrets"] {
        let named = format!(
            "cannot list {right} in the namespace b: the API server refused the call: the operator lacks the permission (RBAC)"
        );
        assert_eq!(detail.text.matches(&named).count(), 1, "{}", detail.text);
    }
    assert_eq!(unserved(&lists), "1");
    for watched in &all {
        lists.listed(watched);
    }
    assert!(says(&lists, "[+] watches: ok"));
    assert_eq!(unserved(&lists), "0");
}

#[test]
fn what_waits_for_a_missing_right_holds_nobody_up() {
    let (lists, all) = lists(&["a", "b"]);
    for watched in all {
        match &watched {
            Watched::Secrets(_) if is_in(&watched, "b") => {
                lists.interrupted(&watched, &failed("list", forbidden()));
            }
            // Credentials are listed once the Secrets are known.
            Watched::Credentials(_) if is_in(&watched, "b") => {}
            Watched::Credentials(_) | Watched::Secrets(_) => lists.listed(&watched),
        }
    }
    assert!(lists.health.ready().ok, "{}", lists.health.ready().text);
}

#[test]
fn who_may_read_nothing_is_not_ready() {
    let (lists, all) = lists(&[]);
    for watched in all {
        lists.interrupted(&watched, &failed("list", forbidden()));
    }
    assert!(!lists.health.ready().ok);
    assert!(says(&lists, "cannot list secrets in all namespaces"));
    assert!(lists.secrets_known().now_or_never().is_none());
}

#[test]
fn secrets_are_known_once_what_can_be_read_was_listed() {
    let (lists, all) = lists(&["a", "b"]);
    let secrets = |watched: &&Watched| matches!(watched, Watched::Secrets(_));
    for watched in all.iter().filter(secrets).filter(|w| is_in(w, "b")) {
        lists.interrupted(watched, &failed("list", forbidden()));
    }
    for watched in all.iter().filter(secrets).filter(|w| is_in(w, "a")) {
        assert!(lists.secrets_known().now_or_never().is_none(), "{watched:?}");
        lists.listed(watched);
    }
    assert!(lists.secrets_known().now_or_never().is_some());
    let of = |namespace: &str| Some(Arc::from(namespace));
    assert!(lists.secrets_of(&of("a")).now_or_never().is_some());
    assert!(lists.secrets_of(&of("b")).now_or_never().is_none());
}

#[test]
fn a_namespace_that_does_not_exist_is_told_and_holds_nobody_up() {
    let lists = listed(&["a", "b"]);
    lists.looked_for(&Arc::from("b"), false);
    let detail = lists.health.ready();
    assert!(
        detail.ok && detail.text.contains("the namespace b does not exist"),
        "{}",
        detail.text
    );
    assert_eq!(unserved(&lists), "1");
    lists.looked_for(&Arc::from("b"), true);
    assert!(says(&lists, "[+] watches: ok"));
}

#[test]
fn a_missing_crd_is_told() {
    let (lists, _) = lists(&[]);
    lists.interrupted(
        &Watched::Credentials(None),
        &failed("list", ClusterError::NotFound),
    );
    let text = lists.health.ready().text;
    assert!(
        !lists.health.ready().ok
            && text.contains("the CustomResourceDefinition is not installed")
            && text.contains("in all namespaces"),
        "{text}"
    );
}

#[test]
fn a_right_that_is_taken_away_ends_readiness_and_an_outage_does_not() {
    let lists = listed(&["a"]);
    let credentials = Watched::Credentials(Some(Arc::from("a")));
    lists.interrupted(&credentials, &failed("watch", away()));
    assert!(lists.health.ready().ok, "an outage");
    lists.interrupted(&credentials, &failed("watch", forbidden()));
    lists.interrupted(&credentials, &failed("watch", forbidden()));
    assert!(!lists.health.ready().ok);
    assert!(says(&lists, "cannot watch"));
    lists.listed(&credentials);
    assert!(lists.health.ready().ok);
}

#[test]
fn one_refusal_of_what_was_listed_is_no_news_and_two_in_a_row_are() {
    let lists = listed(&["a"]);
    let secrets = lists.state().watched.keys().next_back().cloned().unwrap();
    for verb in ["list", "watch"] {
        lists.interrupted(&secrets, &failed(verb, forbidden()));
        assert!(says(&lists, "[+] watches: ok"), "{verb}");
        assert!(lists.secrets_known().now_or_never().is_some(), "{verb}");
        lists.interrupted(&secrets, &failed(verb, away()));
    }
    lists.interrupted(&secrets, &failed("list", forbidden()));
    lists.interrupted(&secrets, &failed("list", forbidden()));
    assert!(says(&lists, "cannot list secrets in the namespace a"));
    assert!(lists.secrets_known().now_or_never().is_none());
}
