//! An answer of the realm service: who checks the password of an account.

#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| entra_operator::entra::fuzzing::realm(body));
