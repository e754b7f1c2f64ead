//! Objects as earlier versions stored them, read with the present code: what they meant, they mean for ever.
//!
//! `README.md` beside this says how they were made. Beside the objects stands what is known of them from elsewhere: who took
//! part, what was typed and what came of it, and what the next version redeemed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod form;
mod logins;
mod sessions;
mod status;
mod tokens;

use form::forms;

#[test]
fn the_first_form_and_the_present_one_are_kept() {
    let names: Vec<_> = forms().into_iter().map(|form| form.name).collect();
    assert!(names.iter().any(|name| name == "c3ff496"), "{names:?}");
    assert!(names.iter().any(|name| name == "unreleased"), "{names:?}");
}
