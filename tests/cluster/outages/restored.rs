//! etcd is set back to an earlier backup under running operators: what they know is newer than what there is.

use std::sync::Arc;
use std::time::Duration;

use entra_lab::proxy::{Action, Gate, Rule as ApiRule, Trigger};
use entra_lab::simulator::world::{password, user_name};
use entra_lab::stage::Stage;
use entra_operator::cluster::{PAGE, Selects};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::json;
use tokio::join;

use super::{RECOVERY, Trial, seconds};
use crate::scene::{LIFE, Place, api_scope};

/// How far versions go back: further than the cluster comes again while this test runs.
const FAR: u64 = 800;

/// How an operator meets the restored cluster.
#[derive(Clone, Copy, Debug)]
enum Meets {
    /// Its watches fail for as long as the API server is away.
    TheOutage,
    /// Something between them waits for the API server: its watches go on without having failed.
    NoOutage,
    /// The same, but an API server that has not read its roles yet refuses its watches of Secrets, and they begin anew with what
    /// there is: no write shows that what it knows is of the past.
    ListsOfSecrets,
    /// Only once the versions have caught up with what it knows. It wrote nothing that was lost: no Secret tells it.
    NewerVersions,
}

struct Case {
    meets: Meets,
    trial: Trial,
    /// The user of a credential that comes later.
    other: usize,
    /// What holds its watches.
    gate: Gate,
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restore_of_etcd_the_operator_goes_on_by_itself() {
    let stage = Arc::new(Stage::with_users(8, LIFE).await.unwrap());
    let through = Case::set(&stage, Meets::TheOutage, 0).await;
    let held = Case::set(&stage, Meets::NoOutage, 1).await;
    let listing = Case::set(&stage, Meets::ListsOfSecrets, 2).await;
    let late = Case::set(&stage, Meets::NewerVersions, 3).await;
    late.before();
    let backup = stage.plane.back_up().await.unwrap();
    let lost = "a token that is lost again";
    join!(
        through.trial.renewed(lost),
        held.trial.renewed(lost),
        listing.trial.renewed(lost)
    );
    let now = write_until(&stage, 0).await;
    write_until(&stage, now + FAR).await;
    late.somebody_passes_by().await;
    let known = write_until(&stage, 0).await;
    for case in [&through, &held, &listing] {
        case.before();
    }
    stage.plane.restore(&backup).await.unwrap();
    assert!(write_until(&stage, 0).await < known, "versions went back");
    let caught_up = async {
        late.news().await;
        // A watch that could not be resumed for a while begins anew: no cluster makes up for what it lost before that.
        seconds(10).await;
        write_until(&stage, known + 1).await;
        late.goes_on().await;
    };
    let at_once = async |case: &Case| {
        case.news().await;
        case.goes_on().await;
    };
    join!(at_once(&through), at_once(&held), at_once(&listing), caught_up);
}

/// Writes what is nothing of ours until its version is at least this one.
async fn write_until(stage: &Stage, enough: u64) -> u64 {
    let maps = Api::<ConfigMap>::namespaced(stage.plane.client().await.unwrap(), "default");
    loop {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "busy"},
            "data": {"at": Timestamp::now().to_string()}});
        let apply = PatchParams::apply("test").force();
        let written = maps.patch("busy", &apply, &Patch::Apply(&map)).await.unwrap();
        let version = written.resource_version().unwrap().parse().unwrap();
        if version >= enough {
            return version;
        }
    }
}

impl Case {
    async fn set(stage: &Arc<Stage>, meets: Meets, user: usize) -> Self {
        let place = Place::on(stage, "restored").await;
        let trial = Trial::at(place, (user_name(user), password(user))).await;
        trial.sign_in().await;
        trial.ready().await;
        Self {
            meets,
            trial,
            other: user + 4,
            gate: Gate::new(),
        }
    }

    fn before(&self) {
        let api = &self.trial.relay.api;
        match self.meets {
            Meets::TheOutage => {}
            Meets::NoOutage => self.hold_watches(),
            Meets::ListsOfSecrets => {
                let refused = Action::status(403, "Forbidden");
                let each = [Selects::Logins, Selects::RefreshTokens, Selects::Tokens];
                api.add(ApiRule::new(refused).path("/secrets?").times(each.len()));
                self.hold_watches();
                self.hide_the_present();
            }
            Meets::NewerVersions => {
                let away = Action::status(503, "ServiceUnavailable");
                api.add(ApiRule::new(away).forever());
            }
        }
    }

    fn hold_watches(&self) {
        let held = Action::Before(Trigger::gate(self.gate.clone()));
        let watches = ApiRule::new(held).path("watch=true").forever();
        self.trial.relay.api.add(watches);
    }

    /// It does not get to know how far the versions are: in time it would see them go back.
    fn hide_the_present(&self) {
        let api = &self.trial.relay.api;
        let pages = ApiRule::new(Action::Delay(Duration::ZERO));
        api.add(pages.path(&format!("limit={PAGE}")).forever());
        let away = Action::status(503, "ServiceUnavailable");
        api.add(ApiRule::new(away).path("limit=1").forever());
    }

    /// Its watch goes on to a version that is lost.
    async fn somebody_passes_by(&self) {
        let place = &self.trial.place;
        place.credential("gone", &[("gone-api", &api_scope())]).await;
        place
            .credentials()
            .delete("gone", &DeleteParams::default())
            .await
            .unwrap();
        seconds(1).await;
    }

    /// A user brings a credential that nobody knew before the restore.
    async fn news(&self) {
        let place = &self.trial.place;
        place.credential("new", &[("new-api", &api_scope())]).await;
        place
            .login("new-login", &user_name(self.other), &password(self.other))
            .await;
    }

    /// It has nothing but the API server before it, and finds its way: new tokens, no password twice, few calls.
    async fn goes_on(&self) {
        let (place, trial) = (&self.trial.place, &self.trial);
        let begun = Timestamp::now();
        trial.relay.api.clear();
        if matches!(self.meets, Meets::ListsOfSecrets) {
            self.hide_the_present();
        }
        self.gate.release();
        let published = trial.version().await;
        place
            .until("the token is renewed", || async {
                trial.version().await != published
            })
            .await;
        for name in ["c", "new"] {
            place.expect_within(RECOVERY, name, "Ready", "True/Fresh").await;
        }
        trial.renewed("it goes on").await;
        trial.expect("True/Fresh").await;
        for method in ["GET", "PATCH"] {
            trial.calls_are_few(begun, method, "/secrets/c");
        }
        let journal = trial.stage().await.simulator.journal();
        let sends = [&trial.user, &user_name(self.other)].map(|user| journal.password_sends(user));
        assert_eq!(sends, [1, 1], "{:?}", self.meets);
        assert!(trial.operator.is_ready().await, "{:?}", self.meets);
    }
}
