//! When a watch begins anew, and what is complete.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::stream::{iter, pending, repeat_with};
use kube::core::Status;
use tokio::time::sleep;

use super::super::scope::scopes;
use super::*;

#[test]
fn no_namespace_means_all() {
    assert_eq!(scopes(&[]), [None]);
    assert_eq!(secret_watches(&scopes(&[])).len(), 5);
}

#[test]
fn each_namespace_has_its_watches() {
    let scopes = scopes(&["a".to_owned(), "b".to_owned()]);
    assert_eq!(secret_watches(&scopes).len(), 10);
}

#[test]
fn every_watch_selects_on_the_server() {
    for selects in Selects::ALL {
        let config = selects.config();
        assert!(config.field_selector.is_some() != config.label_selector.is_some());
    }
}

#[test]
fn types_lead_to_their_watch() {
    assert_eq!(Selects::of_type(LOGIN_TYPE), Some(Selects::Logins));
    assert_eq!(Selects::of_type("Opaque"), None);
}

fn api_error(code: u16) -> kube::Error {
    let status = Status::failure("made up", "MadeUp").with_code(code);
    kube::Error::Api(status.boxed())
}

/// How often a watch that cannot be resumed fails before it begins anew.
async fn failures_before_it_begins_anew(code: u16) -> usize {
    let (started, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let anew = || {
        started.fetch_add(1, Ordering::Relaxed);
        repeat_with(move || Err(watcher::Error::WatchStartFailed(api_error(code)))).boxed()
    };
    let (_told, rewound) = tokio::sync::watch::channel(());
    let mut watch = Box::pin(lasting::<_, SeenSecret>(anew, rewound, Door::default()));
    while started.load(Ordering::Relaxed) < 2 {
        assert!(watch.next().await.is_some_and(|item| item.is_err()));
        failed.fetch_add(1, Ordering::Relaxed);
    }
    failed.into_inner()
}

#[tokio::test(start_paused = true)]
async fn a_watch_begins_anew_where_the_version_to_go_on_from_may_be_of_another_history() {
    assert_eq!(failures_before_it_begins_anew(410).await, 1, "it is not kept");
    assert_eq!(
        failures_before_it_begins_anew(403).await,
        1,
        "for want of a right"
    );
    assert_eq!(failures_before_it_begins_anew(503).await, 3);
}

/// What is told within a time, and how often it was listed for that.
async fn told<B>(begin: B, within: Duration) -> (Vec<&'static str>, usize)
where
    B: Fn(usize) -> Events<()>,
{
    let times = AtomicUsize::new(0);
    let anew = || begin(times.fetch_add(1, Ordering::Relaxed));
    let (_told, rewound) = tokio::sync::watch::channel(());
    let watch = lasting(anew, rewound, Door::default()).take_until(sleep(within));
    let words = watch.map(|item| match item {
        Ok(watcher::Event::Init) => "list",
        Ok(watcher::Event::InitDone) => "listed",
        Ok(_) => "object",
        Err(_) => "failed",
    });
    (words.collect().await, times.into_inner())
}

/// An empty list, and what its watch tells at first.
fn list(
    then: Option<watcher::Result<watcher::Event<()>>>,
) -> impl Stream<Item = watcher::Result<watcher::Event<()>>> {
    let list = [Ok(watcher::Event::Init), Ok(watcher::Event::InitDone)];
    iter(list.into_iter().chain(then))
}

#[tokio::test(start_paused = true)]
async fn who_may_list_and_not_watch_is_refused_for_good_and_lists_seldom() {
    let list_only = |_| list(Some(Err(watcher::Error::WatchStartFailed(api_error(403))))).boxed();
    let (words, lists) = told(list_only, Duration::from_mins(2)).await;
    assert_eq!(words[..3], ["list", "listed", "failed"]);
    assert!(!words[3..].contains(&"listed"), "{words:?}");
    assert!((10..=25).contains(&lists), "{lists} lists in two minutes");
}

#[tokio::test(start_paused = true)]
async fn a_list_after_a_refusal_is_complete_once_its_watch_was_let_in() {
    let refused = || once(async { Err(watcher::Error::InitialListFailed(api_error(403))) });
    let silent = |_| refused().chain(list(None)).chain(pending()).boxed();
    let (words, _) = told(silent, 3 * REFUSED_WITHIN).await;
    assert_eq!(words, ["failed", "list", "listed"]);
    let object = || Some(Ok(watcher::Event::Apply(())));
    let busy = |_| refused().chain(list(object())).chain(pending()).boxed();
    let (words, _) = told(busy, 3 * REFUSED_WITHIN).await;
    assert_eq!(words, ["failed", "list", "listed", "object"]);
}
