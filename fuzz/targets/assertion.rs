//! A federation server's answer to user name and password: an assertion, a fault, or neither.

#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| entra_operator::entra::fuzzing::assertion(body));
