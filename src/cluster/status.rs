//! Writes of the status subresource.
//!
//! # Guarantees
//!
//! The status is replaced whole, and only on the object with the uid that was looked at: a credential that was deleted
//! and created anew under the same name does not inherit it.

use kube::Resource;

use super::client::Calls;
use super::patch::Op;
use crate::api::{EntraCredential, EntraCredentialStatus};
use crate::plan::metadata::Uid;
use crate::reconcile::ports::{ClusterError, Key};

/// A JSON patch of two operations: it is a cheap write for the API server (docs/contract.md, rule 11), and replacing
/// `/status` makes a field that is gone from our value vanish, which a merge patch does only for fields that are sent
/// as `null`, every one of them, at every depth. There is no resourceVersion in it: the status is derived, the newer
/// value is the better one, and the user may edit the spec meanwhile.
pub(super) async fn write(
    calls: &Calls,
    key: &Key,
    uid: &Uid,
    status: &EntraCredentialStatus,
) -> Result<(), ClusterError> {
    let collection = EntraCredential::url_path(&(), Some(&key.namespace));
    let object = format!("{collection}/{}", key.name);
    calls
        .json_patch(&object, "status", &operations(uid, status))
        .await
        .map(drop)
}

fn operations<'a>(uid: &Uid, status: &'a EntraCredentialStatus) -> [Op<'a>; 2] {
    [
        Op::Test {
            path: "/metadata/uid".to_owned(),
            value: uid.0.as_str().into(),
        },
        Op::AddStatus {
            path: "/status".to_owned(),
            value: status,
        },
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_status_is_replaced_whole_under_its_uid() {
        let status = EntraCredentialStatus {
            observed_generation: Some(3),
            ..EntraCredentialStatus::default()
        };
        assert_eq!(
            serde_json::to_value(operations(&Uid("u".to_owned()), &status)).unwrap(),
            json!([
                {"op": "test", "path": "/metadata/uid", "value": "u"},
                {"op": "add", "path": "/status", "value": {"observedGeneration": 3}},
            ])
        );
    }
}
