//! Rules about sends: which content may leave when, and how often (docs/contract.md, "The login, step by step", §3.2 and rule 1).

use entra_operator::api::Realm;
use entra_operator::plan::answer::Effect;
use entra_operator::plan::metadata::Uid;
use entra_operator::plan::record::{ContentMac, Entry, Verdict};
use entra_operator::reconcile::material::{LoginContent, Secret};
use entra_operator::reconcile::ports::{Key, Outcome, Tokens, Vault};

use super::book::{Content, OpenedSession};
use super::idp::Asked;
use super::ports::told;
use super::rules_login::{binding_of, is_late};
use super::words::word;
use super::world::{Clocks, World};

/// Sends without a complete answer that a content gets.
const SENDS: u32 = 3;

/// Sends of a doubtful content without a person's word.
const DOUBTFUL: u32 = 3;

/// Tries of a content whose password is right, without a word.
const PROVEN: u32 = 24;

/// Words that lift a condemned content in a day.
const LIFTS: usize = 3;

/// Sends of one account in a quarter of an hour, and refused ones of one namespace. The turn is taken up to ten seconds
/// before the send.
const TURNS: usize = 3;
const REFUSALS: usize = 20;
const WINDOW: i64 = 885_000;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * 60 * MINUTE;

/// How long what a person changed may be on its way to a process.
const ON_ITS_WAY: i64 = 5 * MINUTE;

/// What the judge knows of one content.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// When it was recorded for sending last, milliseconds.
    at: i64,
    /// The latest word that was in force then.
    word: Option<i64>,
    uid: Option<Uid>,
    /// Which credential with which spec the sender knew: a watch may be hours behind when etcd was set back.
    known: Option<(Uid, i64)>,
    answer: Option<Answered>,
    /// The last answer shows that the password is right.
    right: bool,
    doubtful: u32,
    proven: u32,
    lifts: Vec<i64>,
}

/// What the last answer says of the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    Proven,
    Doubtful,
    Other,
}

impl World {
    /// A password is about to leave.
    pub fn judge_send(&mut self, asked: &Asked, user: &str, password: &str) -> (Key, Content) {
        self.counts.sends += 1;
        self.tally().sends += 1;
        let key = self.whose();
        let mac = self.mac_of(asked, user, password);
        self.note(|| format!("SEND {user}/{password} to {:?} ({:.8})", asked.binding, mac));
        if self.is_on_its_way_out() {
            self.broken(8, "a password was sent for a namespace that is being deleted");
        }
        let now = self.now();
        let content = (user.to_owned(), password.to_owned(), asked.binding.clone());
        let open = self.book.sends.entry((key.clone(), content.clone())).or_default();
        *open += 1;
        let open = *open;
        if !self.book.was_reset(&key, now) {
            self.judge_recorded(&key, &mac, open, now);
        }
        self.judge_turn(&content, now);
        (key, content)
    }

    /// Hash of a content.
    pub fn mac_of(&self, asked: &Asked, user: &str, password: &str) -> String {
        let login = LoginContent {
            username: Secret::new(user.to_owned()),
            password: Secret::new(password.to_owned()),
        };
        self.judge.content_mac(&login, &asked.binding, Realm::Auto).0
    }

    fn judge_recorded(&mut self, key: &Key, mac: &str, open: u32, now: i64) {
        let asked_for = self.book.requests.get(key).copied().unwrap_or(0);
        if open > SENDS + asked_for {
            self.broken(
                1,
                format!("send {open} without a complete answer ({asked_for} requests)"),
            );
        }
        let at = (key.clone(), mac.to_owned());
        match self.book.recorded.get(&at).copied() {
            Some((0, _)) | None => self.broken(1, "a password was sent that was not recorded"),
            Some((_, recorded)) if is_late(now - recorded) => {
                self.broken(1, format!("sent {} ms after its record", now - recorded));
            }
            Some((n, recorded)) => drop(self.book.recorded.insert(at, (n - 1, recorded))),
        }
    }

    /// No account gets more sends than its turns from one process, whoever asks, and no namespace more refusals.
    fn judge_turn(&mut self, content: &Content, now: i64) {
        let exact = self.clocks_are_exact();
        for (whose, most) in self.turns_of(content).into_iter().zip([TURNS, REFUSALS]) {
            let what = whose.1.clone();
            let times = self.book.turns.entry(whose).or_default();
            times.retain(|at| now - at < WINDOW);
            times.push(now);
            let taken = times.len();
            if taken > most && exact {
                self.broken(1, format!("send {taken} of {what} in a quarter of an hour"));
            }
        }
    }

    /// What of the process in turn counts a send.
    fn turns_of(&self, content: &Content) -> [(usize, String); 2] {
        let turn = self.turn.as_ref().unwrap();
        let namespace = format!("namespace {}", turn.credential.key.namespace);
        [account(content), namespace].map(|what| (turn.replica, what))
    }

    /// An answer reached a living process. Final verdicts count once they are stored.
    pub fn judge_answer(&mut self, send: (Key, Content), outcome: &Outcome) {
        self.note(|| format!("login answered: {}", told(outcome)));
        let over = match outcome {
            Outcome::Refused(r) => !matches!(r.effect, Effect::Unanswered | Effect::Condemned),
            Outcome::Later(_) => true,
            Outcome::Granted(t) => t.refresh_token.is_none() || self.wrong_identity(&send.0, t),
        };
        if let (true, Some(open)) = (over, self.book.sends.get_mut(&send)) {
            *open = open.saturating_sub(1);
        }
        if gives_turn_back(outcome) {
            for whose in self.turns_of(&send.1) {
                self.book.turns.get_mut(&whose).and_then(Vec::pop);
            }
        }
        self.note_answer(send, outcome);
    }

    fn note_answer(&mut self, (key, content): (Key, Content), outcome: &Outcome) {
        if is_final(outcome) {
            self.book.something_to_do(&key);
        }
        let mac = self.mac_of(&asked_for(&content), &content.0, &content.1);
        let verdict = match outcome {
            Outcome::Refused(r) if r.effect == Effect::Condemned => Some(Verdict::Wrong),
            Outcome::Granted(_) => Some(Verdict::Accepted),
            Outcome::Refused(_) | Outcome::Later(_) => None,
        };
        let at = (key, mac);
        self.book
            .said
            .extend(verdict.map(|verdict| (at.clone(), verdict)));
        let sent = self.book.contents.entry(at).or_default();
        let answer = answered(outcome);
        sent.right = matches!(outcome, Outcome::Granted(_)) || answer == Answered::Proven;
        match answer {
            Answered::Doubtful => sent.doubtful += 1,
            Answered::Other if is_postponed(outcome) => sent.give_word_back(),
            Answered::Proven | Answered::Other => {}
        }
        sent.answer = Some(answer);
    }

    /// Whether the last answer to a content shows that its password is right.
    pub fn is_right(&self, whose: &Key, content: &ContentMac) -> bool {
        let at = (whose.clone(), content.0.clone());
        self.book.contents.get(&at).is_some_and(|sent| sent.right)
    }

    /// A final verdict was stored: it is what an answer said.
    pub fn judge_verdict(&mut self, whose: &Key, entry: &Entry) {
        let at = (whose.clone(), entry.content.0.clone());
        let last = matches!(entry.verdict, Verdict::Wrong | Verdict::Accepted);
        let said = !last || self.book.said.contains(&(at, entry.verdict.clone()));
        if !said && !self.book.was_reset(whose, self.now()) {
            self.broken(1, format!("{:?}, which no answer said", entry.verdict));
        }
    }

    /// The attempt was recorded, and nothing left.
    pub fn judge_unsent(&mut self, asked: &Asked, user: &str, password: &str) {
        let at = (self.whose(), self.mac_of(asked, user, password));
        self.book.contents.entry(at).or_default().give_word_back();
    }

    /// Such an answer is discarded, which is a complete answer too.
    fn wrong_identity(&self, key: &Key, tokens: &Tokens) -> bool {
        let pinned = self.session_of(key).account();
        let new = self.idp.access.get(tokens.access_token.expose());
        pinned.is_some() && pinned != new.map(|a| a.account.clone())
    }

    /// An attempt was recorded.
    pub fn judge_attempt(&mut self, whose: &Key, was: &OpenedSession, is: &Entry) {
        let (now, at) = (self.now(), (whose.clone(), is.content.0.clone()));
        let n = self.book.recorded.get(&at).map_or(0, |(n, _)| *n);
        self.book.recorded.insert(at.clone(), (n + 1, now));
        let mut sent = self.book.contents.get(&at).cloned().unwrap_or_default();
        let said = self.said().filter(|said| now / SECOND - said <= DAY / SECOND);
        let new_word = said > sent.word;
        // A watch that went on silently tells of an edit when it is listed anew.
        let sender = &self.turn.as_ref().unwrap().credential;
        let known = Some((sender.uid.clone(), sender.generation));
        let changed = self.was_changed_since(whose, sent.at) || known != sent.known;
        let past = was.record.entries.iter().find(|e| e.content == is.content);
        let past = past.map(|e| &e.verdict);
        let broken = match past {
            Some(Verdict::Wrong) => sent.lift(new_word, now),
            Some(Verdict::Kept(_)) if !new_word => {
                sent.again(changed, &is.login_uid, now, self.clocks_are_exact())
            }
            Some(Verdict::Accepted) => self.accepted_again(was),
            Some(Verdict::Kept(_) | Verdict::Open) | None => None,
        };
        if let Some(what) = broken.filter(|_| !self.book.was_reset(whose, now)) {
            self.broken(1, what);
        }
        if new_word || changed {
            sent.proven = 0;
        } else if matches!(past, Some(Verdict::Kept(_))) && sent.answer == Some(Answered::Proven) {
            sent.proven += 1;
        }
        (sent.at, sent.word, sent.answer) = (now, said.max(sent.word), None);
        sent.uid.clone_from(&is.login_uid);
        sent.known = known;
        self.book.contents.insert(at, sent);
    }

    fn accepted_again(&self, was: &OpenedSession) -> Option<String> {
        let target = binding_of(&self.turn.as_ref().unwrap().credential.spec);
        let lives = was.session.is_some() && !was.dead && was.binding.as_ref() == Some(&target);
        lives.then(|| "an accepted content is sent again while its token lives".to_owned())
    }

    /// The word that the pass in turn sees.
    fn said(&self) -> Option<i64> {
        let credential = &self.turn.as_ref().unwrap().credential;
        let wall = if self.clocks_are_exact() {
            self.seconds()
        } else {
            i64::MAX / 2
        };
        word(credential.request.as_deref()?, wall)
    }

    /// Whether something that decides the answer was changed since, as far as a process can know.
    fn was_changed_since(&self, whose: &Key, at: i64) -> bool {
        self.book
            .changed_at
            .get(whose)
            .is_some_and(|changed| *changed > at - ON_ITS_WAY)
    }

    /// Whether no process' clock is wrong, or was set lately: pauses are kept by it.
    pub fn clocks_are_exact(&self) -> bool {
        self.clocks == Clocks::Right && self.now() - self.book.jumped_at > 2 * 60 * MINUTE
    }
}

impl Sent {
    /// What is broken, if a condemned content is sent now.
    fn lift(&mut self, new_word: bool, now: i64) -> Option<String> {
        self.lifts.retain(|at| now - at < DAY);
        self.lifts.push(now);
        if !new_word {
            return Some("a condemned content is sent without a new word".to_owned());
        }
        (self.lifts.len() > LIFTS).then(|| format!("{} lifts in a day", self.lifts.len()))
    }

    /// What is broken, if a kept content is sent now without a new word.
    fn again(&self, changed: bool, uid: &Option<Uid>, now: i64, exact: bool) -> Option<String> {
        let pause = now - self.at;
        let since = |minutes: i64| pause >= minutes * MINUTE - 2 * SECOND || !exact;
        if self.doubtful >= DOUBTFUL {
            return Some(format!("doubtful send {} without a word", self.doubtful + 1));
        }
        let allowed = match self.answer {
            Some(Answered::Doubtful) => since(30),
            _ if changed || (*uid != self.uid && since(30)) => true,
            Some(Answered::Proven) => since(60) && self.proven < PROVEN,
            Some(Answered::Other) | None => false,
        };
        (!allowed).then(|| {
            format!(
                "a kept content is sent again after {} s: {self:?}",
                pause / SECOND
            )
        })
    }

    /// No send was used up, and no word.
    fn give_word_back(&mut self) {
        self.lifts.pop();
        self.word = None;
    }
}

/// An account, as it is counted.
fn account(content: &Content) -> String {
    format!("{} at {}", content.0.trim().to_lowercase(), content.2.authority)
}

/// A request that would send the content.
pub fn asked_for(content: &Content) -> Asked {
    Asked {
        binding: content.2.clone(),
        scopes: vec![],
        at: 0,
        wall: 0,
        withdrawn: false,
    }
}

fn is_of_resource(outcome: &Outcome) -> bool {
    use entra_operator::api::Reason::{BlockedByPolicy, ConsentMissing, InteractionRequired};
    let of = [BlockedByPolicy, ConsentMissing, InteractionRequired];
    matches!(outcome, Outcome::Refused(r) if of.contains(&r.reason))
}

fn is_postponed(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Refused(r) => r.effect == Effect::Transient,
        Outcome::Later(_) => true,
        Outcome::Granted(_) => false,
    }
}

fn gives_turn_back(outcome: &Outcome) -> bool {
    let accepted = matches!(outcome, Outcome::Granted(t) if t.refresh_token.is_some());
    accepted || is_postponed(outcome) || is_of_resource(outcome)
}

/// Whether a content is judged by it.
fn is_final(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Granted(_) => true,
        Outcome::Refused(r) => r.effect == Effect::Condemned,
        Outcome::Later(_) => false,
    }
}

fn answered(outcome: &Outcome) -> Answered {
    match outcome {
        Outcome::Refused(r) if r.effect == Effect::Doubtful => Answered::Doubtful,
        _ if is_of_resource(outcome) => Answered::Proven,
        _ => Answered::Other,
    }
}
