//! Where is watched: a namespace, or the whole cluster.

use std::sync::Arc;

/// A namespace, or all of them.
pub type Scope = Option<Arc<str>>;

/// A scope in words, as they follow a verb and a resource.
pub fn place(scope: &Scope) -> String {
    scope.as_ref().map_or_else(
        || "in all namespaces".to_owned(),
        |namespace| format!("in the namespace {namespace}"),
    )
}

/// The scopes to watch: each of `namespaces`, or all of them if none is named.
pub fn scopes(namespaces: &[String]) -> Vec<Scope> {
    if namespaces.is_empty() {
        return vec![None];
    }
    namespaces.iter().map(|n| Some(Arc::from(n.as_str()))).collect()
}
