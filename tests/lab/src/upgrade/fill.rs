//! What the earlier version does before it is taken over: a sign-in for each way to stand.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, PostParams};
use kube::core::ObjectMeta;
use serde_json::json;

use super::Error;
use super::cast::{RESTORED, Role, SIXTEEN, Stands};
use super::scene::{Scene, Seen};
use crate::proxy::{Action, Rule};
use crate::simulator::world::{Policy, user_name};
use crate::simulator::{Event, Fault, RetryAfter, Rule as Script};
use crate::stage::{Operator, Trap};

/// Longest for whatever is done at once, on a busy machine.
pub(super) const SOON: Duration = Duration::from_mins(1);

/// Longest until three sends, a minute apart, were not answered.
const THREE_SENDS: Duration = Duration::from_mins(4);

/// Seconds after which a postponed login may go out again: no run is so long.
const LATER: u64 = 3600;

impl Scene {
    /// The identity provider is told how it will answer these.
    pub(super) fn script(&self, roles: &[Role]) {
        let simulator = &self.stage.simulator;
        for role in roles {
            let user = user_name(role.user);
            match role.stands {
                Stands::Kept => simulator.set_policy(&user, Policy::Mfa),
                Stands::Unknown => simulator.script(Script::new(Fault::LoseAnswer).user(&user).times(3)),
                Stands::Waiting => {
                    let fault = Fault::ServiceUnavailable(RetryAfter::Seconds(LATER));
                    simulator.script(Script::new(fault).user(&user).times(1));
                }
                Stands::Accepted
                | Stands::Condemned
                | Stands::InFlight
                | Stands::Awaiting
                | Stands::Dead
                | Stands::Suspended => {}
            }
        }
    }

    /// Users apply these, all but those that are to be interrupted, and each comes to stand as it should.
    pub(super) async fn fill(&self, roles: &[Role]) -> Result<(), Error> {
        self.script(roles);
        let at_once = |role: &&Role| role.stands != Stands::InFlight;
        for role in roles.iter().filter(at_once) {
            if role.stands == Stands::Awaiting {
                self.apply(&[role.credential()])?;
            } else if role.name == SIXTEEN.name {
                self.mistype(role).await?;
            } else {
                self.sign_in(role)?;
            }
        }
        for role in roles.iter().filter(at_once) {
            self.bring_to(role).await?;
        }
        Ok(())
    }

    /// Fifteen times a wrong password, then the right one.
    async fn mistype(&self, role: &Role) -> Result<(), Error> {
        self.apply(&[role.credential()])?;
        for content in role.contents() {
            self.apply(&[role.login_with(&content)])?;
            self.until(role, "a mistyped login goes", SOON, |seen| !seen.login)
                .await?;
        }
        Ok(())
    }

    async fn bring_to(&self, role: &Role) -> Result<(), Error> {
        let name = role.name;
        match role.stands {
            Stands::Dead => {
                self.until(role, "it is signed in", SOON, is_fresh).await?;
                let simulator = &self.stage.simulator;
                simulator.happened(&user_name(role.user), Event::SessionsRevoked);
            }
            Stands::Suspended => {
                self.until(role, "it is signed in", SOON, is_fresh).await?;
                let patch = json!({"spec": {"suspend": true}}).to_string();
                self.kubectl(&["patch", "entracredential", name, "--type=merge", "-p", &patch])?;
            }
            Stands::Accepted if name == RESTORED.name => {
                self.until(role, "it is signed in", SOON, is_fresh).await?;
                let backup = self.back_up(role).await?;
                self.restore(role, backup).await?;
            }
            Stands::Accepted
            | Stands::Condemned
            | Stands::Kept
            | Stands::Unknown
            | Stands::Waiting
            | Stands::InFlight
            | Stands::Awaiting => {}
        }
        let within = if role.stands == Stands::Unknown {
            THREE_SENDS
        } else {
            SOON
        };
        self.until(role, "it stands as planned", within, |seen| {
            stands(role.stands, seen)
        })
        .await
    }

    /// What a backup tool keeps of its Secrets.
    pub(super) async fn back_up(&self, role: &Role) -> Result<Vec<Secret>, Error> {
        let mut backup = Vec::new();
        for name in role.tokens().into_iter().chain([role.session()]) {
            let secret = self.secrets().get(&name).await?;
            let metadata = ObjectMeta {
                name: secret.metadata.name,
                labels: secret.metadata.labels,
                annotations: secret.metadata.annotations,
                ..ObjectMeta::default()
            };
            backup.push(Secret { metadata, ..secret });
        }
        Ok(backup)
    }

    /// The credential and its Secrets are deleted and come back from the backup.
    pub(super) async fn restore(&self, role: &Role, backup: Vec<Secret>) -> Result<(), Error> {
        self.kubectl(&["delete", "entracredential", role.name])?;
        for name in role.tokens().into_iter().chain([role.session()]) {
            while self.has(&name).await? {
                drop(self.secrets().delete(&name, &DeleteParams::default()).await);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        for secret in backup {
            self.secrets().create(&PostParams::default(), &secret).await?;
        }
        self.apply(&[role.credential()])?;
        self.until(role, "it goes on from its backup", SOON, is_fresh)
            .await
    }

    /// The sign-in of this credential is answered, and the operator killed before it stores that.
    pub(super) async fn interrupt(&self, role: &Role, operator: &mut Operator) -> Result<(), Error> {
        let trap = Trap::default();
        let path = format!("/secrets/{}", role.session());
        let stored = Rule::new(Action::Before(trap.trigger()));
        self.relay.api.add(stored.method("PATCH").path(&path));
        self.sign_in(role)?;
        let killed = trap.kill(operator, SOON).await;
        self.relay.api.clear();
        if killed {
            return Ok(());
        }
        Err(Error::Late {
            what: format!("{}: its outcome is stored", role.name),
            within: SOON,
            last: String::new(),
        })
    }
}

pub(super) fn is_fresh(seen: &Seen) -> bool {
    seen.ready == "True/Fresh" && !seen.login
}

/// Whether it stands so.
pub(super) fn stands(stands: Stands, seen: &Seen) -> bool {
    let verdict = seen.verdict.as_deref();
    match stands {
        Stands::Accepted => is_fresh(seen),
        Stands::Condemned => verdict == Some("Wrong") && !seen.login,
        Stands::Kept => verdict == Some("Kept") && seen.login,
        Stands::Unknown => seen.ready.ends_with("/LoginOutcomeUnknown") && seen.login,
        Stands::Waiting => verdict == Some("Open") && seen.login,
        Stands::InFlight => seen.login,
        Stands::Awaiting => seen.ready.ends_with("/AwaitingLogin"),
        Stands::Dead => seen.ready.ends_with("/LoginRequired"),
        Stands::Suspended => seen.ready.ends_with("/Suspended"),
    }
}
