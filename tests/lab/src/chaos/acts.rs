//! Does what is planned.

use std::time::{Duration, Instant};

use entra_operator::api::EntraCredential;
use jiff::Timestamp;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::Error;
use super::cast::{self, EDITED, FOREIGN_TOKEN};
use super::evidence::{Done, Span};
use super::outages;
use super::plan::{Deed, Side};
use super::replicas::{KEYS, Replica};
use super::scene::{Scene, key_material, sealing_key};
use crate::proxy::{Action, Rule};
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
            Deed::Outage(outage, time) => outages::be_out(self, *outage, *time).await?,
            Deed::Lose(side, times) => self.lose(*side, *times),
            Deed::Kill(_) | Deed::KillInWrite(_) | Deed::Swap(_) | Deed::Stop(..) => self.disturb(deed).await?,
            Deed::Rotate
            | Deed::Login(..)
            | Deed::Revoke(..)
            | Deed::Edit(_)
            | Deed::Remove(_)
            | Deed::Word(_)
            | Deed::Collide(_)
            | Deed::Part(_)
            | Deed::Delete(_)
            | Deed::Create(_) => return self.persist(deed).await,
        }
        Ok(None)
    }

    async fn disturb(&self, deed: &Deed) -> Result<(), Error> {
        match deed {
            Deed::Kill(n) => self.replica(*n)?.kill().await,
            Deed::KillInWrite(n) => self.replica(*n)?.kill_in_write().await,
            Deed::Swap(n) => self.replica(*n)?.swap().await,
            Deed::Stop(n, time) => {
                self.replica(*n)?.stop(*time).await;
                Ok(())
            }
            _ => Ok(()),
        }
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

    /// As people do: again, until it worked.
    async fn persist(&self, deed: &Deed) -> Result<Option<String>, Error> {
        let begun = Instant::now();
        loop {
            match self.play(deed).await {
                Err(Error::Kube(_)) if begun.elapsed() < PATIENCE => tokio::time::sleep(AGAIN).await,
                other => return other,
            }
        }
    }

    async fn rotate(&self) -> Result<(), Error> {
        let rotations = self.done().iter().filter(|done| done.deed == Deed::Rotate).count();
        let data = json!({"data": {sealing_key(rotations + 1): key_material()}});
        let keys = Api::<k8s_openapi::api::core::v1::Secret>::namespaced(self.client.clone(), OPERATOR);
        keys.patch(KEYS, &PatchParams::default(), &Patch::Merge(data)).await?;
        Ok(())
    }

    /// The part of people. Gives the uid of a login Secret.
    async fn play(&self, deed: &Deed) -> Result<Option<String>, Error> {
        match deed {
            Deed::Login(i, content) => return self.login(*i, *content).await.map(Some),
            Deed::Rotate => self.rotate().await?,
            Deed::Revoke(i, content) => {
                let (user, password) = (crate::simulator::world::user_name(*i), content.password(*i));
                let simulator = &self.stage.simulator;
                simulator.change_password(&user, &password, Event::SessionsRevoked);
            }
            Deed::Edit(i) => {
                let edited = json!({"stringData": {"access_token": EDITED}});
                self.change_token(*i, Some(edited)).await?;
            }
            Deed::Remove(i) => self.change_token(*i, None).await?,
            Deed::Word(i) => {
                let now = Timestamp::now().to_string();
                let word = json!({"metadata": {"annotations": {"entra-operator.dev/refresh-requested-at": now}}});
                let credentials = self.credentials(*i);
                credentials
                    .patch(&cast::name(*i), &PatchParams::default(), &Patch::Merge(word))
                    .await?;
            }
            Deed::Collide(i) => drop(self.apply(&cast::credential(*i, Some(FOREIGN_TOKEN))).await?),
            Deed::Part(i) | Deed::Create(i) => drop(self.apply(&cast::credential(*i, None)).await?),
            Deed::Delete(i) => ignore_missing(
                self.credentials(*i)
                    .delete(&cast::name(*i), &DeleteParams::default())
                    .await
                    .map(drop),
            )?,
            _ => {}
        }
        Ok(None)
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

fn ignore_missing(result: Result<(), kube::Error>) -> Result<(), Error> {
    match result {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => Ok(other?),
    }
}
