//! What can be wrong with keys.

/// What is wrong with a key set. No text holds any part of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is nothing to seal with.
    #[error(
        "there is no sealing key: add one of 32 random bytes under an id such as 20261122T072437Z-1f6c02aa"
    )]
    NoSealingKey,
    /// The MAC key is missing.
    #[error(
        "there is no MAC key: restore the entry mac; a new one makes the operator forget which passwords it tried"
    )]
    NoMacKey,
    /// A key id has another form. It is not repeated: it may be a key in the wrong place.
    #[error(
        "a key id is not of the form YYYYMMDDTHHMMSSZ-random (lower-case letters and digits), such as 20261122T072437Z-1f6c02aa"
    )]
    Id,
    /// A key has another length.
    #[error("the key {0} has not exactly 32 bytes")]
    Length(String),
    /// A key in a file is not base64.
    #[error("the key {0} is not standard base64")]
    Base64(String),
    /// The key file has another shape. The parser's message is withheld: it may quote a key.
    #[error(r#"the key file is not a JSON object of the form {{"mac": base64, "keys": {{id: base64}}}}"#)]
    File,
    /// The key file cannot be read.
    #[error("the key file cannot be read: {0}")]
    Read(std::io::ErrorKind),
    /// The system's random number generator failed.
    #[error("the system's random number generator failed")]
    Random,
}
