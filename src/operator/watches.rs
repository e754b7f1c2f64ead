//! Feeds the controller: credentials from their watch, Secrets' metadata from theirs.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{BoxStream, once};
use tokio::sync::mpsc::UnboundedReceiver;

use super::controller::Controller;
use super::lists::{Lists, Watched};
use super::view::selects;
use crate::cluster::{
    Altered, Change, CredentialChanges, Scope, SecretChanges, SecretStore, SeenCredential, Selects, Watch,
};
use crate::reconcile::Credential;
use crate::reconcile::ports::{Key, Ports};

/// The credentials of a scope, from when its Secrets are known: before that, that one is absent means nothing.
pub(super) fn credentials_of<T: Send + 'static>(
    scope: Scope,
    changes: BoxStream<'static, T>,
    lists: Arc<Lists>,
) -> BoxStream<'static, T> {
    let known = async move {
        lists.secrets_of(&scope).await;
        changes
    };
    once(known).flatten().boxed()
}

/// Credentials, each after what its client's Secret names is watched.
pub(super) fn after_what_they_name(
    changes: BoxStream<'static, (Scope, Change<SeenCredential>)>,
    lists: Arc<Lists>,
) -> BoxStream<'static, (Scope, Change<SeenCredential>)> {
    let known = move |(scope, change): (Scope, Change<SeenCredential>)| {
        let lists = Arc::clone(&lists);
        async move {
            if let Some(selects) = selected(&change) {
                let scope = scope.clone();
                lists.know(&Watch { selects, scope }).await;
            }
            (scope, change)
        }
    };
    changes.then(known).boxed()
}

/// The watch that shows its client's Secret.
fn selected(change: &Change<SeenCredential>) -> Option<Selects> {
    let Change::Applied(object) = change else {
        return None;
    };
    let (kind, _) = object.credential()?.client_secret()?;
    Some(selects(kind))
}

/// Takes in what happens to credentials, until the stream ends. `lists` hears what was listed, and what could not be.
pub(super) async fn follow_credentials<P: Ports>(
    mut changes: CredentialChanges,
    controller: Arc<Controller<P>>,
    lists: &Lists,
) {
    let mut listing: BTreeSet<Key> = BTreeSet::new();
    while let Some((scope, change)) = changes.next().await {
        match change {
            Change::Restarted => {
                let in_scope = |key: &Key| scope.as_ref().is_none_or(|ns| **ns == *key.namespace);
                listing.extend(controller.keys().into_iter().filter(in_scope));
            }
            Change::Applied(object) => {
                let key = object.key();
                let known = listing.remove(&key);
                match understood(object) {
                    Some(credential) if known => controller.listed_again(&credential),
                    Some(credential) => controller.applied(&credential),
                    None => controller.not_understood(key),
                }
            }
            Change::Deleted(object) => controller.removed(&object.key()),
            Change::Listed => {
                let in_scope = |key: &Key| scope.as_ref().is_none_or(|ns| **ns == *key.namespace);
                for key in listing.iter().filter(|key| in_scope(key)) {
                    controller.removed(key);
                }
                listing.retain(|key| !in_scope(key));
                lists.listed(&Watched::Credentials(scope));
            }
            Change::Interrupted(why) => lists.interrupted(&Watched::Credentials(scope), &why),
        }
    }
}

/// Takes what happens to Secrets into the store, until the stream ends. `altered` hears what is new, `lists` what was
/// listed and what could not be.
pub(super) async fn store_secrets(
    mut changes: SecretChanges,
    store: &SecretStore,
    altered: impl Fn(Altered),
    lists: &Lists,
) {
    while let Some((watch, change)) = changes.next().await {
        if let Change::Interrupted(why) = &change {
            lists.interrupted(&Watched::Secrets(watch.clone()), why);
        }
        let complete = matches!(change, Change::Listed);
        store.apply(&watch, change).into_iter().for_each(&altered);
        if complete {
            lists.listed(&Watched::Secrets(watch));
        }
    }
}

/// Tells the controller which Secrets changed.
pub(super) async fn follow_secrets<P: Ports>(
    changes: &mut UnboundedReceiver<Altered>,
    controller: &Controller<P>,
) {
    while let Some(altered) = changes.recv().await {
        let owner = altered.controller.filter(|c| c.ours).map(|c| c.name);
        controller.secret_changed(&altered.key, owner.as_deref());
    }
}

/// An object that this version does not understand stops no other one.
fn understood(object: SeenCredential) -> Option<Box<Credential>> {
    let key = object.key();
    let credential = object.into_credential();
    let warn = |problem: &String| {
        tracing::warn!(
            namespace = &*key.namespace,
            name = &*key.name,
            problem,
            "this version does not understand an EntraCredential: it goes on with what it understood last, if it did"
        );
    };
    credential.inspect_err(warn).ok()
}
