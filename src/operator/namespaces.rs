//! Looks for the namespaces that are to be served and in which there is nothing: a list of what is in a namespace that does
//! not exist is empty, and says nothing of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::controller::Controller;
use super::lists::Lists;
use crate::cluster::Scope;
use crate::reconcile::ports::{Clock, Cluster, Ports};

/// How often is looked whether there is anything.
const LOOK: Duration = Duration::from_secs(5);

/// Pause before one that is missing is asked for again.
const MISSING: Duration = Duration::from_secs(30);

/// Pause before one that exists, or of which nothing could be learnt, is asked for again.
const EMPTY: Duration = Duration::from_mins(5);

/// Looks for those of `scopes` that are namespaces, for as long as the process serves.
pub(super) async fn look<P: Ports>(
    scopes: Vec<Scope>,
    controller: Arc<Controller<P>>,
    cluster: Arc<P::Cluster>,
    lists: Arc<Lists>,
    clock: impl Clock,
) {
    let mut next: BTreeMap<Arc<str>, Duration> = BTreeMap::new();
    loop {
        for namespace in scopes.iter().flatten() {
            if controller.serves(namespace) {
                next.remove(namespace);
                lists.looked_for(namespace, true);
                continue;
            }
            let due = next.get(namespace).is_none_or(|at| *at <= clock.monotonic());
            if due && lists.has_all_of(&Some(Arc::clone(namespace))) {
                let exists = cluster.namespace_active(namespace).await;
                if let Ok(exists) = exists {
                    lists.looked_for(namespace, exists);
                }
                let pause = if exists == Ok(false) { MISSING } else { EMPTY };
                next.insert(Arc::clone(namespace), clock.monotonic().saturating_add(pause));
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}
