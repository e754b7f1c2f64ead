//! OpenID providers that answer less than Entra does: no id_token to a password, no refresh token to a refresh token, and
//! a clock that goes back.

use std::time::Duration;

use entra_lab::simulator::world::{Issuer, Rotation, World, password, user_name};
use entra_lab::simulator::{Fault, Omit, Options, Rule, Simulator};
use entra_lab::stage::{OIDC, Operator};
use entra_operator::api::annotation;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::spec;
use crate::evidence::{LONG_LIFE, asking, passed, steps};
use crate::scene::{LIFE, Place};

/// One credential `one` at an issuer of its own, and two users.
struct Scene {
    place: Place,
    issuer: Simulator,
    first: String,
    second: String,
    operator: Operator,
}

impl Scene {
    /// The operator runs and `one`, at the issuer, waits for its login.
    async fn set(name: &str, rotation: Rotation, life: u64) -> Self {
        let mut spec = spec("one");
        spec["authority"] = json!(OIDC);
        spec["tokens"][0]["scopes"] = json!(["api://orders/read"]);
        spec.as_object_mut().unwrap().remove("tenant");
        Self::of(name, rotation, life, spec).await
    }

    async fn of(name: &str, rotation: Rotation, life: u64, spec: Value) -> Self {
        let place = Place::new(name).await;
        let world = World::with_users(2).issuer(Issuer::new("a", rotation));
        let issuer = Simulator::start(Options::new(world).token_lifetime(life)).await;
        let issuer = issuer.unwrap();
        let operator = place.operator(asking(&issuer)).await;
        place.apply("one", spec).await;
        Self {
            place,
            issuer,
            first: user_name(0),
            second: user_name(1),
            operator,
        }
    }

    async fn sign_in(&self, user: usize) {
        self.place
            .login("one-login", &user_name(user), &password(user))
            .await;
    }

    /// The first user has signed in.
    async fn signed_in(&self) {
        self.sign_in(0).await;
        self.place.gone("one-login").await;
        self.ready().await;
    }

    async fn ready(&self) {
        self.place.expect("one", "Ready", "True/Fresh").await;
    }

    fn redemptions(&self) -> usize {
        self.issuer.journal().redemptions(&self.first)
    }

    /// Waits until a refresh token was redeemed once more.
    async fn redeemed(&self) {
        let before = self.redemptions();
        self.place
            .until("a redemption", || async { self.redemptions() > before })
            .await;
    }

    /// Status of `one`, one field.
    async fn told(&self, pointer: &str) -> Value {
        let status = self.place.status("one").await;
        status.pointer(pointer).cloned().unwrap_or_default()
    }

    /// Waits until status tells this reason of failure.
    async fn fails(&self, reason: &str) {
        self.place
            .until(reason, || async { self.told("/failure/reason").await == reason })
            .await;
    }

    /// The operator is killed and started anew.
    async fn restart(&mut self) {
        self.operator.kill();
        self.operator = self.place.operator(asking(&self.issuer)).await;
    }

    /// An annotation of the refresh-token Secret.
    async fn noted(&self, name: &str) -> Option<String> {
        let secret = self.place.secret("one.refresh-token").await?;
        secret.annotations().get(name).cloned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_named_late_completes_the_pin_and_is_no_leave_for_another() {
    let scene = Scene::set("named-late", Rotation::Renewed, LIFE).await;
    scene.issuer.configure(|b| b.omit_id_token = Omit::OnSignIn);
    scene.signed_in().await;
    scene.redeemed().await;
    let once = scene.redemptions();
    tokio::time::sleep(Duration::from_secs(LIFE / 4)).await;
    assert_eq!(scene.redemptions(), once, "nothing became due by it");
    assert_eq!(scene.told("/failure").await, Value::Null);
    scene.redeemed().await;
    scene.ready().await;

    scene.sign_in(1).await;
    scene.fails("IdentityChanged").await;
    assert!(scene.place.secret("one-login").await.is_some(), "it is kept");
    assert_eq!(scene.issuer.journal().password_sends(&scene.second), 1);
    assert_eq!(scene.told("/account/username").await, scene.first);
    scene.redeemed().await;
    scene.redeemed().await;
    let ready = scene.place.condition("one", "Ready").await;
    assert!(ready.starts_with("True/"), "{ready}");
    assert_eq!(scene.issuer.journal().password_sends(&scene.second), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completed_pin_is_stored_where_no_refresh_token_comes_back() {
    let mut scene = Scene::set("completed", Rotation::Kept, LIFE).await;
    scene.issuer.configure(|b| b.omit_id_token = Omit::OnSignIn);
    scene.signed_in().await;
    let stored = scene.place.version("one.refresh-token").await;
    scene
        .place
        .until("the completed pin is stored", || async {
            scene.place.version("one.refresh-token").await != stored
        })
        .await;
    let stored = scene.place.version("one.refresh-token").await;
    scene.redeemed().await;
    scene.ready().await;
    assert_eq!(scene.place.version("one.refresh-token").await, stored, "once");

    let second = scene.second.clone();
    scene.issuer.configure(|b| b.answer_as = Some(second));
    scene.restart().await;
    scene.fails("IdentityChanged").await;
    assert_eq!(scene.told("/account/username").await, scene.first);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_account_note_costs_no_loop_of_redemptions() {
    let mut scene = Scene::set("note", Rotation::Kept, LONG_LIFE).await;
    scene.signed_in().await;
    let before = scene.redemptions();
    for edited in [json!("0123456789abcdef0123456789abcdef"), Value::Null] {
        let passes = steps(&scene.operator);
        let edit = json!({"metadata": {"annotations": {annotation::ACCOUNT: edited}}});
        scene.place.patch_secret("one.refresh-token", edit).await;
        passed(&scene.operator, passes).await;
        scene.ready().await;
        scene.restart().await;
        passed(&scene.operator, 0).await;
        scene.ready().await;
    }
    let redemptions = scene.redemptions() - before;
    assert!(redemptions <= 2, "{redemptions} redemptions");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_lives_again_is_told_so_where_no_other_comes_back() {
    let scene = Scene::of("revival", Rotation::Kept, LIFE, spec("one")).await;
    scene.issuer.configure(|b| b.omit_refresh_token = Omit::OnRefresh);
    scene.signed_in().await;
    // What Entra says of a session that was revoked; here it lives.
    let revoked = Rule::new(Fault::code(50173)).grant("refresh_token");
    scene.issuer.script(revoked);
    scene.place.expect("one", "LoggedIn", "False/LoginRequired").await;
    assert!(scene.noted(annotation::DEAD_SINCE).await.is_some());
    let silent = scene.redemptions();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(scene.redemptions(), silent, "dead means silent");

    scene.place.request_refresh("one").await;
    scene
        .place
        .expect_within(10, "one", "LoggedIn", "True/RefreshTokenStored")
        .await;
    scene.ready().await;
    assert_eq!(scene.noted(annotation::DEAD_SINCE).await, None);
    scene.redeemed().await;
    scene.ready().await;
    assert_eq!(scene.issuer.journal().password_sends(&scene.first), 1);
}

/// What came back for the stored token is newer than it, whatever the clocks say. Here a token that was used once ends all
/// if it is used again.
#[tokio::test(flavor = "multi_thread")]
async fn a_newer_refresh_token_is_stored_although_the_clock_of_its_issuer_went_back() {
    const AHEAD: i64 = 1200;
    let scene = Scene::set("gone-back", Rotation::OneTime, LONG_LIFE).await;
    scene.issuer.clock().advance(AHEAD);
    scene.sign_in(0).await;
    scene.place.gone("one-login").await;
    let issued = || async { scene.noted(annotation::ISSUED_AT).await.unwrap() };
    let ahead = issued().await;
    scene.issuer.clock().advance(-AHEAD);
    for _ in 0..2 {
        let stored = scene.place.version("one.refresh-token").await;
        scene.place.request_refresh("one").await;
        scene.redeemed().await;
        scene
            .place
            .until("the newer refresh token is stored", || async {
                scene.place.version("one.refresh-token").await != stored
            })
            .await;
        assert!(issued().await < ahead);
        // Requests are spaced.
        tokio::time::sleep(Duration::from_secs(21)).await;
    }
    assert_eq!(
        scene.place.condition("one", "LoggedIn").await,
        "True/RefreshTokenStored"
    );
}
