//! Sealing keys by choice.

use entra_plan::keys::KeyName;
use entra_plan::snapshot::{Opened, Session, Snapshot};

use crate::build::NOW;
use crate::choice::Choice;

/// The same with the keys in some state: an older one or none is named, a record that was read does not open.
pub fn with_keys(c: &mut Choice<'_>, mut s: Snapshot) -> Snapshot {
    let newest = KeyName("b".to_owned());
    s.keys.sealing = newest.clone();
    s.reseal_at = c.of(&[None, Some(NOW), Some(NOW.plus(70))]);
    if let Opened::Read { record, .. } = &mut s.session.opened
        && c.index(4) == 1
    {
        *record = None;
    }
    Snapshot {
        session: Session {
            sealed_by: c.of(&[Some(newest), Some(KeyName("a".to_owned())), None]),
            ..s.session
        },
        ..s
    }
}
