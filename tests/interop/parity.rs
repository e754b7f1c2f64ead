//! What we send is what MSAL Python sends: the same parameters and headers with the same values, but for the
//! differences listed here, each with its reason. A difference that is not listed fails, and so does a listed one
//! that is gone.

use std::collections::{BTreeMap, BTreeSet};

use entra_lab::simulator::Entry;

use crate::library::Library;
use crate::ours::granted;
use crate::scene::{Registration, Scene, User};

/// Who sends a header, if not both the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Ours,
    Theirs,
    /// Both do, with other values.
    Both,
}
use Side::{Both, Ours, Theirs};

/// A header, who sends it, and why we differ.
type Difference = (&'static str, Side, &'static str);

/// Differences of every request.
const ALWAYS: &[Difference] = &[
    (
        "accept-encoding",
        Theirs,
        "answers are small, and an unpacked one cannot outgrow its limit",
    ),
    ("client-request-id", Both, "every request has its own"),
    ("connection", Theirs, "HTTP/1.1 keeps connections anyway"),
    (
        "return-client-request-id",
        Ours,
        "asks for it in the answer, as MSAL.NET and Java do",
    ),
    ("user-agent", Both, "each under its own name"),
    (
        "x-client-current-telemetry",
        Theirs,
        "telemetry of MSAL about itself",
    ),
    (
        "x-client-last-telemetry",
        Theirs,
        "telemetry of MSAL about itself",
    ),
    ("x-client-os", Theirs, "telemetry: nothing depends on it"),
    ("x-client-sku", Both, "each under its own name"),
    ("x-client-ver", Both, "each under its own name"),
];

/// Further ones once a token request was answered.
const LATER: &[Difference] = &[("cookie", Theirs, "we keep no state but the tokens")];

/// Further ones of a request with the simulator's client secret.
const WITH_SECRET: &[Difference] = &[("content-length", Both, "we escape `~`, and both ways mean it")];

/// Names that differ between the two sides.
fn differences<'a>(
    ours: &'a BTreeMap<String, String>,
    theirs: &'a BTreeMap<String, String>,
) -> BTreeSet<(&'a str, Side)> {
    let names: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    let compare = |name: &'a String| match (ours.get(name), theirs.get(name)) {
        (Some(ours), Some(theirs)) => (ours != theirs).then_some((name.as_str(), Both)),
        (Some(_), None) => Some((name.as_str(), Ours)),
        (None, _) => Some((name.as_str(), Theirs)),
    };
    names.into_iter().filter_map(compare).collect()
}

/// Method, path, query and form are equal; the headers differ as listed and in nothing else.
fn assert_parity(ours: &Entry, theirs: &Entry, listed: &[&[Difference]]) {
    assert_eq!(ours.method, theirs.method);
    assert_eq!((&ours.path, &ours.query), (&theirs.path, &theirs.query));
    assert_eq!(ours.form, theirs.form);
    let listed: BTreeSet<_> = listed
        .concat()
        .iter()
        .map(|&(name, side, _)| (name, side))
        .collect();
    assert_eq!(differences(&ours.headers, &theirs.headers), listed);
}

/// The same sign-in from both sides, then the same renewal: the library's refresh token serves both.
async fn a_life_is_pythons(registration: Registration, listed: &[Difference]) {
    let scene = Scene::start().await;
    let user = User::nth(0);
    let ours = scene.ours(&registration);
    let mut msal = scene.msal(Library::Python, registration);
    granted(ours.sign_in(&user).await);
    let theirs = msal.sign_in(&user).await.tokens();
    let refresh_token = theirs.refresh_token.as_deref().unwrap();
    granted(ours.redeem(refresh_token, &theirs.account).await);
    msal.renew().await.tokens();
    let sent = scene.token_requests(0);
    assert_eq!(
        scene.grants(0),
        ["password", "password", "refresh_token", "refresh_token"]
    );
    assert_parity(&sent[0], &sent[1], &[ALWAYS, listed]);
    assert_parity(&sent[2], &sent[3], &[ALWAYS, LATER, listed]);
}

#[tokio::test]
async fn a_public_clients_requests_are_pythons() {
    a_life_is_pythons(Registration::public(), &[]).await;
}

#[tokio::test]
async fn requests_with_a_client_secret_are_pythons() {
    a_life_is_pythons(Registration::with_secret(), WITH_SECRET).await;
}
