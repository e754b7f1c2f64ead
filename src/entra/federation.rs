//! Federation servers: which of them the administrator allows, and the check of every address before it is used.

use std::collections::BTreeSet;
use std::path::PathBuf;

use url::Url;

use super::authority::host;

/// Longest address or name that is believed: addresses have some 60 characters, browsers allow 2048.
pub(super) const TEXT_MAX: usize = 2048;

/// Where WS-Trust may go. The default is nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Federation {
    /// Hosts, in lower case, with the port if it is not 443. Passwords go to no other.
    pub allowed_hosts: BTreeSet<String>,
    /// The file whose certificates are trusted there beside those of the system; `None`: the system's alone. Its content
    /// comes by [`Client::trust`](super::Client::trust), and nothing is sent there before.
    pub ca_file: Option<PathBuf>,
}

/// Why an address is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Barred {
    /// Not an `https` URL with a host and without user name.
    #[error("the address is not https")]
    NotHttps,
    /// The host is not on the administrator's list.
    #[error("the host is not allowed")]
    NotAllowed(String),
}

impl Federation {
    /// The URL of an address that somebody else named, if a password may go there.
    pub(super) fn check(&self, address: &str) -> Result<Url, Barred> {
        let url = Some(address)
            .filter(|address| address.len() <= TEXT_MAX)
            .and_then(|address| Url::parse(address).ok())
            .filter(is_https)
            .ok_or(Barred::NotHttps)?;
        let host = host(&url);
        if self.allowed_hosts.contains(&host) {
            Ok(url)
        } else {
            Err(Barred::NotAllowed(host))
        }
    }
}

fn is_https(url: &Url) -> bool {
    url.scheme() == "https" && url.has_host() && url.username().is_empty() && url.password().is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allowing(hosts: &[&str]) -> Federation {
        Federation {
            allowed_hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            ca_file: None,
        }
    }

    #[test]
    fn exactly_the_listed_hosts_and_ports_are_allowed() {
        let federation = allowing(&["sts.fed.example", "sts.fed.example:8443"]);
        for good in [
            "https://sts.fed.example/adfs/services/trust/mex",
            "https://STS.fed.example:443/",
            "https://sts.fed.example:8443/x?y=z",
        ] {
            assert!(federation.check(good).is_ok(), "{good}");
        }
        for (bad, host) in [
            ("https://sts.fed.example:9443/", "sts.fed.example:9443"),
            ("https://sts.fed.example./", "sts.fed.example."),
            ("https://evil.sts.fed.example/", "evil.sts.fed.example"),
            ("https://fed.example/", "fed.example"),
            (
                "https://sts.fed.example.evil.example/",
                "sts.fed.example.evil.example",
            ),
            ("https://evil.example\\@sts.fed.example/", "evil.example"),
        ] {
            assert_eq!(
                federation.check(bad),
                Err(Barred::NotAllowed(host.to_owned())),
                "{bad}"
            );
        }
    }

    #[test]
    fn only_https_without_a_user_is_looked_at() {
        let federation = allowing(&["sts.fed.example"]);
        let long = format!("https://sts.fed.example/{}", "a".repeat(TEXT_MAX));
        for bad in [
            "http://sts.fed.example/",
            "https://user@sts.fed.example/",
            "https://:pass@sts.fed.example/",
            "net.tcp://sts.fed.example:1501/",
            "//sts.fed.example/",
            "",
            long.as_str(),
        ] {
            assert_eq!(federation.check(bad), Err(Barred::NotHttps), "{bad}");
        }
    }

    #[test]
    fn an_empty_list_allows_nothing() {
        let refused = Federation::default().check("https://sts.fed.example/");
        assert_eq!(refused, Err(Barred::NotAllowed("sts.fed.example".to_owned())));
    }

    proptest! {
        #[test]
        fn what_passes_is_https_at_a_listed_host(address in "(https?://)?[a-z@:/.\\\\?#%]{0,30}") {
            let federation = allowing(&["a.b", "c"]);
            if let Ok(url) = federation.check(&address) {
                prop_assert_eq!(url.scheme(), "https");
                prop_assert!(["a.b", "c"].contains(&url.host_str().unwrap()));
            }
        }
    }
}
