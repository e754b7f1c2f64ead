//! Metadata of a federation server: WSDL in which an endpoint is looked for.

#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| entra_operator::entra::fuzzing::metadata(body));
