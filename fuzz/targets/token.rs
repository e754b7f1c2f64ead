//! A success of the token endpoint: id_token and `client_info` are read on the way.

#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| entra_operator::entra::fuzzing::token(body));
