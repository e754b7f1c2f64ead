//! The vault against what others might do to its blobs, and against accidents.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::rand::SystemRandom;

use super::*;
use crate::api::{KeyFormat, Realm};
use crate::plan::answer::Account;
use crate::plan::identity::{AccountTag, Pin};
use crate::plan::metadata::EntryName;
use crate::plan::record::{Attempt, Entry, Verdict};
use crate::plan::snapshot::Unopened;
use crate::reconcile::material::ClientCertificate;

const OLD: &str = "20260101T000000Z-aa";
const NEW: &str = "20260601T000000Z-bb";
const NEW_MADE_AT: Time = Time(1_780_272_000);

/// A keyring and the hand that moves its clock.
struct Bench {
    ring: Keyring,
    clock: Arc<AtomicU64>,
}

impl Bench {
    fn new(ids: &[&str], now: Time) -> Self {
        let clock = Arc::new(AtomicU64::new(1000));
        let reading = Arc::clone(&clock);
        let monotonic: Monotonic = Arc::new(move || Duration::from_secs(reading.load(Ordering::Relaxed)));
        Self {
            ring: Keyring::new(keys(ids), now, monotonic),
            clock,
        }
    }

    fn settled() -> Self {
        Self::new(&[OLD], NEW_MADE_AT)
    }

    fn pass(&self, seconds: u64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    fn sealer(&self) -> String {
        let sealed = self.ring.seal_record(&place("a", "b"), &Record::default()).key_id;
        assert_eq!(sealed, self.ring.keys_in_use().sealing.0);
        sealed
    }
}

/// Keys whose bytes follow from their id.
fn keys(ids: &[&str]) -> KeySet {
    let mut data = SecretData::default();
    data.insert("mac", vec![7; 32]);
    for id in ids {
        let byte = id.bytes().fold(0, u8::wrapping_add);
        data.insert(format!("seal.{id}"), vec![byte; 32]);
    }
    KeySet::from_data(&data).unwrap()
}

fn place(namespace: &str, name: &str) -> Key {
    Key::new(namespace, name)
}

fn binding(authority: &str, tenant: &str, client_id: &str) -> Binding {
    Binding {
        authority: authority.to_owned(),
        tenant: tenant.to_owned(),
        client_id: client_id.to_owned(),
    }
}

fn session() -> StoredSession {
    let account = Account {
        home_account_id: "u.t".to_owned(),
        username: "q7Zk-user".to_owned(),
        ..Account::default()
    };
    StoredSession {
        refresh_token: Secret::new("q7Zk-refresh".to_owned()),
        pin: Pin {
            user: "q7Zk-user".to_owned(),
            account,
            tag: AccountTag("tag".to_owned()),
        },
        answered_at: Time(5),
        ends_at: None,
    }
}

fn record() -> Record {
    let content = ContentMac("ab".to_owned());
    let entry = Entry {
        verdict: Verdict::Wrong,
        sends: 1,
        ..Entry::new(content.clone())
    };
    Record {
        entries: vec![entry],
        attempt: Some(Attempt {
            id: "x".to_owned(),
            content,
            entry: EntryName("graph".to_owned()),
        }),
    }
}

#[test]
fn a_session_opens_where_it_was_sealed_and_nowhere_else() {
    let ring = Bench::settled().ring;
    let (here, bound) = (place("ns", "a.refresh-token"), binding("h", "t", "c"));
    let sealed = ring.seal_session(&here, &bound, &session());
    let opened = ring.open_session(&here, &bound, &sealed.bytes).unwrap();
    assert_eq!(opened.refresh_token.expose(), "q7Zk-refresh");
    assert_eq!((opened.pin, opened.answered_at), (session().pin, Time(5)));
    for (place, binding) in [
        (place("other", "a.refresh-token"), bound.clone()),
        (place("ns", "b.refresh-token"), bound),
        (here.clone(), binding("evil", "t", "c")),
        (here.clone(), binding("h", "t2", "c")),
        (here, binding("h", "t", "c2")),
    ] {
        assert_eq!(
            ring.open_session(&place, &binding, &sealed.bytes).err(),
            Some(OpenError::Broken)
        );
    }
}

#[test]
fn a_record_opens_where_it_was_sealed_and_nowhere_else() {
    let ring = Bench::settled().ring;
    let sealed = ring.seal_record(&place("ns", "a"), &record());
    assert_eq!(ring.open_record(&place("ns", "a"), &sealed.bytes), Ok(record()));
    assert_eq!(
        ring.open_record(&place("ns", "b"), &sealed.bytes),
        Err(OpenError::Broken)
    );
    assert_eq!(
        ring.open_record(&place("na", "a"), &sealed.bytes),
        Err(OpenError::Broken)
    );
}

#[test]
fn a_session_is_no_record_and_a_record_no_session() {
    let ring = Bench::settled().ring;
    let (here, bound) = (place("ns", "a"), Binding::default());
    let session = ring.seal_session(&here, &bound, &session());
    let record = ring.seal_record(&here, &record());
    assert_eq!(ring.open_record(&here, &session.bytes), Err(OpenError::Broken));
    assert_eq!(
        ring.open_session(&here, &bound, &record.bytes).err(),
        Some(OpenError::Broken)
    );
}

#[test]
fn a_new_key_opens_at_once_and_seals_after_three_minutes() {
    let bench = Bench::settled();
    bench.ring.replace(keys(&[OLD, NEW]));
    let elsewhere = Bench::new(&[NEW], NEW_MADE_AT)
        .ring
        .seal_record(&place("a", "b"), &record());
    assert_eq!(
        bench.ring.open_record(&place("a", "b"), &elsewhere.bytes),
        Ok(record())
    );
    assert_eq!(bench.sealer(), OLD);
    bench.pass(179);
    bench.ring.replace(keys(&[OLD, NEW]));
    assert_eq!(bench.sealer(), OLD);
    bench.pass(1);
    assert_eq!(bench.sealer(), NEW);
}

#[test]
fn only_another_set_of_keys_is_another_generation() {
    let bench = Bench::settled();
    let generation = || bench.ring.keys_in_use().generation;
    let first = generation();
    bench.ring.replace(keys(&[OLD]));
    assert_eq!(generation(), first, "the same keys again");
    bench.ring.replace(keys(&[OLD, NEW]));
    let second = generation();
    assert_ne!(second, first);
    bench.ring.replace(keys(&[OLD]));
    assert!(![first, second].contains(&generation()), "it never comes back");
}

#[test]
fn a_blob_names_its_key_to_those_who_have_not_got_it() {
    let blob = Bench::new(&[NEW], NEW_MADE_AT)
        .ring
        .seal_record(&place("a", "b"), &record());
    let ring = Bench::settled().ring;
    assert_eq!(ring.key_of(&blob.bytes), Some(KeyName(NEW.to_owned())));
    assert_eq!(ring.key_of(b"no blob"), None);
    assert_eq!(
        ring.open_record(&place("a", "b"), &blob.bytes),
        Err(OpenError::UnknownKey(NEW.to_owned()))
    );
}

#[test]
fn only_what_its_own_key_refuses_is_damaged() {
    let ring = Bench::settled().ring;
    let here = place("a", "b");
    let blob = ring.seal_record(&here, &record()).bytes;
    let changed = |at: usize| {
        let mut blob = blob.clone();
        blob[at] ^= 1;
        ring.open_record(&here, &blob).err().as_ref().map(Unopened::from)
    };
    assert_eq!(changed(blob.len() - 1), Some(Unopened::Damaged));
    assert_eq!(changed(0), Some(Unopened::Locked), "a newer form");
    assert_eq!(changed(3), Some(Unopened::Locked), "another key");
}

#[test]
fn the_only_key_seals_at_once() {
    let bench = Bench::new(&[NEW], NEW_MADE_AT);
    assert_eq!(bench.sealer(), NEW);
    bench.ring.replace(keys(&[OLD]));
    assert_eq!(bench.sealer(), OLD);
}

#[test]
fn at_start_a_key_seals_if_its_id_says_it_is_old_enough() {
    assert_eq!(Bench::new(&[OLD, NEW], NEW_MADE_AT.plus(180)).sealer(), NEW);
    let bench = Bench::new(&[OLD, NEW], NEW_MADE_AT.plus(100));
    assert_eq!(bench.sealer(), OLD);
    bench.pass(80);
    assert_eq!(bench.sealer(), NEW);
}

#[test]
fn a_key_from_the_future_waits_no_longer_than_three_minutes() {
    let bench = Bench::new(&[OLD, NEW], Time(NEW_MADE_AT.0 - 1_000_000));
    assert_eq!(bench.sealer(), OLD);
    bench.pass(180);
    assert_eq!(bench.sealer(), NEW);
}

#[test]
fn a_removed_key_is_named_when_it_is_missed() {
    let bench = Bench::settled();
    let sealed = bench.ring.seal_record(&place("a", "b"), &record());
    let handle = bench.ring.clone();
    handle.replace(keys(&[NEW]));
    drop(handle);
    let missed = bench.ring.open_record(&place("a", "b"), &sealed.bytes);
    assert_eq!(missed, Err(OpenError::UnknownKey(OLD.to_owned())));
    bench.ring.replace(keys(&[OLD, NEW]));
    assert_eq!(
        bench.ring.open_record(&place("a", "b"), &sealed.bytes),
        Ok(record())
    );
}

#[test]
fn hashes_do_not_change_with_a_rotation() {
    let bench = Bench::settled();
    let content = LoginContent {
        username: Secret::new("u".to_owned()),
        password: Secret::new("p".to_owned()),
    };
    let hashes = |ring: &Keyring| {
        let content = ring.content_mac(&content, &Binding::default(), Realm::Auto).0;
        (
            content,
            ring.mac(Purpose::Owner, &["a"]),
            ring.data_mac(&place("a", "b"), &SecretData::default(), &BTreeMap::new()),
        )
    };
    let before = hashes(&bench.ring);
    bench.ring.replace(keys(&[NEW]));
    assert_eq!(hashes(&bench.ring), before);
}

/// Each is made of all that it is asked for: what is another in any part has another hash.
#[test]
fn hashes_of_different_things_differ() {
    let ring = Bench::settled().ring;
    let secret = |text: &str| Secret::new(text.to_owned());
    let certificate = |certificate: &str, key: &str| {
        ClientAuthentication::Certificate(ClientCertificate {
            certificate: certificate.as_bytes().to_vec(),
            key: secret(key),
        })
    };
    let clients = [
        ClientAuthentication::Secret(secret("one")),
        ClientAuthentication::Secret(secret("two")),
        certificate("one", "key"),
        certificate("two", "key"),
        certificate("one", "other"),
        ClientAuthentication::Assertion(secret("one")),
    ];
    let mut data = SecretData::default();
    data.insert("access_token", b"q7Zk".to_vec());
    let (empty, said) = (BTreeMap::new(), [("a/b".to_owned(), "1".to_owned())].into());
    let hashes: Vec<_> = clients
        .iter()
        .map(|client| ring.client_mac(client).0)
        .chain([
            ring.mac(Purpose::Owner, &["a"]),
            ring.mac(Purpose::Owner, &["b"]),
            ring.mac(Purpose::Account, &["a"]),
            ring.data_mac(&place("a", "b"), &data, &empty),
            ring.data_mac(&place("a", "c"), &data, &empty),
            ring.data_mac(&place("a", "b"), &SecretData::default(), &empty),
            ring.data_mac(&place("a", "b"), &data, &said),
        ])
        .collect();
    assert!(hashes.iter().all(|hash| hash.len() == 32));
    assert_eq!(hashes.iter().collect::<BTreeSet<_>>().len(), hashes.len());
    let token = |text: &str| ring.client_mac(&ClientAuthentication::Assertion(secret(text)));
    assert_eq!(token("one"), token("two"), "another is issued for each use");
}

#[test]
fn a_generated_set_works_at_once() {
    let now = Time(1_795_332_277);
    let keys = KeySet::generate(&SystemRandom::new(), now).unwrap();
    let ring = Keyring::new(keys, now, Arc::new(|| Duration::ZERO));
    let sealed = ring.seal_record(&place("a", "b"), &record());
    assert_eq!(ring.open_record(&place("a", "b"), &sealed.bytes), Ok(record()));
}

#[test]
fn nothing_secret_is_printed() {
    let ring = Bench::settled().ring;
    let sealed = ring.seal_session(&place("a", "b"), &Binding::default(), &session());
    let keys = [TokenKey {
        name: "token".to_owned(),
        format: KeyFormat::AccessToken,
    }];
    let granted = Granted {
        has_refresh_token: true,
        ..Granted::default()
    };
    let data = ring.render(&keys, &granted, &Secret::new("q7Zk-access".to_owned()));
    assert_eq!(data.get("token"), Some(&b"q7Zk-access"[..]));
    let shown = format!(
        "{ring:?} {data:?} {:?} {}",
        session().refresh_token,
        String::from_utf8_lossy(&sealed.bytes)
    );
    assert!(!shown.contains("q7Zk") && shown.contains("[redacted]"));
    assert!(
        format!("{ring:?}").contains(OLD),
        "the names of keys are no secret"
    );
}
