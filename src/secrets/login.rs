//! Reads a login Secret. An error says which key is wrong and what to write, and never repeats a value.
//!
//! Exactly one trailing newline is dropped, because editors and `--from-file` add it; a password may hold spaces, so nothing
//! else is touched. What nobody can have typed is refused before it is sent.

use crate::reconcile::material::{LoginContent, Secret, SecretData};

/// Longest user name and password, in characters. 256 is Entra's limit for passwords: Microsoft Learn,
/// "Password policies and account restrictions in Microsoft Entra ID".
const LONGEST: usize = 256;

/// The login in `data`, for the credential `name`.
pub(super) fn read(name: &str, data: &SecretData) -> Result<LoginContent, String> {
    addressee(name, data)?;
    Ok(LoginContent {
        username: secret(data, "username")?,
        password: secret(data, "password")?,
    })
}

fn addressee(name: &str, data: &SecretData) -> Result<(), String> {
    match data.get("credential") {
        Some(_) if text(data, "credential")? != name => Err(format!(
            "key credential names another EntraCredential: only that one may use this login; write {name} or remove the key"
        )),
        _ => Ok(()),
    }
}

fn secret(data: &SecretData, key: &str) -> Result<Secret, String> {
    let text = text(data, key)?;
    if let Some(stray) = stray(text) {
        return Err(format!(
            "key {key} {stray}: write only the {} into it",
            meaning(key)
        ));
    }
    match text.chars().take(LONGEST + 1).count() {
        0 => Err(format!("key {key} is empty: write the {} into it", meaning(key))),
        1..=LONGEST => Ok(Secret::new(text.to_owned())),
        _ => Err(format!(
            "key {key} is longer than {LONGEST} characters: write only the {} into it",
            meaning(key)
        )),
    }
}

/// What no keyboard writes into a password, and an editor, a terminal or `--from-file` does: it would be sent and refused.
fn stray(text: &str) -> Option<&'static str> {
    if text.starts_with('\u{feff}') {
        Some("begins with a byte order mark")
    } else if text.contains('\0') {
        Some("holds a NUL character; was it written as UTF-16?")
    } else if text.contains(char::is_control) {
        Some("holds a control character, such as a tab or a line break")
    } else {
        None
    }
}

fn text<'a>(data: &'a SecretData, key: &str) -> Result<&'a str, String> {
    let missing = || format!("key {key} is missing: add it with the {}", meaning(key));
    let text = data.text(key).ok_or_else(missing)?;
    text.map_err(|_| format!("key {key} is not UTF-8 text: write the {} as UTF-8", meaning(key)))
}

fn meaning(key: &str) -> &'static str {
    match key {
        "username" => "user name (for example svc-reporting@contoso.example)",
        "password" => "account's password",
        _ => "name of the EntraCredential that may use this login",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    fn data(entries: &[(&str, &[u8])]) -> SecretData {
        let mut data = SecretData::default();
        for (key, value) in entries {
            data.insert(*key, value.to_vec());
        }
        data
    }

    fn password(value: &[u8]) -> Result<String, String> {
        let login = read("reporting", &data(&[("username", b"u"), ("password", value)]));
        login.map(|l| l.password.expose().to_owned())
    }

    #[test]
    fn one_trailing_newline_is_dropped_and_nothing_else() {
        for (value, expected) in [
            ("pass", "pass"),
            ("pass\n", "pass"),
            ("pass\r\n", "pass"),
            (" pa ss ", " pa ss "),
            ("p\u{feff}\u{a0}\n", "p\u{feff}\u{a0}"),
        ] {
            assert_eq!(password(value.as_bytes()).as_deref(), Ok(expected), "{value:?}");
        }
    }

    #[test]
    fn what_nobody_types_is_refused_unsent() {
        for (value, why) in [
            ("pass\n\n", "holds a control character"),
            ("pass\r", "holds a control character"),
            ("pa\tss", "holds a control character"),
            ("pass\u{7f}", "holds a control character"),
            ("pa\u{85}ss", "holds a control character"),
            ("p\0a\0", "holds a NUL character"),
            ("\u{feff}pass", "begins with a byte order mark"),
            ("\u{feff}", "begins with a byte order mark"),
        ] {
            let error = password(value.as_bytes()).unwrap_err();
            assert!(
                error.starts_with(&format!("key password {why}")),
                "{value:?}: {error}"
            );
            let name = read(
                "reporting",
                &data(&[("username", value.as_bytes()), ("password", b"p")]),
            );
            assert!(name.unwrap_err().starts_with(&format!("key username {why}")));
        }
    }

    #[test]
    fn characters_are_counted_not_bytes() {
        for letter in ["x", "ß", "😀"] {
            assert!(password(letter.repeat(256).as_bytes()).is_ok());
            assert!(password(format!("{}\r\n", letter.repeat(256)).as_bytes()).is_ok());
            let error = password(letter.repeat(257).as_bytes()).unwrap_err();
            assert_eq!(
                error,
                "key password is longer than 256 characters: write only the account's password into it"
            );
        }
    }

    #[test]
    fn every_mistake_is_named_with_its_remedy() {
        let name = "user name (for example svc-reporting@contoso.example)";
        for (entries, expected) in [
            (
                vec![("username", &b"u"[..])],
                "key password is missing: add it with the account's password".to_owned(),
            ),
            (
                vec![("password", b"p")],
                format!("key username is missing: add it with the {name}"),
            ),
            (
                vec![("username", b"\n"), ("password", b"p")],
                format!("key username is empty: write the {name} into it"),
            ),
            (
                vec![("username", b"u"), ("password", b"")],
                "key password is empty: write the account's password into it".to_owned(),
            ),
            (
                vec![("username", b"u\xff"), ("password", b"p")],
                format!("key username is not UTF-8 text: write the {name} as UTF-8"),
            ),
        ] {
            assert_eq!(read("reporting", &data(&entries)).err(), Some(expected));
        }
    }

    #[test]
    fn a_login_for_another_credential_is_refused() {
        let login = |credential: &[u8]| {
            let all = data(&[("username", b"u"), ("password", b"p"), ("credential", credential)]);
            read("reporting", &all).map(|_| ())
        };
        assert_eq!(login(b"reporting"), Ok(()));
        assert_eq!(login(b"reporting\n"), Ok(()));
        for other in [&b"billing"[..], b"", b"reporting ", b"Reporting"] {
            let error = login(other).unwrap_err();
            assert!(error.starts_with("key credential names another") && !error.contains("billing"));
        }
        assert!(
            login(b"\xff")
                .unwrap_err()
                .starts_with("key credential is not UTF-8")
        );
    }

    proptest! {
        #[test]
        fn no_error_repeats_a_value(value in proptest::collection::vec(any::<u8>(), 0..40)) {
            let marked = [&b"q7Zk"[..], &value, b"q7Zk"].concat();
            let bad = [&marked[..], &[0xff]].concat();
            for entries in [[("username", &bad), ("password", &marked)], [("username", &marked), ("password", &bad)]] {
                let all = data(&entries.map(|(key, value)| (key, value.as_slice())));
                let shown = format!("{:?} {all:?}", read("reporting", &all));
                prop_assert!(!shown.contains("q7Zk"));
            }
        }
    }
}
