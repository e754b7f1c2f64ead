//! Proxy variables of the environment that do not do what whoever wrote them meant: told once, at the start.
//!
//! The HTTP library reads them by curl's rules and passes over in silence what it cannot use. A part of `NO_PROXY` that
//! never matches sends a sign-in through the proxy that was meant to go past it.
//!
//! # Guarantees
//!
//! - Every part of `NO_PROXY` that can match no URL of this configuration is named, with what to write instead.
//! - No text holds the password of a proxy.

use std::net::IpAddr;

use http::Uri;
use ipnet::IpNet;
use url::{Host, Url};

use super::config::Config;

/// The value of a variable, if it is set and UTF-8.
type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Logs what is wrong with the variables of this process.
#[expect(
    clippy::disallowed_methods,
    reason = "they are no configuration of ours: the HTTP library reads them, and here they are judged"
)]
pub(super) fn tell(config: &Config) {
    for wrong in wrong(&|name| std::env::var(name).ok(), names_addresses(config)) {
        tracing::warn!("{wrong}");
    }
}

/// What is wrong, one sentence each. Without a proxy nothing is. `addresses`: some URL holds an address and not a name.
fn wrong(variable: Variable<'_>, addresses: bool) -> Vec<String> {
    let proxies = [("HTTPS_PROXY", "https_proxy"), ("ALL_PROXY", "all_proxy")];
    let proxies = proxies.map(|names| first(variable, names).filter(|(_, value)| !value.is_empty()));
    let unusable = proxies
        .iter()
        .flatten()
        .filter_map(|(name, value)| Some(format!("{name} {}", no_proxy_url(value)?)));
    let mut wrong: Vec<String> = unusable.collect();
    if proxies.iter().any(Option::is_some) {
        wrong.extend(wrong_exceptions(variable, addresses));
    }
    wrong
}

fn wrong_exceptions(variable: Variable<'_>, addresses: bool) -> Vec<String> {
    let Some((name, value)) = first(variable, ("NO_PROXY", "no_proxy")) else {
        return Vec::new();
    };
    let other =
        variable("no_proxy").filter(|other| name == "NO_PROXY" && !other.is_empty() && *other != value);
    let unread =
        other.map(|_| "no_proxy is not read, because NO_PROXY is set: keep one of the two".to_owned());
    let parts = value.split(',').map(str::trim).enumerate();
    let never = parts.filter_map(|(at, part)| {
        let why = never_matches(part, addresses)?;
        Some(format!(
            "{name} has a part that never matches, {}: {why}",
            shown(at, part)
        ))
    });
    unread.into_iter().chain(never).collect()
}

/// The variable that the library reads: the first that is set, though it be empty.
fn first<'n>(variable: Variable<'_>, names: (&'n str, &'n str)) -> Option<(&'n str, String)> {
    [names.0, names.1]
        .into_iter()
        .find_map(|name| Some((name, variable(name)?)))
}

/// Why this is no proxy that can be used.
fn no_proxy_url(value: &str) -> Option<&'static str> {
    const WANTED: &str =
        "is ignored, because it is not the URL of a proxy: write http://proxy.contoso.example:3128";
    let Ok(uri) = value.parse::<Uri>() else {
        return Some(WANTED);
    };
    match uri.scheme_str() {
        None | Some("http" | "https") if uri.authority().is_some() => None,
        Some("socks4" | "socks4a" | "socks5" | "socks5h") => {
            Some("names a SOCKS proxy, and the operator speaks to HTTP proxies only: no sign-in will succeed")
        }
        _ => Some(WANTED),
    }
}

/// Why this part of `NO_PROXY` matches no URL of an identity provider; `None`: it may match one, or there is none.
fn never_matches(part: &str, addresses: bool) -> Option<&'static str> {
    if part.is_empty() || part == "*" || part.parse::<IpAddr>().is_ok() {
        return None;
    }
    if part.parse::<IpNet>().is_ok() {
        let hint =
            "a network matches only URLs that hold an address, and none does: write the names of the hosts";
        return (!addresses).then_some(hint);
    }
    let name = part.strip_prefix('.').unwrap_or(part);
    (!is_name(name)).then(|| advice(part))
}

/// Whether a URL can have this host: a name in DNS, which a URL parser does not take for an address.
fn is_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_label = |label: &str| !label.is_empty() && label.chars().all(letter);
    let url = Url::parse(&format!("https://{name}/")).ok();
    let host = url.as_ref().and_then(Url::host);
    name.split('.').all(is_label) && matches!(host, Some(Host::Domain(_)))
}

/// What to write instead; the first mistake that a person would see.
fn advice(part: &str) -> &'static str {
    let holds = |what: &str| part.contains(what);
    if holds("://") {
        "write the host alone, without https://"
    } else if part.contains(char::is_whitespace) || part.contains([';', '|']) {
        "write commas between the parts"
    } else if part.contains(['"', '\'']) {
        "write it without quotes"
    } else if holds("*") {
        "a star stands for all hosts when it is alone, and for nothing else: .corp.contoso.example covers a domain"
    } else if part.starts_with('[') || part.contains('%') {
        "write an IPv6 address without brackets, zone and port"
    } else if part.ends_with('.') {
        "write the name without the dot at its end"
    } else if holds("/") {
        "a network has an address and the length of its prefix, such as 10.0.0.0/8; a host has no path"
    } else if holds(":") {
        "write the host without the port: the exception is for all of its ports"
    } else if !part.is_ascii() {
        "write the name as it is in DNS, in letters of ASCII (xn--...)"
    } else {
        "write a host, a domain, an address or a network"
    }
}

/// The part, unless it may hold a password; else its place.
fn shown(at: usize, part: &str) -> String {
    if part.contains('@') {
        format!("number {}", at.saturating_add(1))
    } else {
        format!("{part:?}")
    }
}

/// Whether a URL or host of the configuration holds an address in place of a name.
fn names_addresses(config: &Config) -> bool {
    let authorities = config.authorities.iter().map(|authority| authority.url.clone());
    let federation = config.federation.allowed_hosts.iter();
    let mut urls = authorities.chain(federation.map(|host| format!("https://{host}/")));
    urls.any(|url| {
        let url = Url::parse(&url).ok();
        matches!(
            url.as_ref().and_then(Url::host),
            Some(Host::Ipv4(_) | Host::Ipv6(_))
        )
    })
}

#[cfg(test)]
mod tests {
    use hyper_util::client::proxy::matcher::Matcher;
    use proptest::prelude::*;

    use super::*;

    const PROXY: &str = "http://proxy.contoso.example:3128";

    /// Whether the library goes past the proxy.
    fn goes_past(no_proxy: &str, url: &str) -> bool {
        let matcher = Matcher::builder().https(PROXY).no(no_proxy).build();
        matcher.intercept(&url.parse().unwrap()).is_none()
    }

    /// A part, a URL that its writer means, and a piece of the advice if it does not match.
    const FORMS: &[(&str, &str, Option<&str>)] = &[
        ("fs.contoso.example", "https://fs.contoso.example", None),
        ("fs.contoso.example", "https://fs.contoso.example:8443", None),
        ("contoso.example", "https://fs.contoso.example", None),
        (".contoso.example", "https://fs.contoso.example", None),
        (".contoso.example", "https://contoso.example", None),
        ("FS.Contoso.Example", "https://fs.contoso.example", None),
        ("localhost", "https://localhost:8443", None),
        ("a_b.contoso.example", "https://a_b.contoso.example", None),
        ("xn--bcher-kva.example", "https://xn--bcher-kva.example", None),
        ("*", "https://fs.contoso.example", None),
        ("10.1.2.3", "https://10.1.2.3", None),
        ("10.0.0.0/8", "https://10.1.2.3", None),
        ("10.9.9.9/8", "https://10.1.2.3", None),
        ("::1", "https://[::1]:8443", None),
        ("fd00::/8", "https://[fd00::1]", None),
        (
            "*.contoso.example",
            "https://fs.contoso.example",
            Some("a star stands"),
        ),
        ("fs*", "https://fs.contoso.example", Some("a star stands")),
        (".*", "https://fs.contoso.example", Some("a star stands")),
        ("10.*", "https://10.1.2.3", Some("a star stands")),
        (
            "https://fs.contoso.example",
            "https://fs.contoso.example",
            Some("without https://"),
        ),
        (
            "https://fs.contoso.example/",
            "https://fs.contoso.example",
            Some("without https://"),
        ),
        (
            "fs.contoso.example:8443",
            "https://fs.contoso.example:8443",
            Some("without the port"),
        ),
        ("10.1.2.3:8443", "https://10.1.2.3:8443", Some("without the port")),
        (
            "fs.contoso.example/adfs",
            "https://fs.contoso.example/adfs",
            Some("a network has"),
        ),
        (
            "fs.contoso.example.",
            "https://fs.contoso.example",
            Some("the dot at its end"),
        ),
        (
            "..contoso.example",
            "https://fs.contoso.example",
            Some("write a host"),
        ),
        (".", "https://fs.contoso.example", Some("the dot at its end")),
        ("[::1]", "https://[::1]", Some("without brackets")),
        ("[::1]:8443", "https://[::1]:8443", Some("without brackets")),
        ("fe80::1%eth0", "https://[fe80::1]", Some("without brackets")),
        ("10.0.0.0/255.0.0.0", "https://10.1.2.3", Some("a network has")),
        ("10.0.0.0/33", "https://10.1.2.3", Some("a network has")),
        ("10.0.0.0/+8", "https://10.1.2.3", Some("a network has")),
        ("10", "https://10.1.2.3", Some("write a host")),
        ("10.", "https://10.1.2.3", Some("the dot at its end")),
        ("10.1", "https://10.0.0.1", Some("write a host")),
        ("010.1.2.3", "https://10.1.2.3", Some("write a host")),
        ("10.1.2.3-10.1.2.9", "https://10.1.2.3", Some("write a host")),
        (
            "b\u{fc}cher.example",
            "https://xn--bcher-kva.example",
            Some("in letters of ASCII"),
        ),
        ("a.example b.example", "https://a.example", Some("commas")),
        ("a.example;b.example", "https://b.example", Some("commas")),
        ("\"a.example\"", "https://a.example", Some("quotes")),
        ("user@a.example", "https://a.example", Some("write a host")),
        ("<local>", "https://localhost", Some("write a host")),
    ];

    /// When the library learns a form, or forgets one, this table and the advice change with it.
    #[test]
    fn every_form_of_no_proxy_is_judged_as_the_library_takes_it() {
        for (part, url, advised) in FORMS {
            assert_eq!(goes_past(part, url), advised.is_none(), "{part} {url}");
            let judged = never_matches(part, true);
            assert_eq!(judged.is_some(), advised.is_some(), "{part}: {judged:?}");
            if let (Some(judged), Some(advised)) = (judged, advised) {
                assert!(judged.contains(advised), "{part}: {judged}");
            }
        }
    }

    #[test]
    fn a_network_is_told_where_no_url_holds_an_address() {
        assert!(
            goes_past("10.0.0.0/8", "https://10.1.2.3")
                && !goes_past("10.0.0.0/8", "https://fs.contoso.example")
        );
        assert!(never_matches("10.0.0.0/8", false).is_some_and(|why| why.contains("names of the hosts")));
        assert_eq!(never_matches("127.0.0.1", false), None);
        let config = |text: &str| Config::parse(text).unwrap();
        for (text, expected) in [
            ("", false),
            (
                "authorities: [{name: a, kind: Entra, url: 'https://a.example:8443'}]",
                false,
            ),
            (
                "authorities: [{name: a, kind: Entra, url: 'https://10.1.2.3'}]",
                true,
            ),
            (
                "authorities: [{name: a, kind: Entra, url: 'https://[fd00::1]:8443'}]",
                true,
            ),
            ("federation: {allowedHosts: [sts.fed.example]}", false),
            ("federation: {allowedHosts: ['10.1.2.3:8443']}", true),
        ] {
            assert_eq!(names_addresses(&config(text)), expected, "{text}");
        }
    }

    /// Those that would be read by `from_env` are the ones that are judged.
    fn told(set: &[(&str, &str)]) -> Vec<String> {
        let variable = |name: &str| {
            let found = set.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        wrong(&variable, false)
    }

    #[test]
    fn without_a_proxy_or_a_mistake_nothing_is_told() {
        let never = "https://a.example,*.b.example";
        for set in [
            &[][..],
            &[("NO_PROXY", never)],
            &[("HTTPS_PROXY", ""), ("NO_PROXY", never)],
            &[("HTTP_PROXY", PROXY), ("NO_PROXY", never)],
            &[("HTTPS_PROXY", PROXY)],
            &[("https_proxy", PROXY), ("NO_PROXY", "")],
            &[
                ("HTTPS_PROXY", PROXY),
                ("NO_PROXY", " a.example , .svc,,127.0.0.1,"),
            ],
            &[
                ("HTTPS_PROXY", PROXY),
                ("NO_PROXY", "a.example"),
                ("no_proxy", "a.example"),
            ],
            &[("HTTPS_PROXY", "proxy.contoso.example:3128")],
        ] {
            assert_eq!(told(set), Vec::<String>::new(), "{set:?}");
        }
    }

    #[test]
    fn every_part_that_never_matches_is_told_once() {
        let list = "a.example,*.b.example , https://c.example,.d.example,10.0.0.0/8";
        for (proxy, no_proxy) in [("HTTPS_PROXY", "NO_PROXY"), ("all_proxy", "no_proxy")] {
            let told = told(&[(proxy, PROXY), (no_proxy, list)]);
            assert_eq!(told.len(), 3, "{told:#?}");
            for (line, part) in told
                .iter()
                .zip(["*.b.example", "https://c.example", "10.0.0.0/8"])
            {
                let start = format!("{no_proxy} has a part that never matches, \"{part}\": ");
                assert!(line.starts_with(&start), "{line}");
            }
        }
        let both = told(&[
            ("HTTPS_PROXY", PROXY),
            ("NO_PROXY", ""),
            ("no_proxy", "a.example"),
        ]);
        assert_eq!(both.len(), 1);
        assert!(both[0].starts_with("no_proxy is not read"), "{both:?}");
    }

    /// What the library ignores without a word lets every sign-in leave without the proxy.
    #[test]
    fn a_proxy_that_is_ignored_is_told() {
        let url: Uri = "https://a.example".parse().unwrap();
        for proxy in [
            " http://p.example",
            "http://",
            "ftp://p.example",
            "p example",
            "/p",
        ] {
            assert!(
                Matcher::builder().https(proxy).build().intercept(&url).is_none(),
                "{proxy}"
            );
            let told = told(&[("HTTPS_PROXY", proxy)]);
            assert!(
                told.len() == 1 && told[0].starts_with("HTTPS_PROXY is ignored"),
                "{proxy}: {told:?}"
            );
        }
        let socks = told(&[("ALL_PROXY", "socks5h://p.example:1080")]);
        assert!(
            socks.len() == 1 && socks[0].contains("HTTP proxies only"),
            "{socks:?}"
        );
    }

    #[test]
    fn no_password_of_a_proxy_is_told() {
        let secret = "http://user:marker@p.example:3128";
        for set in [
            [("HTTPS_PROXY", "http://user:marker@"), ("NO_PROXY", secret)],
            [
                ("HTTPS_PROXY", "ftp://user:marker@p.example"),
                ("NO_PROXY", "user:marker@p.example:3128"),
            ],
            [
                ("ALL_PROXY", "socks5://user:marker@p.example"),
                ("no_proxy", secret),
            ],
        ] {
            let told = told(&set);
            assert_eq!(told.len(), 2, "{told:?}");
            assert!(!told.concat().contains("marker"), "{told:?}");
        }
    }

    proptest! {
        /// Whatever is called a part that never matches matches no host that a URL can have.
        #[test]
        fn what_never_matches_matches_nothing(
            part in r"[a-b0-2.*/:\[\]@% -]{0,12}",
            host in r"[a-b0-2]{1,3}(\.[a-b0-2]{1,3}){0,3}|\[::[0-2]\]|[a-b*]\.[a-b]",
        ) {
            let url = Url::parse(&format!("https://{host}")).ok();
            prop_assume!(!part.contains(',') && url.as_ref().is_some_and(|url| !url.as_str().contains('*')));
            let url = url.unwrap();
            if never_matches(part.trim(), true).is_some() {
                prop_assert!(!goes_past(&part, url.as_str()), "{part} {url}");
            }
        }

        /// A name that is taken matches itself and what is below it.
        #[test]
        fn a_name_that_is_taken_matches(part in r"\.?[a-bA-B0-2_-]{1,4}(\.[a-b0-2-]{1,4}){0,2}") {
            let name = part.strip_prefix('.').unwrap_or(&part);
            if never_matches(&part, true).is_none() && part.parse::<IpAddr>().is_err() {
                for url in [format!("https://{name}/"), format!("https://x.{name}/")] {
                    prop_assert!(goes_past(&part, Url::parse(&url).unwrap().as_str()), "{part} {url}");
                }
            }
        }
    }
}
