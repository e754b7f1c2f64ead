//! The sealing keys: rotated, lost and found again; written back when somebody deletes them, and missed, not replaced, when
//! they are gone.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use entra_lab::simulator::world::PUBLIC_CLIENT;
use entra_lab::stage::{ADFS, OPERATOR, Operator, OperatorOptions};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::account::Account;
use crate::scene::{Place, api_scope, stage, user};

/// Two sealing keys. Both are older than the three minutes that a key is held before it seals, so the newest seals from a
/// start on.
const OLD: &str = "20250101T000000Z-aa";
const NEW: &str = "20250601T000000Z-bb";

/// Nobody's password.
const WRONG: &str = "pw-wrong-for-test";

/// Seconds within which a key that came back is noticed.
const NOTICED: u64 = 20;

/// The key Secret of one test's operator, and the account that it is for.
struct Keys {
    account: Account,
    name: String,
    secrets: Api<Secret>,
}

type Data = BTreeMap<String, ByteString>;

impl Keys {
    async fn of(place: &Place) -> Self {
        let account = Account::serving(place).await;
        Self {
            name: account.keys(),
            account,
            secrets: Api::namespaced(place.client.clone(), OPERATOR),
        }
    }

    fn options(&self) -> OperatorOptions {
        self.account.options()
    }

    /// Replaces what is in it.
    async fn put(&self, ids: &[&str]) {
        let entries = set(ids)
            .into_iter()
            .map(|(id, key)| (id, json!(STANDARD.encode(key))));
        let mut data: BTreeMap<_, _> = entries.collect();
        for id in [OLD, NEW] {
            data.entry(format!("seal.{id}")).or_insert(Value::Null);
        }
        let patch = Patch::Merge(json!({"data": data}));
        self.secrets
            .patch(&self.name, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    async fn data(&self) -> Option<Data> {
        self.secrets.get_opt(&self.name).await.unwrap()?.data
    }

    async fn delete(&self) {
        let params = DeleteParams::default();
        self.secrets.delete(&self.name, &params).await.unwrap();
    }

    async fn create_set(&self, ids: &[&str]) {
        let entries = set(ids).into_iter();
        self.create(entries.map(|(id, key)| (id, ByteString(key))).collect())
            .await;
    }

    async fn create(&self, data: Data) {
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            data: Some(data),
            ..Secret::default()
        };
        self.secrets
            .create(&PostParams::default(), &secret)
            .await
            .unwrap();
    }
}

/// Entries of a key Secret with these sealing keys.
fn set(ids: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let byte = |id: &str| id.bytes().fold(0, u8::wrapping_add);
    let sealing = ids.iter().map(|id| (format!("seal.{id}"), vec![byte(id); 32]));
    sealing.chain([("mac".to_owned(), vec![7; 32])]).collect()
}

/// A mounted key file with these sealing keys, replaced at once as a kubelet does it.
fn write_file(path: &Path, ids: &[&str]) {
    let mut keys: BTreeMap<_, _> = set(ids)
        .into_iter()
        .map(|(name, key)| (name.trim_start_matches("seal.").to_owned(), STANDARD.encode(key)))
        .collect();
    let mac = keys.remove("mac");
    let beside = path.with_extension("new");
    std::fs::write(&beside, json!({"mac": mac, "keys": keys}).to_string()).unwrap();
    std::fs::rename(beside, path).unwrap();
}

/// The keys that sealed both blobs, as they say themselves, and the one that the annotation names.
async fn sealed_by(place: &Place, name: &str) -> [String; 3] {
    let secret = place.secret(&format!("{name}.refresh-token")).await.unwrap();
    let data = secret.data.unwrap();
    // One byte of version and one of length, then the key's id.
    let key_of =
        |blob: &str| String::from_utf8(data[blob].0[2..2 + usize::from(data[blob].0[1])].to_vec()).unwrap();
    let annotation = &secret.metadata.annotations.unwrap()["entra-operator.dev/key-id"];
    [key_of("record"), key_of("token"), annotation.clone()]
}

async fn is_sealed_by(place: &Place, name: &str, key: &str) -> bool {
    sealed_by(place, name).await.iter().all(|by| by == key)
}

async fn sealed_secrets(operator: &Operator, key: &str, suspended: bool) -> Option<String> {
    let url = format!("{}/metrics", operator.metrics().unwrap());
    let name = format!(r#"entra_sealed_secrets{{key_id="{key}",suspended="{suspended}"}} "#);
    let scrape = operator.get(&url).await?;
    scrape
        .lines()
        .find_map(|line| line.strip_prefix(&name).map(str::to_owned))
}

/// Has the login Secret created and waits until it was used and is gone.
async fn used(place: &Place, name: &str, user: &str, password: &str) {
    place.login(name, user, password).await;
    place
        .until("the login Secret is gone", || async {
            place.secret(name).await.is_none()
        })
        .await;
}

/// A credential `one` whose refresh token the old key has sealed: the operator, and the user name.
async fn signed_in_under_the_old_key(place: &Place, keys: &Keys) -> (Operator, String) {
    keys.create_set(&[OLD]).await;
    let operator = place.operator(keys.options()).await;
    let (name, password) = user();
    place.credential("one", &[("one-api", &api_scope())]).await;
    used(place, "one-login", &name, &password).await;
    (operator, name)
}

async fn suspend(place: &Place, name: &str, suspend: bool) {
    let patch = Patch::Merge(json!({"spec": {"suspend": suspend}}));
    let credentials = place.credentials();
    credentials
        .patch(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

/// A credential of AD FS, which brings no new refresh token with a renewal.
async fn at_adfs(place: &Place, name: &str) {
    let spec = json!({
        "clientId": PUBLIC_CLIENT, "authority": ADFS, "login": {"secretName": format!("{name}-login")},
        "tokens": [{"secretName": format!("{name}-api"), "scopes": ["api://orders/read"]}],
    });
    place.apply(name, spec).await;
}

/// Credentials, all sealed by the old key: `one` with a content that was found wrong, `two` with a long life and suspended,
/// `three` of AD FS. Their users come back, with passwords.
async fn three_credentials(place: &Place) -> [(String, String); 3] {
    let users = [user(), user(), user()];
    let [(one, right), (two, second), (three, third)] = &users;
    let simulator = &stage().await.simulator;
    simulator.change_user(two, |user| user.token_lifetime = Some(3600));
    place.credential("one", &[("one-api", &api_scope())]).await;
    used(place, "one-login", one, WRONG).await;
    used(place, "one-login", one, right).await;
    place.credential("two", &[("two-api", &api_scope())]).await;
    used(place, "two-login", two, second).await;
    at_adfs(place, "three").await;
    used(place, "three-login", three, third).await;
    suspend(place, "two", true).await;
    place.expect("two", "Ready", "True/Suspended").await;
    for name in ["one", "two", "three"] {
        assert!(is_sealed_by(place, name, OLD).await, "{name}");
    }
    users
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_goes_after_a_rotation_and_no_password_is_sent_for_it() {
    let place = Place::new("rotation").await;
    let keys = Keys::of(&place).await;
    keys.create_set(&[OLD]).await;
    let mut operator = place.operator(keys.options()).await;
    let [(one, _), (two, second), (three, _)] = three_credentials(&place).await;

    operator.kill();
    keys.put(&[OLD, NEW]).await;
    let operator = place.operator(keys.options()).await;
    for name in ["one", "three"] {
        place
            .until("it is sealed by the new key after a renewal", || {
                is_sealed_by(&place, name, NEW)
            })
            .await;
    }
    let shown = || sealed_secrets(&operator, OLD, true);
    place
        .until("the suspended one is counted apart", || async {
            shown().await.as_deref() == Some("1")
        })
        .await;
    assert_eq!(sealed_secrets(&operator, OLD, false).await.as_deref(), Some("0"));
    assert!(
        is_sealed_by(&place, "two", OLD).await,
        "nothing is written for what is suspended"
    );
    suspend(&place, "two", false).await;
    place
        .until("it is sealed anew when it is resumed", || {
            is_sealed_by(&place, "two", NEW)
        })
        .await;
    let journal = stage().await.simulator.journal();
    assert_eq!(journal.redemptions(&two), 0, "without a call");
    place
        .until("nothing needs the old key", || async {
            shown().await.as_deref() == Some("0")
        })
        .await;

    keys.put(&[NEW]).await;
    place
        .until("the old key is let go", || async { shown().await.is_none() })
        .await;
    used(&place, "one-login", &one, WRONG).await;
    used(&place, "two-login", &two, &second).await;
    let sends = |user: &str| journal.password_sends(user);
    assert_eq!([sends(&one), sends(&two), sends(&three)], [2, 1, 1]);
    let stored = keys.data().await.unwrap();
    assert!(stored.keys().all(|entry| !entry.contains(OLD)), "it stays away");
    place.expect("one", "Ready", "True/Fresh").await;
    place.expect("three", "Ready", "True/Fresh").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_comes_back_is_noticed_without_a_restart() {
    let place = Place::new("keyback").await;
    let keys = Keys::of(&place).await;
    let (mut operator, name) = signed_in_under_the_old_key(&place, &keys).await;
    operator.kill();
    keys.put(&[NEW]).await;
    let _operator = place.operator(keys.options()).await;
    place
        .expect_within(60, "one", "LoggedIn", "False/Unsealable")
        .await;
    keys.put(&[OLD, NEW]).await;
    let back = Instant::now();
    place
        .expect_within(NOTICED, "one", "LoggedIn", "True/RefreshTokenStored")
        .await;
    place.expect_within(NOTICED, "one", "Ready", "True/Fresh").await;
    assert!(back.elapsed() < Duration::from_secs(NOTICED));
    assert_eq!(stage().await.simulator.journal().password_sends(&name), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_is_looked_for_before_anything_is_said() {
    let place = Place::new("keylook").await;
    let keys = Keys::of(&place).await;
    let (mut operator, name) = signed_in_under_the_old_key(&place, &keys).await;
    suspend(&place, "one", true).await;
    place.expect("one", "Ready", "True/Suspended").await;
    let since = logged_in_since(&place, "one").await;
    operator.kill();
    keys.put(&[NEW]).await;
    // Ready means that it has just read the keys, and it looks again in ten seconds.
    let _operator = place.operator(keys.options()).await;
    keys.put(&[OLD, NEW]).await;
    let now = Timestamp::now().to_string();
    let annotations = json!({"entra-operator.dev/refresh-requested-at": now});
    let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}, "spec": {"suspend": false}}));
    let credentials = place.credentials();
    credentials
        .patch("one", &PatchParams::default(), &patch)
        .await
        .unwrap();
    let journal = stage().await.simulator.journal();
    place
        .until("it is renewed", || async { journal.redemptions(&name) > 0 })
        .await;
    place.expect("one", "Ready", "True/Fresh").await;
    assert_eq!(
        logged_in_since(&place, "one").await,
        since,
        "it was never Unsealable"
    );
}

async fn logged_in_since(place: &Place, name: &str) -> Value {
    let status = place.status(name).await;
    let conditions = status["conditions"].as_array().unwrap();
    let logged_in = conditions.iter().find(|c| c["type"] == "LoggedIn").unwrap();
    assert_eq!(logged_in["status"], "True");
    logged_in["lastTransitionTime"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_that_changes_is_taken_in_and_nothing_is_sent_without_its_key() {
    let place = Place::new("keyfile").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    write_file(&file, &[OLD]);
    let options = OperatorOptions {
        config: format!("sealing: {{keyFile: {}}}", file.display()),
        ..OperatorOptions::default()
    };
    let _operator = place.operator(options).await;
    let (name, password) = user();
    place.credential("one", &[("one-api", &api_scope())]).await;
    used(&place, "one-login", &name, &password).await;
    place.expect("one", "Ready", "True/Fresh").await;

    write_file(&file, &[NEW]);
    place
        .expect_within(60, "one", "LoggedIn", "False/Unsealable")
        .await;
    write_file(&file, &[OLD, NEW]);
    place.expect_within(NOTICED, "one", "Ready", "True/Fresh").await;
    assert!(
        is_sealed_by(&place, "one", OLD).await,
        "a key that is new here does not seal yet"
    );
    assert_eq!(stage().await.simulator.journal().password_sends(&name), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_keys_are_written_back_and_replaced_ones_completed() {
    let place = Place::new("keys").await;
    let keys = Keys::of(&place).await;
    let _operator = place.operator(keys.options()).await;
    let (name, password) = user();
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.login("one-login", &name, &password).await;
    place.expect("one", "Ready", "True/Fresh").await;
    let before = keys.data().await.unwrap();
    keys.delete().await;
    place
        .until("the keys are back", || async { keys.data().await.is_some() })
        .await;
    assert_eq!(keys.data().await.unwrap(), before, "the same keys");

    // Somebody puts other keys there: ours are added, so that both open what they have sealed.
    let shared = Api::<Secret>::namespaced(place.client.clone(), OPERATOR);
    let elsewhere = Place::new("keys").await;
    let _other = elsewhere.operator(OperatorOptions::default()).await;
    let other = shared.get("entra-operator-keys").await.unwrap().data.unwrap();
    keys.delete().await;
    keys.create(other.clone()).await;
    let has_all = |data: &Data| {
        let sealing = |key: &&String| key.as_str() != "mac";
        before
            .keys()
            .chain(other.keys())
            .filter(sealing)
            .all(|key| data.contains_key(key))
    };
    place
        .until("both keys are there", || async {
            keys.data().await.is_some_and(|data| has_all(&data))
        })
        .await;
    let mac = keys.data().await.unwrap().remove("mac");
    assert_eq!(
        mac.as_ref(),
        before.get("mac"),
        "hashes go on with the key in use"
    );
    // The same sealing keys with another key for hashes.
    let mut other_mac = keys.data().await.unwrap();
    other_mac.insert("mac".to_owned(), ByteString(vec![9; 32]));
    keys.delete().await;
    keys.create(other_mac).await;
    place
        .until("the key for hashes is put back", || async {
            keys.data().await.unwrap().get("mac") == before.get("mac")
        })
        .await;
    let renewals = || async { stage().await.simulator.journal().redemptions(&name) };
    let before = renewals().await;
    place
        .until("it is still renewed", || async { renewals().await > before })
        .await;
    place.expect("one", "Ready", "True/Fresh").await;
}

/// As docs/configuration.md says, where the operator of the other cluster has made keys of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_goes_on_where_other_keys_were_made_once_its_own_are_beside_them() {
    let place = Place::new("merge").await;
    let keys = Keys::of(&place).await;
    let (mut operator, name) = signed_in_under_the_old_key(&place, &keys).await;
    let mut session = place.secret("one.refresh-token").await.unwrap();
    operator.kill();
    let credentials = place.credentials();
    credentials.delete("one", &DeleteParams::default()).await.unwrap();
    place.gone("one.refresh-token").await;
    place.gone("one-api").await;
    keys.delete().await;
    let mut others = set(&[NEW]);
    others.insert("mac".to_owned(), vec![9; 32]);
    let others = others.into_iter().map(|(id, key)| (id, ByteString(key)));
    keys.create(others.collect()).await;

    let _operator = place.operator(keys.options()).await;
    session.metadata = ObjectMeta {
        name: session.metadata.name,
        annotations: session.metadata.annotations,
        ..ObjectMeta::default()
    };
    place.create_secret(serde_json::to_value(session).unwrap()).await;
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.expect("one", "Ready", "False/SecretConflict").await;
    keys.put(&[OLD, NEW]).await;
    place.expect("one", "Ready", "True/Fresh").await;
    assert_eq!(stage().await.simulator.journal().password_sends(&name), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_keys_are_asked_for_and_nothing_is_destroyed() {
    let place = Place::new("keys").await;
    let keys = Keys::of(&place).await;
    let mut operator = place.operator(keys.options()).await;
    let (name, password) = user();
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.login("one-login", &name, &password).await;
    place.expect("one", "Ready", "True/Fresh").await;
    operator.kill();
    let backup = keys.data().await.unwrap();
    keys.delete().await;
    let sealed = place.version("one.refresh-token").await;

    let options = OperatorOptions {
        wait: false,
        ..keys.options()
    };
    let operator = place.operator(options).await;
    place
        .until("/readyz names the key Secret", || async {
            let Some(health) = operator.health() else {
                return false;
            };
            let answer = operator.get(&format!("{health}/readyz")).await;
            answer.is_some_and(|text| text.contains(&keys.name))
        })
        .await;
    assert!(!operator.is_ready().await);
    let health = operator.health().unwrap();
    let alive = reqwest::get(format!("{health}/livez")).await.unwrap();
    assert!(alive.status().is_success(), "a restart would not help");
    assert!(keys.data().await.is_none(), "no new keys are made");
    assert_eq!(place.version("one.refresh-token").await, sealed);

    keys.create(backup).await;
    operator.ready().await.unwrap();
    place.expect("one", "Ready", "True/Fresh").await;
    assert_eq!(stage().await.simulator.journal().password_sends(&name), 1);
}
