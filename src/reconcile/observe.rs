//! Facts: from the resource, the look and the memory to a [`Snapshot`]. Local; nothing is read for it.

use super::annotations;
use super::credential::Credential;
use super::look::Look;
use super::memory::{Memory, TokenNote};
use super::ports::{AuthorityRefused, Key, Ports, Provider, SecretMeta, Vault, Wanted};
use crate::api::{
    ANNOTATION_ALLOW_IDENTITY_CHANGE, CLIENT_SECRET_TYPE, ClientCredential, Reason, TLS_TYPE, TokenSpec,
    annotation,
};
use crate::plan::Time;
use crate::plan::client::{Client, Expiry};
use crate::plan::snapshot::{
    Claim, Content, Leftover, Login, LoginSecret, Object, Opened, Ownership, Pocket, Published,
    RefreshOutcome, Session, Snapshot, Target, Token,
};

/// How long a look at somebody else's claim is good for.
const CLAIM_LOOK: i64 = 60;

/// Takes the facts together.
pub(super) fn observe<P: Ports>(
    ports: &P,
    credential: &Credential,
    look: &Look,
    memory: &Memory,
    now: Time,
) -> Snapshot {
    let target = target(ports, credential, memory);
    let client = client(credential, look, memory);
    let session = session(ports, credential, look, memory);
    let mut snapshot = Snapshot {
        object: object(ports, credential, memory, &client),
        login: login(credential, look, memory, &target, now),
        target,
        client,
        leftovers: leftovers(credential, look, memory),
        pocket: pocket(memory),
        failure: memory.failure.clone(),
        login_failure: memory.login_failure.clone(),
        deleted_login_at: memory.deleted_login_at,
        last_redeemed_at: memory.last_redeemed_at,
        account: memory.account.clone(),
        session,
        tokens: Vec::new(),
    };
    let account = account_of(ports, &snapshot);
    snapshot.tokens = credential
        .spec
        .tokens
        .iter()
        .map(|t| token(ports, credential, look, memory, &snapshot, account.as_deref(), t))
        .collect();
    snapshot
}

fn object<P: Ports>(ports: &P, credential: &Credential, memory: &Memory, client: &Client) -> Object {
    let handled = memory.handled_request.as_ref();
    let request = credential
        .request
        .as_ref()
        .filter(|r| Some(*r) != handled && r.len() <= 64);
    Object {
        generation: credential.generation,
        observed_generation: memory.written.observed_generation.unwrap_or_default(),
        deleting: credential.deleting || memory.deleting,
        suspended: credential.spec.suspend,
        spread: credential.spread(),
        at_percent: i64::from(credential.spec.at_percent()),
        request: request.cloned(),
        inputs: inputs(credential, client),
        clock_skewed: memory.correction.seconds(ports.clock()) != 0,
        was_ready: memory.written.expires_at.is_some(),
    }
}

/// What decides whether a kept login, or a failure that a person must end, is tried again at once.
pub(super) fn inputs(credential: &Credential, client: &Client) -> String {
    let version = match client {
        Client::Public => "public",
        Client::Credential { version, .. } => version,
        Client::Missing { .. } => "missing",
    };
    let request = credential.request.as_deref().unwrap_or_default();
    format!(
        "{};{};client={version};request={request}",
        credential.uid, credential.generation
    )
}

fn target<P: Ports>(ports: &P, credential: &Credential, memory: &Memory) -> Target {
    let spec = &credential.spec;
    let wanted = Wanted {
        namespace: &credential.key.namespace,
        cloud: spec.cloud,
        authority: spec.authority.as_deref(),
        tenant: spec.tenant.as_deref(),
        client_id: &spec.client_id,
    };
    let binding = match ports.provider().binding(&wanted) {
        Ok(binding) => binding,
        Err(AuthorityRefused { reason, message }) => return Target::Refused { reason, message },
    };
    let resolved_tenant = memory
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
                version: "workload identity".to_owned(),
                expires: Expiry::Unknown,
            };
        }
        Some(ClientCredential::Secret(s)) => (s.secret_name.clone(), CLIENT_SECRET_TYPE),
        Some(ClientCredential::Certificate(c)) => (c.secret_name.clone(), TLS_TYPE),
    };
    let Some(meta) = &look.client else {
        return Client::Missing { secret, kind };
    };
    let version = client_version(meta);
    let expires = if kind == TLS_TYPE {
        expiry(memory, &version)
    } else {
        Expiry::Unknown
    };
    Client::Credential { version, expires }
}

/// What tells one content of a client credential's Secret from the next.
pub(super) fn client_version(meta: &SecretMeta) -> String {
    format!("{}/{}", meta.uid, meta.version)
}

/// When the certificate of that version ends. As long as this process has read none, the status says whether that is
/// soon: a restart must not take the warning back and give it again.
fn expiry(memory: &Memory, version: &str) -> Expiry {
    match &memory.certificate {
        Some(seen) if seen.version == version => Expiry::At(seen.expires_at),
        None if memory.says(Reason::CertificateExpiring) => Expiry::Soon,
        Some(_) | None => Expiry::Unknown,
    }
}

fn login(credential: &Credential, look: &Look, memory: &Memory, target: &Target, now: Time) -> Login {
    let Some(meta) = &look.login else {
        return if memory.wrong_type.seen >= 2 {
            Login::WrongType
        } else {
            Login::Absent
        };
    };
    let binding = match target {
        Target::Known { binding, .. } => Some(binding),
        Target::Refused { .. } => None,
    };
    let seen = memory
        .login
        .as_ref()
        .filter(|l| l.uid == meta.uid && l.version == meta.version);
    let content = seen
        .filter(|l| l.binding.as_ref() == binding)
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
    })
}

fn session<P: Ports>(ports: &P, credential: &Credential, look: &Look, memory: &Memory) -> Session {
    let Some(meta) = &look.session else {
        return Session {
            attempt: memory.attempt.clone(),
            ..Session::default()
        };
    };
    let seen = memory.session.as_ref().filter(|s| s.version == meta.version);
    Session {
        ownership: ownership(ports, credential, &credential.session_key(), meta),
        immutable: memory.immutable_session.as_ref() == Some(&meta.version),
        token: annotations::stored_token(meta),
        last_login: annotations::last_login(meta),
        opened: seen.map_or(Opened::Unread, |s| s.opened.clone()),
        attempt: memory.attempt.clone(),
        version: meta.version.clone(),
    }
}

/// Whose a Secret is: by its controller, or by our proof on it if it has none (restored from a backup).
pub(super) fn ownership<P: Ports>(
    ports: &P,
    credential: &Credential,
    key: &Key,
    meta: &SecretMeta,
) -> Ownership {
    match &meta.controller {
        Some(c) if c.ours && c.uid == credential.uid => Ownership::Ours,
        Some(c) if c.ours && c.name == credential.key.name => Ownership::Predecessor,
        None if meta.annotations.get(annotation::OWNER) == Some(&proof(ports, credential, key)) => {
            Ownership::Adoptable
        }
        Some(_) | None => Ownership::Foreign,
    }
}

/// Our proof of ownership: a keyed hash of namespace, Secret name and credential name.
pub(super) fn proof<P: Ports>(ports: &P, credential: &Credential, key: &Key) -> String {
    ports
        .vault()
        .mac("owner", &[&key.namespace, &key.name, &credential.key.name])
}

/// Keyed hash of an account, for annotations.
pub(super) fn account_mac<P: Ports>(ports: &P, home_account_id: &str) -> String {
    ports.vault().mac("account", &[home_account_id])
}

/// Keyed hash of the account whose tokens the spec asks for; `None` while no account is known. Without a session the
/// tokens still are those of the account that signed in last, and may answer the spec or not.
fn account_of<P: Ports>(ports: &P, s: &Snapshot) -> Option<String> {
    match &s.session.token {
        Some(stored) if s.session_matches() => Some(stored.account.clone()),
        Some(_) => Some("another binding".to_owned()),
        None => {
            let last = s.account.as_ref()?;
            Some(account_mac(ports, &last.home_account_id))
        }
    }
}

fn token<P: Ports>(
    ports: &P,
    credential: &Credential,
    look: &Look,
    memory: &Memory,
    s: &Snapshot,
    account: Option<&str>,
    spec: &TokenSpec,
) -> Token {
    let key = credential.sibling(&spec.secret_name);
    let note = memory.tokens.get(&spec.secret_name).cloned().unwrap_or_default();
    let meta = look.tokens.get(&spec.secret_name);
    let reduced = meta.is_some_and(|meta| reduced(meta, &spec.scopes));
    let ownership = meta.map_or(Ownership::Absent, |meta| ownership(ports, credential, &key, meta));
    Token {
        name: spec.secret_name.clone(),
        ownership,
        wanted: account.and_then(|account| request(ports, s, account, spec)),
        shape: shape(ports, spec),
        published: meta
            .filter(|_| ownership == Ownership::Ours)
            .map(|meta| published(meta, &note)),
        held: memory
            .pocket
            .tokens
            .get(&spec.secret_name)
            .map(|h| h.held.clone()),
        failure: note.failure,
        deferred_until: note.deferred_until.filter(|at| due_before(meta, *at)),
        reduced,
        repairs: note.repairs,
    }
}

/// Whether a scope that was asked for by name is not among the granted ones. Entra may grant with or without the
/// resource before the scope's name, in another case; `.default` stands for whatever was consented to.
fn reduced(meta: &SecretMeta, asked: &[String]) -> bool {
    let short = |scope: &str| scope.rsplit('/').next().unwrap_or(scope).to_lowercase();
    let granted: Vec<_> = meta
        .annotations
        .get(annotation::SCOPES)
        .into_iter()
        .flat_map(|s| s.split_whitespace())
        .map(short)
        .collect();
    let declined = |scope: &String| short(scope) != ".default" && !granted.contains(&short(scope));
    !granted.is_empty() && asked.iter().any(declined)
}

/// Keyed hash of the request and account that `spec` asks for.
pub(super) fn request<P: Ports>(ports: &P, s: &Snapshot, account: &str, spec: &TokenSpec) -> Option<String> {
    let binding = s.binding()?;
    let mut texts = vec![
        binding.authority.as_str(),
        &binding.tenant,
        &binding.client_id,
        account,
    ];
    texts.extend(spec.scopes.iter().map(String::as_str));
    Some(ports.vault().mac("request", &texts))
}

fn shape<P: Ports>(ports: &P, spec: &TokenSpec) -> String {
    let keys = spec.effective_keys();
    let text = serde_json::to_string(&(keys, &spec.labels, &spec.annotations)).unwrap_or_default();
    ports.vault().mac("shape", &[&text])
}

/// Only a deferral is later than what the annotation says: the annotation of a newer token ends it.
fn due_before(meta: Option<&SecretMeta>, at: Time) -> bool {
    meta.and_then(annotations::published)
        .is_some_and(|p| p.refresh_at < at)
}

/// A token Secret of ours; one whose annotations were stripped counts as edited.
fn published(meta: &SecretMeta, note: &TokenNote) -> Published {
    let is = |version: &Option<String>| version.as_ref() == Some(&meta.version);
    let unwritable = is(&note.unwritable) || !meta.managed;
    match annotations::published(meta) {
        Some(p) => Published {
            verified: is(&note.verified),
            edited: is(&note.edited),
            unwritable,
            ..p
        },
        None => Published {
            edited: true,
            unwritable,
            ..stripped(meta)
        },
    }
}

fn stripped(meta: &SecretMeta) -> Published {
    Published {
        version: meta.version.clone(),
        request: String::new(),
        shape: String::new(),
        issued_at: Time(0),
        expires_at: Time(0),
        refresh_at: Time(0),
        verified: false,
        edited: true,
        unwritable: false,
        scopes: Vec::new(),
    }
}

fn leftovers(credential: &Credential, look: &Look, memory: &Memory) -> Vec<Leftover> {
    let dropped = look
        .tokens
        .iter()
        .filter(|(name, meta)| credential.entry(name).is_none() && !meta.deleting);
    dropped
        .map(|(name, _)| Leftover {
            retry_at: memory.leftovers.get(name).and_then(|f| f.next_attempt_at),
            name: name.clone(),
        })
        .collect()
}

fn pocket(memory: &Memory) -> Pocket {
    use super::memory::News;
    Pocket {
        login: memory.pocket.login.as_ref().map(|p| p.outcome.clone()),
        refresh: memory.pocket.refresh.as_ref().map(|p| match &p.news {
            News::Newer(session, _) => RefreshOutcome::Newer(session.answered_at),
            News::Dead(at) => RefreshOutcome::Dead(*at),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::EntraCredentialStatus;
    use crate::reconcile::memory::CertificateSeen;

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
        assert_eq!(expiry(&warned, "u/1"), Expiry::Soon);
        assert_eq!(expiry(&after_a_restart(Reason::Fresh), "u/1"), Expiry::Unknown);
    }

    #[test]
    fn a_certificate_that_was_read_speaks_for_its_own_version_only() {
        let memory = Memory {
            certificate: Some(CertificateSeen {
                version: "u/1".to_owned(),
                expires_at: Time(1000),
            }),
            ..after_a_restart(Reason::CertificateExpiring)
        };
        assert_eq!(expiry(&memory, "u/1"), Expiry::At(Time(1000)));
        assert_eq!(expiry(&memory, "u/2"), Expiry::Unknown);
    }
}
