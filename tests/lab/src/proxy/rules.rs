//! Which requests a rule meets, and what it does with them.
//!
//! The first rule that fits and is due decides; rules before it count the request, rules behind it do not.

use std::time::Duration;

use super::journal::Entry;
use super::trigger::Trigger;

/// What is done with a request.
#[derive(Debug, Clone)]
pub enum Action {
    /// The connection is closed, nothing is forwarded.
    Close,
    /// The connection is reset, nothing is forwarded.
    Reset,
    /// No answer ever, nothing is forwarded.
    Stall,
    /// Forwarded after this time.
    Delay(Duration),
    /// Forwarded; the answer comes after this time.
    DelayAnswer(Duration),
    /// This answer instead; nothing is forwarded.
    Answer(Canned),
    /// Forwarded; the connection breaks after so many bytes of the answer's body.
    CutBody(usize),
    /// Forwarded; once the target has answered, the connection is closed.
    LoseAnswer,
    /// Forwarded; once the target has answered, nothing more happens.
    StallAnswer,
    /// The trigger runs first, then the request is forwarded.
    Before(Trigger),
    /// The request is forwarded; the trigger runs before the answer goes to the client.
    After(Trigger),
}

/// An answer that a rule makes up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Canned {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

impl Canned {
    /// The answer of an API server: a `Status` object with this reason.
    pub fn api_status(status: u16, reason: &str) -> Self {
        let body = serde_json::json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "made up by the laboratory's proxy", "reason": reason, "code": status,
        });
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self {
            status,
            headers,
            body: body.to_string(),
        }
    }

    /// 429 of an API server, with `Retry-After`.
    pub fn too_many_requests(seconds: u64) -> Self {
        Self::api_status(429, "TooManyRequests").header("retry-after", &seconds.to_string())
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Action {
    /// Answers with this status and reason, as an API server would.
    pub fn status(status: u16, reason: &str) -> Self {
        Self::Answer(Canned::api_status(status, reason))
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Close => "close",
            Self::Reset => "reset",
            Self::Stall => "stall",
            Self::Delay(_) => "delay",
            Self::DelayAnswer(_) => "delayAnswer",
            Self::Answer(_) => "answer",
            Self::CutBody(_) => "cutBody",
            Self::LoseAnswer => "loseAnswer",
            Self::StallAnswer => "stallAnswer",
            Self::Before(_) => "before",
            Self::After(_) => "after",
        }
    }
}

/// An action with the requests that it meets: by default the next one of any kind.
#[derive(Debug, Clone)]
pub struct Rule {
    action: Action,
    method: Option<String>,
    path: String,
    accept: String,
    user_agent: String,
    skip: usize,
    times: Option<usize>,
}

impl Rule {
    /// This action for the next request.
    pub fn new(action: Action) -> Self {
        Self {
            action,
            method: None,
            path: String::new(),
            accept: String::new(),
            user_agent: String::new(),
            skip: 0,
            times: Some(1),
        }
    }

    /// Only this method.
    #[must_use]
    pub fn method(self, method: &str) -> Self {
        Self {
            method: Some(method.to_uppercase()),
            ..self
        }
    }

    /// Only requests whose path and query contain this text.
    #[must_use]
    pub fn path(self, text: &str) -> Self {
        Self {
            path: text.to_owned(),
            ..self
        }
    }

    /// Only requests whose `Accept` header contains this text.
    #[must_use]
    pub fn accept(self, text: &str) -> Self {
        Self {
            accept: text.to_owned(),
            ..self
        }
    }

    /// Only requests whose `User-Agent` header contains this text.
    #[must_use]
    pub fn user_agent(self, text: &str) -> Self {
        Self {
            user_agent: text.to_owned(),
            ..self
        }
    }

    /// From the `n`-th fitting request on, counted from 1 when the rule is added.
    #[must_use]
    pub fn nth(self, n: usize) -> Self {
        Self {
            skip: n.saturating_sub(1),
            ..self
        }
    }

    /// So many requests instead of one.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }

    /// All requests from then on.
    #[must_use]
    pub fn forever(self) -> Self {
        Self { times: None, ..self }
    }

    fn fits(&self, entry: &Entry) -> bool {
        self.method.as_deref().is_none_or(|method| entry.method == method)
            && entry.path.contains(&self.path)
            && entry.accept.contains(&self.accept)
            && entry.user_agent.contains(&self.user_agent)
    }

    /// Counts one fitting request and says whether the rule is due.
    fn strike(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.times = self.times.map(|times| times.saturating_sub(1));
        true
    }
}

/// The action for this request; rules that have run out are removed.
pub(super) fn take(rules: &mut Vec<Rule>, entry: &Entry) -> Option<Action> {
    let mut fitting = rules.iter_mut().filter(|rule| rule.fits(entry));
    let action = fitting.find_map(|rule| rule.strike().then(|| rule.action.clone()));
    rules.retain(|rule| rule.times != Some(0));
    action
}
