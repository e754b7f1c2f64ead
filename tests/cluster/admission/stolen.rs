//! A stolen token of the operator's ServiceAccount, and the Secrets that it may and may not write. The rights (RBAC) are those
//! of the manifests, and would allow all of it.

use entra_lab::stage::{OPERATOR, OperatorOptions};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde_json::{Value, json};

use super::Deed::{Change, Create, Delete};
use super::{Deed, client_of, idle_credential, owner, secret, tried, with};
use crate::scene::{Place, stage};

const SESSION: &str = "entra-operator.dev/refresh-token";
const LOGIN: &str = "entra-operator.dev/login";
const KEYS: &str = "entra-operator-keys";

/// Whoever has the token, in a namespace with every kind of Secret.
struct Thief {
    secrets: Api<Secret>,
    /// In the operator's own namespace.
    own: Api<Secret>,
    /// Uids of the credentials `one` and `two`.
    one: String,
    two: String,
    place: Place,
}

impl Thief {
    async fn new() -> Self {
        let place = Place::new("stolen").await;
        let client = client_of(stage().await, OPERATOR, OPERATOR).await;
        let thief = Self {
            secrets: Api::namespaced(client.clone(), &place.namespace),
            own: Api::namespaced(client, OPERATOR),
            one: idle_credential(&place, "one").await,
            two: idle_credential(&place, "two").await,
            place,
        };
        for secret in thief.present() {
            thief.place.create_secret(secret).await;
        }
        // The API server takes a moment to go by policies that were applied just now.
        thief
            .place
            .until("the policies are in force", || async {
                tried(&thief.secrets, Delete("theirs")).await.is_err()
            })
            .await;
        thief
    }

    /// What there is: of the operator, of a backup, of users.
    fn present(&self) -> Vec<Value> {
        let noted = json!({"metadata": {"annotations": {"entra-operator.dev/uid": "of-former-times"}}});
        let foreign = |name: &str, kind: &str, data: Value| json!({"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": {"name": name}, "data": data});
        let goes_with_two = owners(&json!([owner("two", &self.two, false)]));
        vec![
            secret("one-api", "Opaque", &self.by_one()),
            secret("one.refresh-token", SESSION, &self.by_one()),
            secret("free", "Opaque", &json!([])),
            with(
                secret(
                    "two.refresh-token",
                    SESSION,
                    &json!([owner("two", &self.two, true)]),
                ),
                &noted,
            ),
            foreign("theirs", "Opaque", json!({"a": "YQ=="})),
            foreign(
                "certificate",
                "kubernetes.io/tls",
                json!({"tls.crt": "YQ==", "tls.key": "YQ=="}),
            ),
            foreign(
                "one-login",
                LOGIN,
                json!({"username": "YQ==", "password": "YQ=="}),
            ),
            with(
                foreign("annotated", "Opaque", json!({})),
                &json!({"metadata": {"annotations": {"a": "b"}}}),
            ),
            with(foreign("owned", "Opaque", json!({})), &goes_with_two),
        ]
    }

    fn by_one(&self) -> Value {
        json!([owner("one", &self.one, true)])
    }

    async fn may(&self, deed: Deed, what: &str) {
        let outcome = tried(&self.secrets, deed).await;
        assert_eq!(outcome, Ok(()), "{what}");
    }

    /// It is denied, by the clause with this message.
    async fn may_not(&self, deed: Deed, what: &str, clause: &str) {
        denied(tried(&self.secrets, deed).await, what, clause);
    }
}

fn denied(outcome: Result<(), String>, what: &str, clause: &str) {
    let said = outcome.expect_err(what);
    assert!(
        said.contains("ValidatingAdmissionPolicy 'entra-operator-secrets'"),
        "{what}: {said}"
    );
    assert!(said.contains(clause), "{what}: {said}");
}

fn owners(owners: &Value) -> Value {
    json!({"metadata": {"ownerReferences": owners}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_token_creates_no_secret_but_those_of_a_credential() {
    let thief = Thief::new().await;
    let token = || secret("new", "Opaque", &thief.by_one());
    let session = || secret("one.refresh-token", SESSION, &thief.by_one());
    thief.may(Create(token()), "a token Secret").await;
    thief.may(Create(session()), "a refresh-token Secret").await;
    for kind in [
        "kubernetes.io/service-account-token",
        "bootstrap.kubernetes.io/token",
        LOGIN,
        "contoso.example/any",
    ] {
        let account = json!({"type": kind, "metadata": {"annotations": {"kubernetes.io/service-account.name": "default"}}});
        let other = with(token(), &account);
        thief
            .may_not(
                Create(other),
                kind,
                "of the types of Secrets, the operator writes",
            )
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stolen_token_creates_belongs_to_one_credential_and_is_named_and_marked_so() {
    let thief = Thief::new().await;
    let token = || secret("new", "Opaque", &thief.by_one());
    let controls = "an EntraCredential controls what the operator creates";
    let foreign =
        json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "u", "controller": true}]);
    let impostor = with(
        owner("one", &thief.one, true),
        &json!({"apiVersion": "entra-operator.dev.example/v1"}),
    );
    for (owned, what) in [
        (json!([]), "a Secret of nobody"),
        (
            json!([owner("one", &thief.one, false)]),
            "a Secret that nobody controls",
        ),
        (
            json!([owner("one", &thief.one, true), owner("two", &thief.two, false)]),
            "a Secret of two",
        ),
        (foreign, "a Secret of a ConfigMap"),
        (json!([impostor]), "a Secret of another group's credential"),
    ] {
        thief
            .may_not(Create(secret("new", "Opaque", &owned)), what, controls)
            .await;
    }
    let unproven = with(token(), &json!({"metadata": {"annotations": null}}));
    thief
        .may_not(Create(unproven), "a Secret without the proof", controls)
        .await;
    let unlabelled = with(token(), &json!({"metadata": {"labels": null}}));
    thief
        .may_not(
            Create(unlabelled),
            "a token Secret without the label",
            "a token Secret has the label",
        )
        .await;
    let misnamed = secret("two.refresh-token", SESSION, &thief.by_one());
    thief
        .may_not(
            Create(misnamed),
            "the refresh-token Secret of another",
            "a refresh-token Secret has the name",
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_token_changes_no_secret_of_somebody_else() {
    let thief = Thief::new().await;
    let data = || json!({"data": {"a": "Yg=="}});
    for name in ["one-api", "one.refresh-token"] {
        thief.may(Change(name, data()), name).await;
    }
    let adopted = with(data(), &owners(&thief.by_one()));
    thief
        .may(
            Change("free", adopted.clone()),
            "the adoption of what bears the proof",
        )
        .await;
    let not_ours = "what nobody controls and bears its proof";
    for name in ["theirs", "annotated", "owned"] {
        thief.may_not(Change(name, adopted.clone()), name, not_ours).await;
    }
    thief
        .may_not(
            Change("theirs", data()),
            "data of somebody else",
            "an EntraCredential controls",
        )
        .await;
    let metadata = json!({"metadata": {"labels": {"a": "b"}}});
    thief
        .may_not(
            Change("theirs", metadata.clone()),
            "a label of somebody else",
            "an EntraCredential controls",
        )
        .await;
    thief
        .may_not(
            Change("certificate", metadata),
            "a TLS Secret",
            "of the types of Secrets",
        )
        .await;
    thief
        .may_not(
            Change("free", data()),
            "what is free, without adopting it",
            "controls what the operator has written",
        )
        .await;
    let freed = owners(&json!([]));
    thief
        .may_not(
            Change("one-api", freed),
            "the release of a token Secret",
            "controls what the operator has written",
        )
        .await;
    let unlabelled = json!({"metadata": {"labels": {"entra-operator.dev/token": null}}});
    thief
        .may_not(Change("one-api", unlabelled), "the label", "takes the label")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_token_hands_no_secret_from_one_owner_to_another() {
    let thief = Thief::new().await;
    let to = |name: &str, uid: &str| owners(&json!([owner(name, uid, true)]));
    let passes = "takes no Secret from one EntraCredential for another";
    thief
        .may_not(
            Change("one-api", to("two", &thief.two)),
            "a token Secret of another",
            passes,
        )
        .await;
    thief
        .may_not(
            Change("one-api", to("one", "another-uid")),
            "a token Secret of a namesake",
            passes,
        )
        .await;
    thief
        .may_not(
            Change("one.refresh-token", to("one", "another-uid")),
            "what was not restored",
            passes,
        )
        .await;
    thief
        .may(
            Change("two.refresh-token", to("two", "another-uid")),
            "a refresh-token Secret that was restored",
        )
        .await;
    let renamed = to("one", &thief.one);
    thief
        .may_not(
            Change("two.refresh-token", renamed),
            "the restored one of another",
            "a refresh-token Secret has the name",
        )
        .await;
    let of_user = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "u"});
    let more = json!([owner("one", &thief.one, true), of_user]);
    thief
        .may_not(
            Change("one-api", owners(&more)),
            "an owner more",
            "no other owner",
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_token_claims_and_deletes_logins_and_leaves_their_content() {
    let thief = Thief::new().await;
    let claim = json!({"metadata": {"annotations": {"entra-operator.dev/claimed-by": "one/u"}}});
    thief.may(Change("one-login", claim.clone()), "a claim").await;
    let owned = with(claim, &owners(&json!([owner("one", &thief.one, false)])));
    thief
        .may(Change("one-login", owned), "a claim with an owner")
        .await;
    let clause = "on a login Secret the operator writes its claim only";
    let leave = json!({"metadata": {"annotations": {"entra-operator.dev/allow-identity-change": "true"}}});
    for (change, what) in [
        (json!({"data": {"password": "Yg=="}}), "another password"),
        (leave, "leave for another account"),
        (owners(&thief.by_one()), "control of it"),
    ] {
        thief.may_not(Change("one-login", change), what, clause).await;
    }
    thief.may(Delete("one-login"), "a login Secret").await;
    thief.may(Delete("one-api"), "a token Secret").await;
    let clause = "the operator deletes login Secrets, and token Secrets";
    for name in ["one.refresh-token", "free", "theirs", "certificate", "owned"] {
        thief.may_not(Delete(name), name, clause).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_token_creates_and_completes_the_keys_and_does_not_delete_them() {
    let thief = Thief::new().await;
    // An operator makes them.
    let elsewhere = Place::new("keys").await;
    let _operator = elsewhere.operator(OperatorOptions::default()).await;
    let try_own = async |deed| tried(&thief.own, deed).await;
    let new = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": KEYS}, "data": {}});
    assert_eq!(try_own(Create(new.clone())).await, Ok(()));
    assert_eq!(
        try_own(Change(KEYS, json!({"data": {"seal.x": "YQ=="}}))).await,
        Ok(())
    );
    let owned = owners(&thief.by_one());
    let clause = "nobody owns the key Secret";
    denied(
        try_own(Create(with(new.clone(), &owned))).await,
        "keys of a credential",
        clause,
    );
    denied(try_own(Change(KEYS, owned)).await, "an owner", clause);
    let elsewhere = json!({"metadata": {"name": "another"}});
    denied(
        try_own(Create(with(new.clone(), &elsewhere))).await,
        "another Secret there",
        "controls what the operator creates",
    );
    denied(
        tried(&thief.secrets, Create(new.clone())).await,
        "keys in another namespace",
        "controls what the operator creates",
    );
    let annotation = json!({"kubernetes.io/service-account.name": OPERATOR});
    let kind =
        json!({"type": "kubernetes.io/service-account-token", "metadata": {"annotations": annotation}});
    denied(
        try_own(Create(with(new, &kind))).await,
        "a token under their name",
        "of the types of Secrets",
    );
    denied(
        try_own(Delete(KEYS)).await,
        "their deletion",
        "the operator deletes login Secrets",
    );
}
