//! What people see: one line per change, with the seconds since the start. Colour only on a terminal.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use super::Error;

/// How a line looks on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Dim,
    Good,
    Bad,
    Strong,
}

/// Standard output, and the moment at which everything began.
#[derive(Debug)]
pub(crate) struct Screen {
    start: Instant,
    colour: bool,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Dim => "2",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Strong => "1;36",
        }
    }
}

impl Screen {
    pub(crate) fn new() -> Self {
        let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            start: Instant::now(),
            colour: io::stdout().is_terminal() && !set("NO_COLOR") && !dumb,
        }
    }

    /// A change: when, of what, and what it was.
    pub(crate) fn change(&self, subject: &str, text: &str, paint: Paint) -> Result<(), Error> {
        let seconds = self.seconds();
        self.write(&format!("{seconds:6.1} s  {subject:<32} "), text, paint)
    }

    /// What the user types.
    pub(crate) fn command(&self, text: &str) -> Result<(), Error> {
        let seconds = self.seconds();
        self.write(&format!("{seconds:6.1} s  $ "), text, Paint::Strong)
    }

    /// A line that is no change.
    pub(crate) fn plain(&self, text: &str) -> Result<(), Error> {
        self.write("", text, Paint::Plain)
    }

    /// Indented below a command: what it reads.
    pub(crate) fn input(&self, text: &str) -> Result<(), Error> {
        text.lines()
            .try_for_each(|line| self.write("            ", line, Paint::Dim))
    }

    /// One line of the summary.
    pub(crate) fn verdict(&self, holds: bool, what: &str, found: &str) -> Result<(), Error> {
        let (word, paint) = if holds {
            ("ok  ", Paint::Good)
        } else {
            ("FAIL", Paint::Bad)
        };
        let word = self.painted(word, paint);
        self.write(&format!("  {word} {what:<28} "), found, Paint::Plain)
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    fn write(&self, head: &str, text: &str, paint: Paint) -> Result<(), Error> {
        let text = self.painted(text, paint);
        let mut out = io::stdout().lock();
        writeln!(out, "{head}{text}")
            .and_then(|()| out.flush())
            .map_err(Error::io("write to standard output"))
    }

    fn painted(&self, text: &str, paint: Paint) -> String {
        if self.colour && paint != Paint::Plain {
            return format!("\x1b[{}m{text}\x1b[0m", paint.code());
        }
        text.to_owned()
    }
}
