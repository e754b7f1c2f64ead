//! Rules about whole passes: what they may cost (docs/contract.md, rules 10, 11), and what may stay at the end (2).

use entra_operator::api::{EntraCredentialStatus, LOGIN_TYPE, Realm};
use entra_operator::plan::record::Verdict;
use entra_operator::reconcile::Passed;
use entra_operator::reconcile::material::{LoginContent, Secret};
use entra_operator::reconcile::ports::{Key, Vault};

use super::rules_login::binding_of;
use super::world::World;

impl World {
    /// A pass came to its end.
    pub fn judge_pass(&mut self, passed: &Passed) {
        let tally = *self.tally();
        // What was refused is written up to 12 minutes later: 10, and what spreads them.
        if !self.is_quiet(13 * 60_000) || self.book.jumped_at > tally.began {
            return;
        }
        if passed.wake.is_some_and(|at| at.0 * 1000 + 1500 < tally.began) {
            self.broken(10, format!("the wake time {:?} lies in the past", passed.wake));
        }
        if self.alone && tally.sends == 0 && tally.refused == 0 {
            let renewed = tally.redemptions;
            // Where one entry is asked for to see whether all may be, the rest follows with an answer of its own.
            let status = self.turn.as_ref().unwrap().credential.status.as_ref();
            let probed =
                status.is_some_and(|s| s.failure.is_some() || s.tokens.iter().any(|t| t.failure.is_some()));
            let most = match (renewed, probed) {
                (0, _) => 0,
                (k, false) => k + 1 + tally.ripened,
                (k, true) => k + 2 + tally.ripened,
            };
            if tally.writes > most + u32::from(tally.resealed) || tally.statuses > 1 {
                self.broken(11, format!("{renewed} renewals cost {tally:?}"));
            }
        }
    }

    /// A status that is written says something else than the one before, whenever its conditions are said to have changed.
    pub fn judge_news(&mut self, key: &Key, status: &EntraCredentialStatus) {
        // What was refused, or whose answer was lost, is written again.
        if !self.alone || !self.is_quiet(13 * 60_000) {
            return;
        }
        let stored = self.api.credentials.get(key).and_then(|r| r.status.as_ref());
        if stored.is_some_and(|stored| timeless(stored) == timeless(status)) {
            self.broken(11, format!("a status without news was written for {}", key.name));
        }
    }

    /// Whether a login Secret that is still there at the end has no final verdict.
    pub fn login_may_stay(&self, credential: &Key, at: &Key) -> bool {
        let Some(object) = self.api.secrets.get(at).filter(|o| o.kind == LOGIN_TYPE) else {
            return true;
        };
        let session = self.session_of(credential);
        let (Some(user), Some(password)) = (object.text("username"), object.text("password")) else {
            return true;
        };
        let login = LoginContent {
            username: Secret::new(user),
            password: Secret::new(password),
        };
        let spec = self.api.credentials.get(credential).map(|r| binding_of(&r.spec));
        let Some(binding) = spec else {
            return true;
        };
        let mac = self.judge.content_mac(&login, &binding, Realm::Auto);
        let entry = session.record.entry(&mac);
        !entry.is_some_and(|e| matches!(e.verdict, Verdict::Accepted | Verdict::Wrong))
    }
}

/// Without the times of the conditions.
fn timeless(status: &EntraCredentialStatus) -> serde_json::Value {
    let mut status = serde_json::to_value(status).unwrap();
    let conditions = status
        .get_mut("conditions")
        .and_then(serde_json::Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        condition.as_object_mut().unwrap().remove("lastTransitionTime");
    }
    status
}

/// Where a credential's login Secret is.
pub fn used_login(key: &Key) -> Key {
    key.sibling(format!("{}-login", key.name))
}

/// What a status says first: whether it is ready, and why.
pub fn headline(status: Option<&EntraCredentialStatus>) -> (bool, String) {
    let ready = status.and_then(|s| s.conditions.iter().find(|c| c.type_ == "Ready"));
    ready.map_or((false, String::new()), |c| (c.status == "True", c.reason.clone()))
}

/// Whether every token Secret is there, ours and as it should be.
pub fn whole(world: &World, key: &Key) -> bool {
    world.wanting(key).is_empty()
        && world.api.credential(key).is_some_and(|c| {
            let ours = |name: &String| {
                let object = world.api.secrets.get(&c.sibling(name));
                object
                    .and_then(|o| o.controller.as_ref())
                    .is_some_and(|o| o.uid == c.uid)
            };
            c.spec.tokens.iter().all(|t| ours(&t.secret_name))
        })
}
