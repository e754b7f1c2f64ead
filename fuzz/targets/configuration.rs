//! The configuration file: it resolves, or the error says what is wrong.

#![no_main]

use entra_operator::operator::config::Config;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(error) = Config::parse(text) {
        assert!(!error.to_string().is_empty());
    }
});
