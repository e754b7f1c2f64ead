//! Every kind of authority: a refusal that is kept, and a sign-in that is renewed.

use entra_lab::simulator::world::{PUBLIC_CLIENT, TENANT};
use entra_lab::stage::{ADFS, B2C, OIDC, OperatorOptions};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{calls, sends, spec};
use crate::relay::in_turn;
use crate::scene::{Place, stage, user};

/// An authority of some kind, in a spec.
struct Kind {
    authority: &'static str,
    tenant: Option<&'static str>,
    scope: &'static str,
    /// Where its tokens are asked for.
    endpoint: &'static str,
    /// Seconds that its refresh tokens live, if it says so.
    refresh_token_life: Option<i64>,
}

const KINDS: [Kind; 3] = [
    Kind {
        authority: B2C,
        tenant: Some(TENANT),
        scope: PUBLIC_CLIENT,
        endpoint: "/11111111-2222-3333-4444-555555555555/B2C_1_ropc/oauth2/v2.0/token",
        refresh_token_life: Some(14 * 24 * 3600),
    },
    Kind {
        authority: ADFS,
        tenant: None,
        scope: "api://orders/read",
        endpoint: "/adfs/oauth2/token",
        refresh_token_life: Some(8 * 3600),
    },
    Kind {
        authority: OIDC,
        tenant: None,
        scope: "api://orders/read",
        endpoint: "/oidc/a/token",
        refresh_token_life: None,
    },
];

impl Kind {
    fn spec(&self) -> Value {
        let mut spec = spec("one");
        spec["authority"] = json!(self.authority);
        spec["tokens"][0]["scopes"] = json!([self.scope]);
        match self.tenant {
            Some(tenant) => spec["tenant"] = json!(tenant),
            None => drop(spec.as_object_mut().unwrap().remove("tenant")),
        }
        spec
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_authority_refuses_signs_in_and_renews() {
    stage().await;
    let mut cases = JoinSet::new();
    for kind in KINDS {
        cases.spawn(in_turn(plays(kind)));
    }
    cases.join_all().await;
}

async fn plays(kind: Kind) {
    let place = Place::new(kind.authority).await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let (name, password) = user();
    place.apply("one", kind.spec()).await;
    place.login("one-login", &name, "PWMARK-wrong").await;
    place.expect("one", "LoggedIn", "False/WrongPassword").await;
    // Only Entra says without doubt whose fault it is: the login stays, until its content is another.
    assert!(place.secret("one-login").await.is_some(), "{}", kind.authority);
    let right = json!({"stringData": {"password": password}});
    place.patch_secret("one-login", right).await;
    place.expect("one", "Ready", "True/Fresh").await;
    place.gone("one-login").await;
    let before = calls(&name).await;
    place
        .until("it is renewed", || async { calls(&name).await > before })
        .await;
    place.expect("one", "Ready", "True/Fresh").await;
    assert_eq!(sends(&name).await, 2, "{}", kind.authority);
    // B2C says it with a renewal only.
    place
        .until("the end of the refresh token is told", || async {
            told_life(&place.status("one").await["refreshToken"]) == kind.refresh_token_life
        })
        .await;
    let journal = place.stage().await.simulator.journal();
    let asked = journal.matching(|e| e.grant().is_some() && e.user.as_deref() == Some(&*name));
    for entry in asked {
        assert_eq!(entry.path, kind.endpoint);
    }
}

/// Seconds that the stored refresh token lives, as the status says.
fn told_life(refresh_token: &Value) -> Option<i64> {
    let moment = |field: &str| {
        Some(
            refresh_token[field]
                .as_str()?
                .parse::<jiff::Timestamp>()
                .unwrap()
                .as_second(),
        )
    };
    Some(moment("expiresAt")? - moment("issuedAt")?)
}
