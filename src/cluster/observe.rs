//! Where figures of writes go.

use super::failure::Verb;
use crate::reconcile::ports::ClusterError;

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A Secret.
    Secret,
    /// The status of a credential.
    Status,
    /// An Event.
    Event,
}

/// How it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// It was created.
    Create,
    /// It was patched.
    Update,
    /// It was deleted.
    Delete,
}

/// Hears of every write, once its outcome is known. It must be quick, and must not wait.
pub trait Observer: Send + Sync {
    /// `resource` was written, or was not.
    fn on_write(&self, resource: Resource, write: Write, result: Result<(), &ClusterError>);
}

impl<F: Fn(Resource, Write, Result<(), &ClusterError>) + Send + Sync> Observer for F {
    fn on_write(&self, resource: Resource, write: Write, result: Result<(), &ClusterError>) {
        self(resource, write, result);
    }
}

/// What a request to this path writes; `None` if nothing that is kept. A token that is issued is not kept.
pub(super) fn written(verb: Verb, path: &str) -> Option<(Resource, Write)> {
    let write = match verb {
        Verb::Create => Write::Create,
        Verb::Patch => Write::Update,
        Verb::Delete => Write::Delete,
        Verb::Read | Verb::Issue => return None,
    };
    Some((resource(path)?, write))
}

/// By the API group, because a name could be anything.
fn resource(path: &str) -> Option<Resource> {
    let groups = [
        ("/api/v1/", Resource::Secret),
        ("/apis/entra-operator.dev/", Resource::Status),
        ("/apis/events.k8s.io/", Resource::Event),
    ];
    let found = groups.iter().find(|(group, _)| path.starts_with(group));
    found.map(|(_, resource)| *resource)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Secret;
    use k8s_openapi::api::events::v1::Event;
    use kube::Resource as _;

    use super::*;
    use crate::api::EntraCredential;

    #[test]
    fn every_kind_of_write_has_its_resource() {
        let of = |path: &str| written(Verb::Patch, path);
        let in_etl = Some("etl");
        assert_eq!(
            of(&Secret::url_path(&(), in_etl)),
            Some((Resource::Secret, Write::Update))
        );
        assert_eq!(
            of(&EntraCredential::url_path(&(), in_etl)),
            Some((Resource::Status, Write::Update))
        );
        assert_eq!(
            of(&Event::url_path(&(), in_etl)),
            Some((Resource::Event, Write::Update))
        );
    }

    #[test]
    fn what_is_read_or_issued_is_no_write() {
        let path = Secret::url_path(&(), Some("etl"));
        assert_eq!(written(Verb::Read, &path), None);
        assert_eq!(written(Verb::Issue, &path), None);
        assert_eq!(
            written(Verb::Delete, &path),
            Some((Resource::Secret, Write::Delete))
        );
    }
}
