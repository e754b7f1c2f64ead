//! What we send is what MSAL Python sends: the same parameters and headers with the same values, but for the
//! differences listed here, each with its reason. A difference that is not listed fails, and so does a listed one
//! that is gone.

use std::collections::{BTreeMap, BTreeSet};

use entra_lab::simulator::Entry;
use entra_operator::entra::Kind;

use crate::library::Library;
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
#[rustfmt::skip]
const ALWAYS: &[Difference] = &[
    ("accept-encoding", Both, "we ask for none, since answers are small, and read what comes packed all the same"),
    ("connection", Theirs, "HTTP/1.1 keeps connections anyway"),
    ("user-agent", Both, "each under its own name"),
];

/// Those of requests to the cloud.
#[rustfmt::skip]
const CLOUD: &[Difference] = &[
    ("client-request-id", Both, "every sign-in and every renewal has its own"),
    ("return-client-request-id", Ours, "asks for it in the answer, as MSAL.NET and Java do"),
];

/// The question for the realm.
const REALM: &[Difference] = &[
    ("x-client-sku", Ours, "we say who we are in every request"),
    ("x-client-ver", Ours, "we say who we are in every request"),
    ("x-ms-lib-capability", Ours, "we heed Retry-After here, too"),
];

/// Every request to the token endpoint.
#[rustfmt::skip]
const TOKEN: &[Difference] = &[
    ("x-client-current-telemetry", Theirs, "telemetry of MSAL about itself"),
    ("x-client-last-telemetry", Theirs, "telemetry of MSAL about itself"),
    ("x-client-os", Theirs, "telemetry: nothing depends on it"),
    ("x-client-sku", Both, "each under its own name"),
    ("x-client-ver", Both, "each under its own name"),
];

/// A request after the token endpoint has answered once.
const LATER: &[Difference] = &[("cookie", Theirs, "we keep no state but the tokens")];

/// A request with the simulator's client secret.
const SECRET: &[Difference] = &[("content-length", Both, "we escape `~`, and both ways mean it")];

/// A request with an assertion of the client, and the members of that.
#[rustfmt::skip]
const ASSERTION: &[Difference] = &[
    ("client_assertion", Both, "each is signed for its request, with an id and times of its own"),
    ("client_assertion:nbf", Ours, "not before it was signed, as MSAL.NET, Go and Java say"),
    ("client_assertion:x5c", Theirs, "only subject-name trust reads it, which we do not offer"),
    ("content-length", Both, "no `x5c`"),
];

/// The request for an assertion of the federation server.
const WS_TRUST: &[Difference] = &[("content-length", Both, "other prefixes and no indentation")];

/// Every request to AD FS.
#[rustfmt::skip]
const ADFS: &[Difference] = &[
    ("client_info", Theirs, "asks for the home account, which Entra ID alone has"),
    ("content-length", Both, "no `client_info`"),
    ("x-anchormailbox", Theirs, "routes to a region of Entra ID"),
];

/// The redemption of that assertion.
#[rustfmt::skip]
const SAML: &[Difference] = &[
    ("assertion", Both, "the server issues a new one each time; base64 as MSAL.NET, Go and Java write it"),
    ("content-length", Both, "another assertion"),
    ("x-anchormailbox", Ours, "routes to the account's own region, as MSAL.NET says"),
];

/// Everything that a request says, by name.
fn said(entry: &Entry) -> BTreeMap<&str, &str> {
    let line = [(":method", entry.method.as_str()), (":path", entry.path.as_str())];
    let named = entry.query.iter().chain(&entry.headers).chain(&entry.form);
    let named = named.map(|(name, value)| (name.as_str(), value.as_str()));
    line.into_iter().chain(named).collect()
}

/// Names that differ between the two sides.
fn differences<'a>(ours: &'a Entry, theirs: &'a Entry) -> BTreeSet<(&'a str, Side)> {
    let (ours, theirs) = (said(ours), said(theirs));
    let names: BTreeSet<_> = ours.keys().chain(theirs.keys()).copied().collect();
    let compare = |name| match (ours.get(name), theirs.get(name)) {
        (Some(ours), Some(theirs)) => (ours != theirs).then_some((name, Both)),
        (Some(_), None) => Some((name, Ours)),
        (None, _) => Some((name, Theirs)),
    };
    names.into_iter().filter_map(compare).collect()
}

/// The differences of a whole life, request by request.
struct Listed {
    sign_in: Vec<Vec<&'static [Difference]>>,
    renewal: Vec<&'static [Difference]>,
}

impl Listed {
    /// A managed account; each token request has these further differences.
    fn managed(further: &'static [Difference]) -> Self {
        Self {
            sign_in: vec![vec![ALWAYS, CLOUD, REALM], vec![ALWAYS, CLOUD, TOKEN, further]],
            renewal: vec![ALWAYS, CLOUD, TOKEN, LATER, further],
        }
    }

    /// An account of AD FS, which has no realm to ask for.
    fn adfs(further: &'static [Difference]) -> Self {
        Self {
            sign_in: vec![vec![ALWAYS, CLOUD, TOKEN, ADFS, further]],
            renewal: vec![ALWAYS, CLOUD, TOKEN, ADFS, further],
        }
    }

    /// A federated account of a public client.
    fn federated() -> Self {
        Self {
            sign_in: vec![
                vec![ALWAYS, CLOUD, REALM],
                vec![ALWAYS],
                vec![ALWAYS, WS_TRUST],
                vec![ALWAYS, CLOUD, TOKEN, SAML],
            ],
            renewal: vec![ALWAYS, CLOUD, TOKEN, LATER],
        }
    }
}

/// Requests since `mark`. The discovery document does not count: MSAL Python asks it for the token endpoint, and we
/// follow MSAL.NET and Java, who know it.
fn requests(scene: &Scene, mark: u64) -> Vec<Entry> {
    let mut entries = scene.simulator.journal().since(mark);
    entries.retain(|entry| !entry.path.ends_with("/.well-known/openid-configuration"));
    entries
}

fn assert_parity(ours: &[Entry], theirs: &[Entry], listed: &[Vec<&[Difference]>]) {
    assert_eq!((ours.len(), theirs.len()), (listed.len(), listed.len()));
    for ((ours, theirs), listed) in ours.iter().zip(theirs).zip(listed) {
        let listed: BTreeSet<_> = listed
            .concat()
            .iter()
            .map(|&(name, side, _)| (name, side))
            .collect();
        assert_eq!(differences(ours, theirs), listed, "{}", ours.path);
    }
}

/// The same sign-in from both sides, then the same renewal: the library's refresh token serves both.
async fn a_life_is_pythons(registration: Registration, user: User, listed: Listed) {
    a_life_is_pythons_at(Kind::Entra, registration, user, listed).await;
}

async fn a_life_is_pythons_at(kind: Kind, registration: Registration, user: User, listed: Listed) {
    let scene = Scene::of(kind).await;
    let ours = scene.ours(&registration);
    let mut msal = scene.msal(Library::Python, registration);
    ours.sign_in(&user).await.unwrap();
    let our_end = scene.mark();
    let theirs = msal.sign_in(&user).await.unwrap();
    let sent = requests(&scene, 0);
    let (ours_sent, theirs_sent) = sent.split_at(sent.partition_point(|entry| entry.sequence < our_end));
    assert_parity(ours_sent, theirs_sent, &listed.sign_in);

    let renewal = scene.mark();
    let refresh_token = theirs.refresh_token.as_deref().unwrap();
    ours.redeem(refresh_token, &theirs.account).await.unwrap();
    msal.renew().await.unwrap();
    let sent = requests(&scene, renewal);
    assert_parity(&sent[..1], &sent[1..], &[listed.renewal]);
}

#[tokio::test]
async fn requests_of_a_public_client_are_pythons() {
    a_life_is_pythons(Registration::public(), User::nth(0), Listed::managed(&[])).await;
}

#[tokio::test]
async fn requests_with_a_client_secret_are_pythons() {
    a_life_is_pythons(Registration::with_secret(), User::nth(0), Listed::managed(SECRET)).await;
}

#[tokio::test]
async fn requests_with_a_certificate_are_pythons() {
    a_life_is_pythons(
        Registration::with_certificate(),
        User::nth(0),
        Listed::managed(ASSERTION),
    )
    .await;
}

#[tokio::test]
async fn requests_for_a_federated_account_are_pythons() {
    a_life_is_pythons(Registration::public(), User::federated(), Listed::federated()).await;
}

/// The signature and the thumbprint are others there, RS256 and SHA-1, and both sides know it: a difference of
/// `client_assertion:alg` or `client_assertion:x5t` is not listed.
#[tokio::test]
async fn requests_with_a_certificate_to_ad_fs_are_pythons() {
    let registration = Registration::with_certificate();
    a_life_is_pythons_at(Kind::Adfs, registration, User::nth(0), Listed::adfs(ASSERTION)).await;
}

#[tokio::test]
async fn requests_of_a_public_client_to_ad_fs_are_pythons() {
    a_life_is_pythons_at(
        Kind::Adfs,
        Registration::public(),
        User::nth(0),
        Listed::adfs(&[]),
    )
    .await;
}
