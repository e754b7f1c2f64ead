//! Does what is planned.

use std::time::{Duration, Instant};

use entra_operator::api::{ANNOTATION_REFRESH_REQUESTED, EntraCredential};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::Error;
use super::cast::{self, EDITED, FOREIGN_TOKEN};
use super::evidence::{Done, Span};
use super::outages;
use super::plan::{Act, Deed, Side};
use super::replicas::{KEYS, Replica};
use super::scene::{Scene, key_material, sealing_key};
use crate::proxy::{Action, Rule};
use crate::simulator::world::user_name;
use crate::simulator::{Event, Fault, Rule as Script};
use crate::stage::OPERATOR;

/// Pause of people whose request was refused or not answered.
const AGAIN: Duration = Duration::from_millis(500);

/// Longest until people give up: no outage is longer.
const PATIENCE: Duration = Duration::from_mins(2);

impl Scene {
    /// Does it and notes it.
    pub(super) async fn act(&self, deed: Deed) -> Result<(), Error> {
        let from = Timestamp::now();
        let uid = self.do_it(&deed).await?;
        let span = Span::new(from, Timestamp::now());
        self.note(Done { span, deed, uid });
        Ok(())
    }

    /// Gives the uid of a login Secret.
    async fn do_it(&self, deed: &Deed) -> Result<Option<String>, Error> {
        match deed {
            Deed::Kill(n) => self.replica(*n)?.kill().await?,
            Deed::KillInWrite(n) => self.replica(*n)?.kill_in_write().await?,
            Deed::Stop(n, time) => self.replica(*n)?.stop(*time).await,
            Deed::Swap(n) => self.replica(*n)?.swap().await?,
            Deed::Outage(outage, time) => outages::be_out(self, *outage, *time).await?,
            Deed::Lose(side, times) => self.lose(*side, *times),
            Deed::Rotate => persist(async || self.rotate().await).await?,
            Deed::Of(i, act) => {
                let hands = self.hands.get(*i).ok_or(Error::NoCredential(*i))?;
                let _one_thing_after_the_other = hands.lock().await;
                return persist(async || self.play(*i, *act).await).await;
            }
        }
        Ok(None)
    }

    fn replica(&self, number: usize) -> Result<&Replica, Error> {
        self.replicas.get(number).ok_or(Error::NoReplica(number))
    }

    fn lose(&self, side: Side, times: usize) {
        match side {
            Side::Api => {
                for replica in &self.replicas {
                    let rule = Rule::new(Action::LoseAnswer).method("PATCH").path("/secrets/");
                    replica.api.add(rule.times(times));
                }
            }
            Side::Provider => self
                .stage
                .simulator
                .script(Script::new(Fault::LoseAnswer).times(times)),
        }
    }

    async fn rotate(&self) -> Result<(), Error> {
        let rotations = self
            .done()
            .iter()
            .filter(|done| done.deed == Deed::Rotate)
            .count();
        let data = json!({"data": {sealing_key(rotations + 1): key_material()}});
        let keys = Api::<Secret>::namespaced(self.client.clone(), OPERATOR);
        keys.patch(KEYS, &PatchParams::default(), &Patch::Merge(data))
            .await?;
        Ok(())
    }

    /// The part of people. Gives the uid of a login Secret.
    async fn play(&self, i: usize, act: Act) -> Result<Option<String>, Error> {
        match act {
            Act::Login(content) => return self.login(i, content).await.map(Some),
            Act::Revoke(content) => {
                let simulator = &self.stage.simulator;
                simulator.change_password(&user_name(i), &content.password(i), Event::SessionsRevoked);
            }
            Act::Edit => {
                let edited = json!({"stringData": {"access_token": EDITED}});
                self.change_token(i, Some(edited)).await?;
            }
            Act::Remove => self.change_token(i, None).await?,
            Act::Word => self.ask_for_renewal(i).await?,
            Act::Collide => drop(self.apply(&cast::credential(i, Some(FOREIGN_TOKEN))).await?),
            Act::Part | Act::Create => drop(self.apply(&cast::credential(i, None)).await?),
            Act::Delete => {
                let params = DeleteParams::default();
                let deleted = self.credentials(i).delete(&cast::name(i), &params).await;
                ignore_missing(deleted.map(drop))?;
            }
        }
        Ok(None)
    }

    async fn ask_for_renewal(&self, i: usize) -> Result<(), Error> {
        let now = Timestamp::now().to_string();
        let word = json!({"metadata": {"annotations": {ANNOTATION_REFRESH_REQUESTED: now}}});
        self.credentials(i)
            .patch(&cast::name(i), &PatchParams::default(), &Patch::Merge(word))
            .await?;
        Ok(())
    }

    fn credentials(&self, i: usize) -> Api<EntraCredential> {
        Api::namespaced(self.client.clone(), &cast::namespace(i))
    }

    /// Patches or deletes the first token Secret, if it is there.
    async fn change_token(&self, i: usize, patch: Option<Value>) -> Result<(), Error> {
        let tokens = cast::tokens(i);
        let Some((name, _)) = tokens.first() else {
            return Ok(());
        };
        let secrets = self.secrets(i);
        let changed = match patch {
            Some(patch) => {
                let params = PatchParams::default();
                secrets.patch(name, &params, &Patch::Merge(patch)).await.map(drop)
            }
            None => secrets.delete(name, &DeleteParams::default()).await.map(drop),
        };
        ignore_missing(changed)
    }
}

/// As people do: again, until it worked.
async fn persist<T>(work: impl AsyncFn() -> Result<T, Error>) -> Result<T, Error> {
    let begun = Instant::now();
    loop {
        match work().await {
            Err(Error::Kube(_)) if begun.elapsed() < PATIENCE => tokio::time::sleep(AGAIN).await,
            other => return other,
        }
    }
}

fn ignore_missing(result: Result<(), kube::Error>) -> Result<(), Error> {
    match result {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => Ok(other?),
    }
}
