//! A refusal of the token endpoint. The first two bytes are the status, the third chooses the grant.

#![no_main]

libfuzzer_sys::fuzz_target!(|answer: &[u8]| entra_operator::entra::fuzzing::refusal(answer));
