//! The configuration file: it resolves, or the error names a key; files that it names hold the same bytes.

#![no_main]

use entra_operator::operator::config::Config;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(error) = Config::parse(text, &|_| Ok(text.as_bytes().to_vec())) {
        assert!(!error.to_string().is_empty());
    }
});
