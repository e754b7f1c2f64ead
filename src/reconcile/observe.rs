//! Facts: from the resource, the look and the memory to a [`Snapshot`]. Local; nothing is read for it.

use super::credential::Credential;
use super::look::Look;
use super::memory::Memory;
use super::ownership::ownership;
use super::ports::{AuthorityRefused, Kind, Ports, Provider, SecretMeta, Vault, View, Wanted as Sought};
use super::{annotations, marks, report};
use crate::api::{
    ANNOTATION_ALLOW_IDENTITY_CHANGE, CLIENT_SECRET_TYPE, ClientCredential, TLS_TYPE, TokenSpec, annotation,
};
use crate::plan::Time;
use crate::plan::client::{Client, Expiry};
use crate::plan::identity::AccountTag;
use crate::plan::known::Note;
use crate::plan::mac::{ClientMac, RequestMac, ShapeMac};
use crate::plan::metadata::{EntryName, Version};
use crate::plan::policy::Permissions;
use crate::plan::record::{ClientInput, ClientVersion, FirstForm, Inputs};
use crate::plan::schedule::CLAIM_LOOK;
use crate::plan::snapshot::{
    Binding, Claim, Content, Leftover, Login, LoginSecret, Object, Opened, Ownership, Published, Session,
    Snapshot, Target, Token, Wanted,
};

/// Takes the facts together.
pub(super) fn observe<P: Ports>(
    ports: &P,
    credential: &Credential,
    look: &Look,
    memory: &Memory,
    now: Time,
) -> Snapshot {
    let target = target(ports, credential, memory);
    let ahead = ahead(ports, || look.session.clone(), target.binding());
    let client = client(credential, look, memory);
    let session = session(ports, credential, look, memory);
    let known = &memory.known;
    let mut snapshot = Snapshot {
        object: object(ports, credential, look, memory, ahead),
        login: login(ports, credential, look, memory, &target, now),
        target,
        permissions: Permissions::default(),
        client,
        leftovers: leftovers(credential, look),
        pocket: memory.pocket.facts(),
        failure: known.failure.clone(),
        login_failure: known.login_failure.clone(),
        deleted_login_at: known.deleted_login_at,
        last_redeemed_at: known.last_redeemed_at,
        account: known.account.clone(),
        checked_by: known.checked_by,
        holds: known.holds.clone(),
        withheld: known.withheld.clone(),
        turn_at: known.turn_at,
        handled: known.handled,
        moved: known.moved.clone(),
        search: known.search,
        keys: ports.vault().keys_in_use(),
        reseal_at: known.reseal_at,
        session,
        tokens: Vec::new(),
    };
    snapshot.permissions = ports.policy().permissions(credential.place(), &snapshot);
    let account = account_of(ports, &snapshot);
    snapshot.tokens = credential
        .spec
        .tokens
        .iter()
        .map(|spec| {
            let wanted = wanted(ports, &snapshot, &account, spec);
            token(ports, credential, look, memory, (wanted, ahead), spec)
        })
        .collect();
    snapshot
}

fn object<P: Ports>(ports: &P, credential: &Credential, look: &Look, memory: &Memory, ahead: i64) -> Object {
    let client = client_input(credential, look, memory);
    Object {
        generation: credential.generation,
        observed_generation: memory.written.observed_generation.unwrap_or_default(),
        deleting: credential.deleting || memory.known.deleting,
        suspended: credential.spec.suspend,
        spread: credential.spread(),
        at_percent: i64::from(credential.spec.at_percent()),
        said: credential.said(),
        first_form: first_form(credential, &client.version),
        inputs: Inputs {
            scopes: marks::scopes(ports, credential),
            client,
            leave: false,
        },
        ahead,
        was_ready: memory.written.expires_at.is_some(),
    }
}

/// The inputs as the first form of the record has them.
fn first_form(credential: &Credential, client: &ClientVersion) -> FirstForm {
    let client = match &credential.spec.client_credential {
        Some(ClientCredential::WorkloadIdentity(_)) => "workload identity",
        _ => &client.0,
    };
    let (uid, generation) = (&credential.uid.0, credential.generation);
    let request = credential.request.as_deref().unwrap_or_default();
    FirstForm(format!("{uid};{generation};client={client};request={request}"))
}

/// What the answer of a request goes by, besides the spec: of a Secret its content, as far as it was read.
fn client_input(credential: &Credential, look: &Look, memory: &Memory) -> ClientInput {
    let fixed = |text: String| ClientInput {
        content: Some(ClientMac(text.clone())),
        version: ClientVersion(text),
    };
    match (&credential.spec.client_credential, &look.client) {
        (None, _) => fixed("public".to_owned()),
        (Some(ClientCredential::WorkloadIdentity(w)), _) => {
            fixed(format!("ServiceAccount/{}", w.service_account_name))
        }
        (Some(_), None) => ClientInput {
            version: ClientVersion("missing".to_owned()),
            content: None,
        },
        (Some(_), Some(meta)) => {
            let version = client_version(meta);
            let read = memory
                .known
                .client
                .as_ref()
                .filter(|seen| seen.version == version);
            ClientInput {
                content: read.map(|seen| seen.content.clone()),
                version,
            }
        }
    }
}

/// How far the clock is ahead by which the tokens are dated: the authority's that the spec names, else that of the stored
/// session.
fn ahead<P: Ports>(ports: &P, session: impl FnOnce() -> Option<SecretMeta>, wanted: Option<&Binding>) -> i64 {
    let of = |binding: &Binding| ports.provider().ahead(binding);
    let stored = || session().as_ref().and_then(annotations::binding);
    wanted.map_or_else(|| stored().as_ref().map_or(0, of), of)
}

/// The same before the first facts are taken together.
pub(super) fn first_ahead<P: Ports>(ports: &P, credential: &Credential) -> i64 {
    let session = || ports.view().secret(Kind::Session, &credential.session_key());
    ahead(ports, session, binding(ports, credential).ok().as_ref())
}

/// Where the spec says that its tokens come from.
fn binding<P: Ports>(ports: &P, credential: &Credential) -> Result<Binding, AuthorityRefused> {
    let spec = &credential.spec;
    ports.provider().binding(&Sought {
        cloud: spec.cloud,
        authority: spec.authority.as_deref(),
        tenant: spec.tenant.as_deref(),
        client_id: &spec.client_id,
    })
}

fn target<P: Ports>(ports: &P, credential: &Credential, memory: &Memory) -> Target {
    let binding = match binding(ports, credential) {
        Ok(binding) => binding,
        Err(AuthorityRefused { reason, message }) => return Target::Refused { reason, message },
    };
    let resolved_tenant = memory
        .known
        .resolved
        .as_ref()
        .filter(|(b, _)| *b == binding)
        .map(|(_, guid)| guid.clone());
    Target::Known {
        binding,
        resolved_tenant,
    }
}

/// How the application proves who it is, and whether what it needs for that is there.
pub(super) fn client(credential: &Credential, look: &Look, memory: &Memory) -> Client {
    let (secret, kind) = match &credential.spec.client_credential {
        None => return Client::Public,
        Some(ClientCredential::WorkloadIdentity(_)) => {
            return Client::Credential {
                expires: Expiry::Unknown,
            };
        }
        Some(ClientCredential::Secret(s)) => (s.secret_name.clone(), CLIENT_SECRET_TYPE),
        Some(ClientCredential::Certificate(c)) => (c.secret_name.clone(), TLS_TYPE),
    };
    let Some(meta) = &look.client else {
        return Client::Missing { secret, kind };
    };
    let expires = if kind == TLS_TYPE {
        expiry(memory, &client_version(meta))
    } else {
        Expiry::Unknown
    };
    Client::Credential { expires }
}

/// What tells one content of a client credential's Secret from the next.
pub(super) fn client_version(meta: &SecretMeta) -> ClientVersion {
    ClientVersion(format!("{}/{}", meta.uid.0, meta.version.0))
}

/// When the certificate of that version ends. As long as this process has read none, the status says whether that is
/// soon: a restart must not take the warning back and give it again.
fn expiry(memory: &Memory, version: &ClientVersion) -> Expiry {
    match &memory.known.client {
        Some(seen) if seen.version == *version => seen.expires_at.map_or(Expiry::Unknown, Expiry::At),
        None if report::warned_of_certificate(&memory.written) => Expiry::Soon,
        Some(_) | None => Expiry::Unknown,
    }
}

fn login<P: Ports>(
    ports: &P,
    credential: &Credential,
    look: &Look,
    memory: &Memory,
    target: &Target,
    now: Time,
) -> Login {
    let Some(meta) = &look.login else {
        return if memory.known.search.found() {
            Login::WrongType
        } else {
            Login::Absent
        };
    };
    let seen = memory
        .known
        .login
        .as_ref()
        .filter(|l| l.uid == meta.uid && l.version == meta.version);
    let made_for = marks::target(ports, target.binding(), credential.realm());
    let content = seen
        .filter(|l| l.made_for == made_for)
        .map_or(Content::Unread, |l| l.content.clone());
    let claim = match annotations::claimant(meta) {
        None => Claim::Free,
        Some(owner) if owner == credential.owner() => Claim::Ours,
        Some(_) => seen
            .filter(|l| now.since(l.at) < CLAIM_LOOK)
            .map_or(Claim::Unchecked, |l| l.claim),
    };
    Login::Present(LoginSecret {
        allows_identity_change: meta
            .annotations
            .get(ANNOTATION_ALLOW_IDENTITY_CHANGE)
            .is_some_and(|v| v == "true"),
        uid: meta.uid.clone(),
        version: meta.version.clone(),
        deleting: meta.deleting,
        claim,
        content,
        made_for,
    })
}

fn session<P: Ports>(ports: &P, credential: &Credential, look: &Look, memory: &Memory) -> Session {
    let known = &memory.known;
    let Some(meta) = &look.session else {
        return Session {
            attempt: known.attempt.clone(),
            ..Session::default()
        };
    };
    let generation = ports.vault().keys_in_use().generation;
    let seen = known
        .session
        .as_ref()
        .filter(|s| s.version == meta.version && s.keys == generation);
    let read = seen.and_then(|s| s.sealed_by.clone());
    Session {
        ownership: ownership(ports, credential, &credential.session_key(), meta),
        immutable: known.immutable_session.as_ref() == Some(&meta.version),
        unlabelled: meta.annotations.get(annotation::METADATA)
            != marks::metadata_of_session(ports, credential).as_ref(),
        token: annotations::stored_token(meta),
        last_login: annotations::last_login(meta),
        sealed_by: annotations::sealed_by(meta)
            .map(|told| read.map_or_else(|| told.clone(), |read| read.min(told.clone()))),
        opened: seen.map_or(Opened::Unread, |s| s.opened.clone()),
        attempt: known.attempt.clone(),
        version: Some(meta.version.clone()),
    }
}

/// Whose tokens the spec asks for.
enum Whose {
    /// Nobody is known: what is published may stay.
    Unknown,
    /// The stored session belongs elsewhere.
    Nobodys,
    Theirs(AccountTag),
}

/// Without a session the tokens still are those of the account that signed in last, and may answer the spec or not.
fn account_of<P: Ports>(ports: &P, s: &Snapshot) -> Whose {
    match (s.account_tag(), &s.account) {
        (Some(tag), _) if s.session_matches() => Whose::Theirs(tag.clone()),
        (Some(_), _) => Whose::Nobodys,
        (None, Some(last)) => Whose::Theirs(marks::tag(ports, last, &last.username)),
        (None, None) => Whose::Unknown,
    }
}

/// What the spec asks for: nothing that is published answers a spec that names no usable authority.
fn wanted<P: Ports>(ports: &P, s: &Snapshot, account: &Whose, spec: &TokenSpec) -> Wanted {
    match (&s.target, account) {
        (_, Whose::Unknown) => Wanted::Anything,
        (Target::Refused { .. }, _) | (_, Whose::Nobodys) => Wanted::Another,
        (Target::Known { binding, .. }, Whose::Theirs(tag)) => {
            Wanted::Request(marks::request(ports, binding, tag, spec))
        }
    }
}

fn token<P: Ports>(
    ports: &P,
    credential: &Credential,
    look: &Look,
    memory: &Memory,
    (wanted, ahead): (Wanted, i64),
    spec: &TokenSpec,
) -> Token {
    let name = EntryName(spec.secret_name.clone());
    let key = credential.sibling(&name.0);
    let note = memory.known.entries.get(&name).cloned().unwrap_or_default();
    let meta = look.tokens.get(&name);
    let ownership = meta.map_or(Ownership::Absent, |meta| ownership(ports, credential, &key, meta));
    let metadata = marks::metadata_of(ports, credential, spec);
    let held = memory.pocket.tokens.get(&name);
    let held = held.map(|h| h.held.clone().earlier(ahead));
    Token {
        unlooked: note.is_missed(ownership),
        name,
        ownership,
        wanted,
        shape: marks::shape(ports, spec),
        published: meta
            .filter(|_| ownership == Ownership::Ours)
            .map(|meta| published(meta, &note, metadata.as_ref()).earlier(ahead)),
        held,
        failure: note.failure,
        deferred_until: note.deferred_until.filter(|at| due_before(meta, at.plus(ahead))),
        reduced: meta.is_some_and(|meta| reduced(meta, &spec.scopes)),
        repairs: note.repairs,
        deleting: meta.is_some_and(|meta| meta.deleting),
        looked_at: note.looked_at,
    }
}

/// Whether a scope that was asked for by name is not among the granted ones. Entra may grant with or without the
/// resource before the scope's name, in another case; `.default` stands for whatever was consented to.
fn reduced(meta: &SecretMeta, asked: &[String]) -> bool {
    let short = |scope: &str| scope.rsplit('/').next().unwrap_or(scope).to_lowercase();
    let text = meta
        .annotations
        .get(annotation::SCOPES)
        .map_or("", String::as_str);
    let granted: Vec<_> = text.split_whitespace().map(short).collect();
    let declined = |scope: &String| short(scope) != ".default" && !granted.contains(&short(scope));
    !granted.is_empty() && !annotations::there_are_more(text) && asked.iter().any(declined)
}

/// Only a deferral is later than what the annotation says, and within the token's life: the annotation of a newer token
/// ends it, and that of an older one that came back.
fn due_before(meta: Option<&SecretMeta>, at: Time) -> bool {
    meta.and_then(annotations::published)
        .is_some_and(|p| p.refresh_at < at && at <= p.expires_at)
}

/// A token Secret of ours; one whose annotations were stripped counts as edited.
fn published(meta: &SecretMeta, note: &Note, metadata: Option<&String>) -> Published {
    let is = |version: &Option<Version>| version.as_ref() == Some(&meta.version);
    let as_asked = meta.managed && meta.annotations.get(annotation::METADATA) == metadata;
    match annotations::published(meta) {
        Some(p) => Published {
            verified: is(&note.verified),
            edited: is(&note.edited),
            unwritable: is(&note.unwritable),
            unlabelled: is(&note.unlabelled) || !as_asked,
            ..p
        },
        None => Published {
            edited: true,
            unwritable: is(&note.unwritable),
            ..stripped(meta)
        },
    }
}

fn stripped(meta: &SecretMeta) -> Published {
    Published {
        version: meta.version.clone(),
        request: RequestMac::default(),
        shape: ShapeMac::default(),
        issued_at: Time(0),
        expires_at: Time(0),
        refresh_at: Time(0),
        verified: false,
        edited: true,
        unwritable: false,
        unlabelled: false,
        scopes: Vec::new(),
    }
}

fn leftovers(credential: &Credential, look: &Look) -> Vec<Leftover> {
    let dropped = look
        .tokens
        .iter()
        .filter(|(name, meta)| credential.entry(name).is_none() && !meta.deleting);
    dropped.map(|(name, _)| Leftover { name: name.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{EntraCredentialStatus, Reason, annotation};
    use crate::plan::Known;
    use crate::plan::answer::Granted;
    use crate::plan::known::ClientSeen;

    #[test]
    fn a_deferral_ends_with_the_token_that_it_was_made_for() {
        let (issued_at, refresh_at, expires_at) = (Time(100), Time(160), Time(200));
        let granted = Granted {
            issued_at,
            expires_at,
            ..Granted::default()
        };
        let (request, shape) = (RequestMac::default(), ShapeMac::default());
        let annotations = annotations::of_token(&granted, &request, &shape, refresh_at);
        let meta = SecretMeta {
            annotations: annotation::read(&annotations),
            ..SecretMeta::default()
        };
        let counts = |at| due_before(Some(&meta), Time(at));
        assert!(counts(180) && counts(200));
        assert!(!counts(160), "a newer token is due later");
        assert!(!counts(201), "an older one came back");
        assert!(!due_before(None, Time(180)));
    }

    fn version(number: &str) -> ClientVersion {
        ClientVersion(format!("u/{number}"))
    }

    fn after_a_restart(reason: Reason) -> Memory {
        let condition = serde_json::json!({
            "type": "Ready", "status": "True", "reason": reason, "message": "",
            "lastTransitionTime": "2026-11-25T14:00:00Z",
        });
        let status = serde_json::json!({"conditions": [condition]});
        Memory {
            written: serde_json::from_value::<EntraCredentialStatus>(status).unwrap(),
            ..Memory::default()
        }
    }

    #[test]
    fn a_restart_takes_no_warning_about_a_certificate_back() {
        let warned = after_a_restart(Reason::CertificateExpiring);
        assert_eq!(expiry(&warned, &version("1")), Expiry::Soon);
        assert_eq!(
            expiry(&after_a_restart(Reason::Fresh), &version("1")),
            Expiry::Unknown
        );
    }

    #[test]
    fn a_certificate_that_was_read_speaks_for_its_own_version_only() {
        let memory = Memory {
            known: Known {
                client: Some(ClientSeen {
                    version: version("1"),
                    content: ClientMac::default(),
                    expires_at: Some(Time(1000)),
                }),
                ..Known::default()
            },
            ..after_a_restart(Reason::CertificateExpiring)
        };
        assert_eq!(expiry(&memory, &version("1")), Expiry::At(Time(1000)));
        assert_eq!(expiry(&memory, &version("2")), Expiry::Unknown);
    }
}
