//! Exactly one step through the ports. What comes of it is settled by the plan; expected failures are facts, not errors.

mod ask;
mod client;
mod labels;
mod login;
mod redeem;
mod seal;
mod session;
mod tokens;

use super::audit::Audited;
use super::credential::Credential;
use super::leave::Leave;
use super::look::Look;
use super::memory::{Hand, Memory};
use super::ports::{
    Clock, Cluster, ClusterError, Key, Kind, Later, NewSecret, Ports, Provider, Request, SecretMeta, View,
};
use super::shared::Shared;
use crate::plan::schedule::Life;
use crate::plan::settle::{self, trouble::Trouble};
use crate::plan::snapshot::{Binding, Snapshot};
use crate::plan::{Object, Step, Time};

/// Leave to send one request to the identity provider.
pub(super) type PermitOf<P> = <<P as Ports>::Provider as Provider>::Permit;

/// One pass over one credential: what its steps need.
#[derive(Debug)]
pub(super) struct Pass<'a, P: Ports> {
    pub(super) ports: &'a P,
    pub(super) shared: &'a Shared,
    pub(super) credential: &'a Credential,
    pub(super) memory: &'a mut Memory,
    /// What the step was decided on.
    pub(super) look: Look,
    pub(super) hand: Hand,
    /// Leave to send what was read or recorded for it.
    pub(super) permit: Option<PermitOf<P>>,
    /// Whether anything may still be begun.
    pub(super) leave: Leave<'a>,
}

/// What was asked of the API server when it failed: a refusal means something else for each.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Read,
    Write,
    Delete,
}

impl<P: Ports> Pass<'_, P> {
    /// Performs `step`, which was decided from `s`, the facts of this look.
    pub(super) async fn act(&mut self, step: &Step, s: &Snapshot) {
        match step {
            Step::ReadLogin => self.read_login(s).await,
            Step::ReadToSignIn => self.read_to_sign_in(s).await,
            Step::ReadSession => self.read_session(s).await,
            Step::ReadToRenew(name) => self.read_to_renew(s, name).await,
            Step::ReadClient => {
                self.read_client(s).await;
            }
            Step::Look(objects) => self.look_at(s, objects).await,
            Step::ClaimLogin => self.claim_login(s).await,
            Step::RecordAttempt { content, entry } => self.record_attempt(s, content, entry).await,
            Step::Exchange { attempt, entry } => self.exchange(s, attempt, entry).await,
            Step::Store => self.store(s).await,
            Step::Reseal => self.reseal(s).await,
            Step::DeleteLogin => self.delete_login(s).await,
            Step::Resolve => self.resolve(s).await,
            Step::Redeem(names) => self.redeem(s, names).await,
            Step::Verify(names) => self.verify(s, names).await,
            Step::Publish(names) => self.publish(s, names).await,
            Step::Replace(names) => self.replace(s, names).await,
            Step::Prune(names) => self.prune(s, names).await,
            Step::Label(objects) => self.label(s, objects).await,
            Step::Adopt(objects) => self.adopt(s, objects).await,
            Step::Idle | Step::Wait | Step::Blocked => {}
        }
    }

    pub(super) fn now(&self) -> Time {
        self.ports.clock().now()
    }

    /// Tells auditors.
    fn audit(&self, what: Audited<'_>) {
        self.shared.observer.audited(&self.credential.key, what);
    }

    /// Hands what the API server did instead to the plan.
    fn trouble(&mut self, s: &Snapshot, object: &Object, asked: Asked, error: ClusterError) {
        let trouble = trouble_of(object, asked, error);
        if trouble == Trouble::Gone {
            self.gone(object);
        }
        let now = self.now();
        settle::trouble::with(&mut self.memory.known, s, object, &trouble, now);
    }

    /// Where an object is, and which watch shows it.
    fn place(&self, object: &Object) -> Option<(Kind, Key)> {
        match object {
            Object::Login => Some((Kind::Login, self.credential.login_key())),
            Object::Session => Some((Kind::Session, self.credential.session_key())),
            Object::Token(name) | Object::Contents(name) => {
                Some((Kind::Token, self.credential.sibling(&name.0)))
            }
            Object::Client => None,
        }
    }

    /// Asks the API server what there is, metadata only, and tells the view.
    async fn look_at(&mut self, s: &Snapshot, objects: &[Object]) {
        for object in objects {
            let Some((kind, key)) = self.place(object) else {
                continue;
            };
            let exists = match self.peek(&key).await {
                Ok(found) => self.found(object, kind, &key, found),
                Err(error) => {
                    self.trouble(s, object, Asked::Read, error);
                    continue;
                }
            };
            let now = self.now();
            settle::reads::looked(&mut self.memory.known, s, object, exists, now);
        }
    }

    /// Metadata does not tell the type: whether another object is a login, only the watch knows.
    fn found(&self, object: &Object, kind: Kind, key: &Key, found: Option<SecretMeta>) -> bool {
        let Some(meta) = found else {
            self.gone(object);
            return false;
        };
        let is_known = self.look.of(object).is_some_and(|known| known.uid == meta.uid);
        if *object == Object::Login && !is_known {
            self.gone(object);
        } else {
            self.ports.view().wrote(kind, key, meta);
        }
        true
    }

    /// The object that was looked at does not exist any more.
    fn gone(&self, object: &Object) {
        let Some((kind, key)) = self.place(object) else {
            return;
        };
        if let Some(meta) = self.look.of(object) {
            self.ports.view().gone(kind, &key, &meta.uid);
        }
    }

    /// Creates a Secret, unless its namespace is on its way out.
    async fn create(&mut self, secret: NewSecret) -> Result<SecretMeta, ClusterError> {
        self.namespace_takes_more().await?;
        self.ask(Asked::Write, self.ports.cluster().create(secret)).await
    }

    /// Whether the namespace can take new objects: asked at most once a pass, before something is created, and before
    /// anything is sent that would bring what is created.
    async fn namespace_takes_more(&mut self) -> Result<(), ClusterError> {
        let active = match self.hand.active {
            Some(active) => active,
            None => self.namespace_active().await?,
        };
        self.hand.active = Some(active);
        if active {
            Ok(())
        } else {
            Err(ClusterError::Refused("the namespace is being deleted".to_owned()))
        }
    }

    /// Whether the credential lives, and with the spec that this pass goes by; asked live. If not, `objects` wait.
    async fn is_as_seen(&mut self, s: &Snapshot, objects: &[Object]) -> bool {
        let credential = self.credential;
        let lives = self.ports.cluster().lives(&credential.key, &credential.uid);
        let lives = self.ask(Asked::Read, lives).await;
        match lives {
            Ok(Some(generation)) if generation == credential.generation => return true,
            Ok(Some(_)) => self.outdated(s, objects),
            Ok(None) => self.memory.known.deleting = true,
            Err(error) => {
                for object in objects {
                    self.trouble(s, object, Asked::Read, error.clone());
                }
            }
        }
        false
    }

    /// The watch is behind. One that stays behind has missed something.
    fn outdated(&mut self, s: &Snapshot, objects: &[Object]) {
        let now = self.now();
        let known = &mut self.memory.known;
        let again = objects
            .iter()
            .filter(|object| settle::trouble::outdated(known, s, object, now));
        if again.count() > 0 {
            self.ports.cluster().mistold();
        }
    }

    fn withheld(&mut self, s: &Snapshot, later: Later) {
        let (now, why) = (self.now(), (later.reason, later.message));
        settle::renewal::withheld(&mut self.memory.known, s, later.until, why, now);
    }

    /// Leave to send one request. Without it the calls wait, and nothing is read for them.
    fn permit(&mut self, s: &Snapshot, binding: &Binding, life: Option<Life>) -> Option<PermitOf<P>> {
        match self.ports.provider().permit(&self.request(binding, &[], life)) {
            Ok(permit) => Some(permit),
            Err(later) => {
                self.withheld(s, later);
                None
            }
        }
    }

    /// The permit that was kept from a read for the same call, or another one.
    fn leave_to_send(&mut self, s: &Snapshot, life: Option<Life>) -> Option<PermitOf<P>> {
        self.permit.take().or_else(|| self.permit(s, s.binding()?, life))
    }

    fn request<'r>(&'r self, binding: &'r Binding, scopes: &'r [String], life: Option<Life>) -> Request<'r> {
        Request {
            credential: &self.credential.key,
            authority: self.credential.spec.authority.as_deref(),
            binding,
            client: self.hand.client.as_ref(),
            scopes,
            life,
        }
    }
}

/// The same call failed differently for a read, a write and the deletion of a used login.
fn trouble_of(object: &Object, asked: Asked, error: ClusterError) -> Trouble {
    match (error, asked) {
        (ClusterError::Conflict, _) => Trouble::Moved,
        (ClusterError::NotFound, _) => Trouble::Gone,
        (ClusterError::Immutable, _) => Trouble::Immutable,
        (ClusterError::Rationed { wait }, _) => Trouble::Rationed(wait),
        (ClusterError::Refused(text) | ClusterError::Unavailable { text, .. }, Asked::Delete)
            if *object == Object::Login =>
        {
            Trouble::DeleteRefused(text)
        }
        (ClusterError::Unavailable { text, retry_after }, _) => Trouble::Away(text, retry_after),
        (ClusterError::Refused(text), Asked::Read) => Trouble::ReadRefused(text),
        (ClusterError::Refused(text), Asked::Write | Asked::Delete) => Trouble::WriteRefused(text),
    }
}
