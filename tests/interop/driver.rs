//! A library at work: its program, asked by lines of JSON, one application object per session.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::library::Library;
use crate::scene::{Registration, SCOPE, User};

/// Longest time for one answer; a JVM on a busy machine takes a few seconds to start.
const DEADLINE: Duration = Duration::from_mins(1);

/// What a scenario asks of a library.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Action {
    SignIn,
    Silent,
    Renew,
    Redeem,
}

/// One line to a program. What an action does not need is left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Scenario<'a> {
    #[serde(rename = "do")]
    action: Action,
    /// Scenarios of one session share an application object and its cache.
    session: String,
    authority: &'a str,
    #[serde(flatten)]
    registration: &'a Registration,
    scopes: [&'a str; 1],
    #[serde(flatten)]
    user: Option<&'a User>,
    refresh_token: Option<&'a str>,
}

/// One line from a program.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", tag = "outcome")]
enum Answer {
    Token(Tokens),
    Error(Failure),
}

/// What a library shows of an answer with tokens.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tokens {
    /// MSAL's key of the account: `uid.utid`.
    pub(crate) account: String,
    pub(crate) username: String,
    pub(crate) access_token: String,
    /// The newest one in the library's cache.
    pub(crate) refresh_token: Option<String>,
}

/// What a library shows of a refusal.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failure {
    pub(crate) error: Option<String>,
    #[serde(default)]
    pub(crate) codes: Vec<u32>,
    pub(crate) suberror: Option<String>,
    /// The library's own class, under its own name.
    pub(crate) verdict: Option<String>,
}

/// A running library.
pub(crate) struct Driver {
    library: Library,
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    authority: String,
    registration: Registration,
    session: usize,
}

impl Driver {
    /// Starts the library as this application. It trusts the authority in `ca` and nothing else; no setting of the
    /// machine, such as a proxy, reaches it.
    pub(crate) fn start(
        library: Library,
        (authority, ca): (&str, &Path),
        registration: Registration,
    ) -> Self {
        let mut command = Command::from(library.command());
        for name in ["REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"] {
            command.env(name, ca);
        }
        for name in ["http_proxy", "https_proxy", "all_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        let piped = || Stdio::piped();
        let command = command.stdin(piped()).stdout(piped()).stderr(piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        Self {
            library,
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
            authority: authority.to_owned(),
            registration,
            session: 0,
        }
    }

    /// Goes on with a new application object, which remembers nothing.
    pub(crate) fn afresh(&mut self) -> &mut Self {
        self.session += 1;
        self
    }

    pub(crate) async fn sign_in(&mut self, user: &User) -> Result<Tokens, Failure> {
        self.ask(Action::SignIn, Some(user), None).await
    }

    /// Asks for a token that the cache can give.
    pub(crate) async fn silent(&mut self) -> Result<Tokens, Failure> {
        self.ask(Action::Silent, None, None).await
    }

    /// Asks for a new token without a password, although the old one is still good.
    pub(crate) async fn renew(&mut self) -> Result<Tokens, Failure> {
        self.ask(Action::Renew, None, None).await
    }

    /// Redeems a refresh token that somebody else obtained.
    pub(crate) async fn redeem(&mut self, refresh_token: &str) -> Result<Tokens, Failure> {
        self.ask(Action::Redeem, None, Some(refresh_token)).await
    }

    async fn ask(
        &mut self,
        action: Action,
        user: Option<&User>,
        refresh_token: Option<&str>,
    ) -> Result<Tokens, Failure> {
        let scenario = Scenario {
            action,
            session: self.session.to_string(),
            authority: &self.authority,
            registration: &self.registration,
            scopes: [SCOPE],
            user,
            refresh_token,
        };
        let line = serde_json::to_string(&scenario).unwrap() + "\n";
        // A program that is gone says why on the other pipe.
        drop(self.input.write_all(line.as_bytes()).await);
        let answer = tokio::time::timeout(DEADLINE, self.output.next_line()).await;
        let Ok(Ok(Some(answer))) = answer else {
            let said = self.last_words().await;
            panic!("{:?} did not answer {action:?}: {said}", self.library);
        };
        match serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}")) {
            Answer::Token(tokens) => Ok(tokens),
            Answer::Error(failure) => Err(failure),
        }
    }

    async fn last_words(&mut self) -> String {
        drop(self.child.start_kill());
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            drop(stderr.read_to_string(&mut text).await);
        }
        text
    }
}
