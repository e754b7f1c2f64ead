//! The log: text or JSON lines on stderr, filtered by directives of the form `level` or `target=level`.
//!
//! # Guarantees
//!
//! - No directive opens a target that prints what travels in bodies (see [`CEILINGS`]), not even `trace`.
//! - Audit lines are written whatever the filter says; more than INFO of them only where it asks for that.
//! - A directive that would quietly do nothing is refused with a sentence that says what to write.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer, Registry};

use super::audit;

/// What is logged unless the administrator says otherwise.
pub const DEFAULT_FILTER: &str = "info,kube_client::client=error,kube_runtime=warn,hyper=warn,reqwest=warn";

/// Targets that print whole bodies, Secrets and tokens among them, and the most they may log whatever the filter says.
///
/// `kube_client::client` prints a response that it cannot decode at WARN; reqwest's verbose connections print every byte.
pub const CEILINGS: [(&str, LevelFilter); 2] = [
    ("kube_client::client", LevelFilter::ERROR),
    ("reqwest::connect::verbose", LevelFilter::OFF),
];

/// How the log is written; the command line shows these texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One readable line per event
    Text,
    /// One JSON object per line
    Json,
}

/// Why a `--log` value is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// A directive without `=` is not a level, so it would silence everything but a target of that name.
    #[error(
        "{0:?} is not a level: write error, warn, info, debug, trace or off, or target=level such as entra_operator=debug"
    )]
    Level(String),
    /// A directive cannot be parsed.
    #[error("the log filter {0:?} is not understood: write directives such as info,entra_operator=debug")]
    Directive(String),
}

/// A filter that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(String);

impl Default for Filter {
    fn default() -> Self {
        Self(DEFAULT_FILTER.to_owned())
    }
}

impl FromStr for Filter {
    type Err = LogError;

    /// Reads directives separated by commas; blank text means [`DEFAULT_FILTER`].
    fn from_str(text: &str) -> Result<Self, LogError> {
        let directives: Vec<&str> = text.split(',').map(str::trim).filter(|d| !d.is_empty()).collect();
        if directives.is_empty() {
            return Ok(Self::default());
        }
        directives.iter().try_for_each(|d| check(d))?;
        Ok(Self(directives.join(",")))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Starts logging to stderr. It fails if the process logs already.
pub fn init(filter: &Filter, format: Format) -> Result<(), TryInitError> {
    subscriber(filter, format, std::io::stderr).try_init()
}

/// What [`init`] installs, with a writer of choice.
pub fn subscriber<W>(filter: &Filter, format: Format, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // The text was checked when the filter was made; should it still fail, less is logged, not more.
    let directives = EnvFilter::try_new(&filter.0).unwrap_or_default();
    let wanted = directives.and(filter_fn(below_ceiling)).or(filter_fn(is_audit));
    tracing_subscriber::registry().with(lines(format, writer).with_filter(wanted))
}

fn lines<W>(format: Format, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let text = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        Format::Text => text.boxed(),
        Format::Json => text.json().flatten_event(true).with_span_list(false).boxed(),
    }
}

fn is_audit(metadata: &Metadata<'_>) -> bool {
    metadata.target() == audit::TARGET && *metadata.level() <= Level::INFO
}

fn below_ceiling(metadata: &Metadata<'_>) -> bool {
    CEILINGS
        .iter()
        .all(|(target, most)| !within(metadata.target(), target) || *metadata.level() <= *most)
}

fn within(target: &str, ancestor: &str) -> bool {
    let rest = target.strip_prefix(ancestor);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn check(directive: &str) -> Result<(), LogError> {
    if !directive.contains(['=', '[']) && !is_level(directive) {
        return Err(LogError::Level(directive.to_owned()));
    }
    let parsed = EnvFilter::try_new(directive);
    parsed
        .map(drop)
        .map_err(|_| LogError::Directive(directive.to_owned()))
}

fn is_level(text: &str) -> bool {
    text.eq_ignore_ascii_case("off") || (text.parse::<Level>().is_ok() && text.parse::<u8>().is_err())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut lines = self.0.lock().map_err(|_| io::ErrorKind::Other)?;
            io::Write::write(&mut *lines, bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, format: Format, act: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(&filter.parse().unwrap(), format, move || writer.clone());
        tracing::subscriber::with_default(subscriber, act);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    fn print_bodies() {
        tracing::warn!(target: "kube_client::client", "q7Zk body");
        tracing::trace!(target: "kube_client::client::deeper", "q7Zk body");
        tracing::error!(target: "reqwest::connect::verbose", "q7Zk body");
        tracing::error!(target: "kube_client::client", "failed with status 500");
        tracing::warn!(target: "kube_client::clients", "a neighbour");
    }

    #[test]
    fn no_filter_opens_a_target_that_prints_bodies() {
        for filter in [
            "trace",
            "",
            "kube_client::client=trace,info",
            "kube_client=debug",
            "off,[{a}]=trace,kube_client=trace",
        ] {
            let text = logged(filter, Format::Text, print_bodies);
            assert!(!text.contains("q7Zk"), "{filter}: {text}");
            assert!(text.contains("status 500"), "{filter}: {text}");
        }
        assert!(logged("trace", Format::Text, print_bodies).contains("a neighbour"));
    }

    #[test]
    fn no_filter_silences_an_audit_line() {
        let act = || {
            tracing::info!(target: audit::TARGET, "a password is sent");
            tracing::debug!(target: audit::TARGET, "a Secret was opened");
            tracing::info!("chatter");
        };
        for filter in ["off", "error", "audit=off", "off,audit=error", "info,[{a}]=off"] {
            assert!(
                logged(filter, Format::Text, act).contains("a password is sent"),
                "{filter}"
            );
        }
        let quiet = logged("off", Format::Text, act);
        assert!(!quiet.contains("opened") && !quiet.contains("chatter"), "{quiet}");
        assert!(logged("off,audit=debug", Format::Text, act).contains("opened"));
    }

    #[test]
    fn a_filter_may_close_what_the_ceiling_leaves_open() {
        assert_eq!(
            logged("info,kube_client::client=off", Format::Text, || {
                tracing::error!(target: "kube_client::client", "failed");
            }),
            ""
        );
    }

    #[test]
    fn the_default_is_info_without_chatter() {
        let text = logged("", Format::Text, || {
            tracing::info!(step = "Redeem", "token refreshed");
            tracing::debug!("detail");
            tracing::info!(target: "kube_runtime::watcher", "chatter");
        });
        assert!(text.contains("token refreshed") && text.contains("step=\"Redeem\""));
        assert!(!text.contains("detail") && !text.contains("chatter"));
    }

    #[test]
    fn json_lines_are_flat_objects() {
        let text = logged("info", Format::Json, || {
            tracing::info!(step = "Redeem", "token refreshed");
        });
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        for (key, expected) in [
            ("message", "token refreshed"),
            ("step", "Redeem"),
            ("level", "INFO"),
        ] {
            assert_eq!(line.get(key).and_then(|v| v.as_str()), Some(expected));
        }
    }

    #[test]
    fn filters_are_checked() {
        for good in [
            "debug",
            "OFF",
            "info, entra_operator=debug",
            "warn,[step{name=a}]=trace",
            " ",
        ] {
            assert!(good.parse::<Filter>().is_ok(), "{good}");
        }
        for wrong in ["inof", "info,entra_operator", "3"] {
            assert!(
                matches!(wrong.parse::<Filter>(), Err(LogError::Level(_))),
                "{wrong}"
            );
        }
        for wrong in ["entra_operator=loud", "a=b=c"] {
            assert!(
                matches!(wrong.parse::<Filter>(), Err(LogError::Directive(_))),
                "{wrong}"
            );
        }
        assert_eq!("".parse::<Filter>().unwrap().to_string(), DEFAULT_FILTER);
        assert_eq!(
            "a=warn , info".parse::<Filter>().unwrap().to_string(),
            "a=warn,info"
        );
    }
}
