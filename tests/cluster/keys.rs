//! The sealing keys: written back when somebody deletes them, and missed, not replaced, when they are gone.

use std::collections::BTreeMap;

use entra_lab::stage::{OPERATOR, OperatorOptions};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, PostParams};

use crate::scene::{Place, api_scope, stage, user};

/// The key Secret of one test's operator.
struct Keys {
    name: String,
    secrets: Api<Secret>,
}

type Data = BTreeMap<String, ByteString>;

impl Keys {
    fn of(place: &Place) -> Self {
        Self {
            name: format!("keys-of-{}", place.namespace),
            secrets: Api::namespaced(place.client.clone(), OPERATOR),
        }
    }

    fn options(&self) -> OperatorOptions {
        OperatorOptions {
            config: format!("sealing: {{keySecret: {}}}", self.name),
            ..OperatorOptions::default()
        }
    }

    async fn data(&self) -> Option<Data> {
        self.secrets.get_opt(&self.name).await.unwrap()?.data
    }

    async fn delete(&self) {
        let params = DeleteParams::default();
        self.secrets.delete(&self.name, &params).await.unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn deleted_keys_are_written_back_and_replaced_ones_completed() {
    let place = Place::new("keys").await;
    let keys = Keys::of(&place);
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
    let renewals = || async { stage().await.simulator.journal().redemptions(&name) };
    let before = renewals().await;
    place
        .until("it is still renewed", || async { renewals().await > before })
        .await;
    place.expect("one", "Ready", "True/Fresh").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_keys_are_asked_for_and_nothing_is_destroyed() {
    let place = Place::new("keys").await;
    let keys = Keys::of(&place);
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
