//! A watched custom resource: whatever is JSON decodes, and one that does not fit says so without its values.

#![no_main]

use entra_operator::api::EntraCredential;
use entra_operator::cluster::Lean;

libfuzzer_sys::fuzz_target!(|json: &[u8]| {
    let Ok(object) = serde_json::from_slice::<Lean<EntraCredential>>(json) else {
        assert!(serde_json::from_slice::<serde_json::Value>(json).is_err());
        return;
    };
    if let Err(broken) = object.get() {
        assert!(broken.problem.len() < 1000);
    }
});
