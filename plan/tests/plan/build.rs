//! Builders: facts with defaults that describe a healthy credential, to be changed where a test needs it.

use entra_plan::answer::{Account, Deed, Effect, Granted, Refusal};
use entra_plan::client::Client;
use entra_plan::identity::{AccountTag, Pin};
use entra_plan::keys::KeyName;
use entra_plan::mac::{ClientMac, RefreshTokenMac, RequestMac, ScopesMac, ShapeMac, TargetMac};
use entra_plan::metadata::{EntryName, Uid, Version};
use entra_plan::reason::Reason;
use entra_plan::record::{Attempt, ClientInput, ClientVersion, ContentMac, Entry, Inputs, Record, Verdict};
use entra_plan::schedule::{self, Life};
use entra_plan::snapshot::{
    AttemptSeen, Binding, Claim, Content, Failure, Held, LastLogin, LastVerdict, Login, LoginSecret, Object,
    Opened, Ownership, Published, Sealed, Session, Snapshot, StoredToken, Target, Token, Wanted,
};
use entra_plan::word::{Said, Word};
use entra_plan::{Step, Time};

/// The present of every hand-made snapshot.
pub const NOW: Time = Time(1_000_000);

/// Life of a token, unless a test says otherwise: one hour.
pub const LIFE: i64 = 3600;

/// GUID of the tenant that the spec names.
pub const TENANT_ID: &str = "11111111-0000-4000-8000-000000000001";

/// Request that the spec asks for.
pub const REQUEST: &str = "request";

/// Type of a Secret that holds a client secret, as a story needs it.
pub const CLIENT_SECRET_TYPE: &str = "entra-operator.dev/client-secret";

/// The client credential's Secret does not exist.
pub fn missing_client() -> Client {
    Client::Missing {
        secret: "app".to_owned(),
        kind: CLIENT_SECRET_TYPE,
    }
}

/// A credential at first sight: nothing exists but the spec.
pub fn first_sight() -> Snapshot {
    Snapshot {
        object: Object {
            generation: 1,
            at_percent: 60,
            inputs: inputs(),
            ..Object::default()
        },
        target: Target::Known {
            binding: binding(),
            resolved_tenant: None,
        },
        tokens: vec![token("graph")],
        ..Snapshot::default()
    }
}

/// A healthy credential: logged in, one token published ten minutes ago.
pub fn healthy() -> Snapshot {
    Snapshot {
        session: session(),
        tokens: vec![fresh_token("graph")],
        object: Object {
            observed_generation: 1,
            was_ready: true,
            ..first_sight().object
        },
        ..first_sight()
    }
}

/// A credential whose claimed login was read, with `record` stored and no refresh token yet.
pub fn with_login(record: Record) -> Snapshot {
    Snapshot {
        login: Login::Present(login("A")),
        session: Session {
            token: None,
            opened: opened(record, None),
            ..session()
        },
        ..first_sight()
    }
}

/// What the spec names: authority, tenant and client.
pub fn binding() -> Binding {
    Binding {
        authority: "login.example".to_owned(),
        tenant: "contoso.example".to_owned(),
        client_id: "client".to_owned(),
    }
}

/// Keyed hash of a content.
pub fn mac(content: &str) -> ContentMac {
    ContentMac(content.to_owned())
}

/// A uid.
pub fn uid(text: &str) -> Uid {
    Uid(text.to_owned())
}

/// A resourceVersion.
pub fn version(text: &str) -> Version {
    Version(text.to_owned())
}

/// A login Secret, claimed and read.
pub fn login(content: &str) -> LoginSecret {
    LoginSecret {
        uid: uid("login-1"),
        version: version("1"),
        deleting: false,
        allows_identity_change: false,
        claim: Claim::Ours,
        content: Content::Valid { mac: mac(content) },
        made_for: sent_to(),
    }
}

/// Where the spec sends logins.
pub fn sent_to() -> TargetMac {
    TargetMac("target".to_owned())
}

/// A refresh-token Secret of ours with a living token of the spec's binding, read back.
pub fn session() -> Session {
    Session {
        ownership: Ownership::Ours,
        version: Some(version("7")),
        token: Some(stored(binding())),
        sealed_by: Some(KeyName::default()),
        opened: opened(Record::default(), Some(pin())),
        ..Session::default()
    }
}

/// A living refresh token.
pub fn stored(binding: Binding) -> StoredToken {
    StoredToken {
        ends_at: None,
        issued_at: NOW.plus(-600),
        dead_since: None,
        binding,
        tenant_id: TENANT_ID.to_owned(),
        account: tag(),
    }
}

/// Keyed hash of a refresh token.
pub fn token_mac(text: &str) -> RefreshTokenMac {
    RefreshTokenMac(text.to_owned())
}

/// What the seal holds: the stored token, of this account.
pub fn sealed(pin: Pin) -> Sealed {
    let token = token_mac("stored");
    Sealed { pin, token }
}

/// A read of the sealed blobs.
pub fn opened(record: Record, pin: Option<Pin>) -> Opened {
    Opened::Read {
        record: Some(record),
        session: pin.map(sealed),
        unsealable: false,
    }
}

/// The pin of the stored token.
pub fn pin() -> Pin {
    Pin {
        user: "svc@contoso.example".to_owned(),
        account: account(),
        tag: tag(),
    }
}

/// What stands for the pinned account on tokens.
pub fn tag() -> AccountTag {
    AccountTag("account-mac".to_owned())
}

/// What decides how an answer turns out, for a public client.
pub fn inputs() -> Inputs {
    Inputs {
        scopes: ScopesMac("scopes".to_owned()),
        client: client_input("public", Some("public")),
        leave: false,
    }
}

/// A client credential in this version, with this content if it was read.
pub fn client_input(version: &str, content: Option<&str>) -> ClientInput {
    ClientInput {
        version: ClientVersion(version.to_owned()),
        content: content.map(|text| ClientMac(text.to_owned())),
    }
}

/// A person's word of `seconds` from now.
pub const fn word(seconds: i64) -> Word {
    Word(NOW.plus(seconds))
}

/// What a person wrote `seconds` from now.
#[expect(clippy::unnecessary_wraps, reason = "as the facts have it")]
pub const fn said(seconds: i64) -> Option<Said> {
    Some(Said::At(word(seconds)))
}

/// The pinned account.
pub fn account() -> Account {
    Account {
        home_account_id: "user.tenant".to_owned(),
        object_id: "user".to_owned(),
        tenant_id: TENANT_ID.to_owned(),
        username: "svc@contoso.example".to_owned(),
        ..Account::default()
    }
}

/// A token entry whose Secret does not exist yet.
pub fn token(entry: &str) -> Token {
    Token {
        name: name(entry),
        wanted: Wanted::Request(RequestMac(REQUEST.to_owned())),
        shape: ShapeMac("shape".to_owned()),
        ..Token::default()
    }
}

/// A token entry that was published ten minutes ago.
pub fn fresh_token(name: &str) -> Token {
    published_token(name, -600)
}

/// A token entry whose token was issued `age` seconds ago (as a negative offset).
pub fn published_token(name: &str, age: i64) -> Token {
    Token {
        ownership: Ownership::Ours,
        published: Some(published(NOW.plus(age), LIFE)),
        ..token(name)
    }
}

/// What is published, issued at `issued_at` for `life` seconds.
pub fn published(issued_at: Time, life: i64) -> Published {
    let expires_at = issued_at.plus(life);
    Published {
        version: version("3"),
        request: RequestMac(REQUEST.to_owned()),
        shape: ShapeMac("shape".to_owned()),
        issued_at,
        expires_at,
        refresh_at: schedule::refresh_at(
            Life {
                issued_at,
                expires_at,
            },
            60,
            0,
            None,
        ),
        verified: true,
        edited: false,
        unwritable: false,
        unlabelled: false,
        scopes: Vec::new(),
    }
}

/// A token in the pocket that answers `request` and expires `left` seconds from now.
pub fn held(request: &str, left: i64) -> Held {
    Held {
        request: RequestMac(request.to_owned()),
        granted: Granted {
            expires_at: NOW.plus(left),
            ..granted(NOW, LIFE)
        },
    }
}

/// A successful answer.
pub fn granted(at: Time, life: i64) -> Granted {
    Granted {
        issued_at: at,
        expires_at: at.plus(life),
        refresh_at: None,
        answered_at: at,
        scopes: Vec::new(),
        account: Some(account()),
        has_refresh_token: true,
        unusable: None,
        refresh_token_life: None,
        redeemed_stays_valid: false,
        checked_by: None,
    }
}

/// A refusal.
pub fn refusal(effect: Effect, reason: Reason) -> Refusal {
    Refusal {
        effect,
        reason,
        code: None,
        message: format!("{reason} happened"),
        remedy: String::new(),
        deed: Deed::Wait,
        correlation_id: None,
        trace_id: None,
        retry_after: None,
    }
}

/// A failure that may be tried again at `next`.
pub fn failure(effect: Effect, reason: Reason, next: Option<Time>) -> Failure {
    Failure {
        refusal: refusal(effect, reason),
        at: NOW.plus(-30),
        consecutive: 1,
        next_attempt_at: next,
        under: None,
    }
}

/// It was never asked for, because others failed, and has its turn at `next`.
pub fn rationed(next: Time) -> Failure {
    Failure {
        consecutive: 0,
        ..failure(Effect::Transient, Reason::ClusterUnavailable, Some(next))
    }
}

/// History of content A, which was sent once, an hour ago.
pub fn tried(verdict: Verdict) -> Entry {
    Entry {
        verdict,
        sends: 1,
        login_uid: Some(uid("login-1")),
        last_sent_at: Some(NOW.plus(-3600)),
        inputs: Some(inputs()),
        ..Entry::new(mac("A"))
    }
}

/// A record of one content, without an attempt in flight.
pub fn record(entry: Entry) -> Record {
    Record {
        entries: vec![entry],
        attempt: None,
    }
}

/// What the annotations note of the last sign-in, sent once.
pub fn noted(verdict: LastVerdict, login_uid: Option<&str>) -> LastLogin {
    LastLogin {
        verdict: Some(verdict),
        login_uid: login_uid.map(uid),
        login_version: None,
        sends: 1,
        last_sent_at: None,
        next_attempt_at: None,
        made_for: None,
        inputs: None,
        word: None,
    }
}

/// An attempt in flight, for the first entry's scopes.
pub fn attempt(content: &str) -> Attempt {
    Attempt {
        id: "attempt-1".to_owned(),
        content: mac(content),
        entry: name("graph"),
    }
}

/// That this process saw the attempt at `first_seen`.
pub fn seen(first_seen: Time, unsent_ours: bool) -> AttemptSeen {
    AttemptSeen {
        id: "attempt-1".to_owned(),
        first_seen,
        unsent_ours,
    }
}

/// The step that records content A for the first entry.
pub fn record_a() -> Step {
    Step::RecordAttempt {
        content: mac("A"),
        entry: name("graph"),
    }
}

/// A login Secret that is there.
pub const fn present(login: LoginSecret) -> Login {
    Login::Present(login)
}

/// Content A was recorded at `at` and is not settled.
pub fn in_flight(at: Time) -> Record {
    let entry = Entry {
        last_sent_at: Some(at),
        unanswered: 1,
        ..tried(Verdict::Open)
    };
    Record {
        attempt: Some(attempt("A")),
        ..record(entry)
    }
}

/// Name of a token entry.
pub fn name(text: &str) -> EntryName {
    EntryName(text.to_owned())
}

/// Names, as steps carry them.
pub fn names(names: &[&str]) -> Vec<EntryName> {
    names.iter().map(|n| name(n)).collect()
}
