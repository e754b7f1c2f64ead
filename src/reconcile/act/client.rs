//! How the application proves who it is: read once in a pass, before anything is sent. A token of a ServiceAccount is kept
//! for most of its life, everything else only until the pass ends.

use super::{Asked, Pass};
use crate::api::{
    CLIENT_SECRET_TYPE, ClientCertificateRef, ClientCredential, ClientSecretRef, TLS_TYPE,
    WorkloadIdentityRef,
};
use crate::plan::answer::Refusal;
use crate::plan::known::ClientSeen;
use crate::plan::record::{ClientInput, ClientVersion};
use crate::plan::settle::client::{
    no_certificate, no_client_secret, no_role, no_service_account, not_annotated, not_needed,
};
use crate::plan::snapshot::Snapshot;
use crate::plan::{Object, Time, schedule, settle};
use crate::reconcile::material::{ClientAuthentication, ClientCertificate, Secret};
use crate::reconcile::memory::AccountToken;
use crate::reconcile::observe;
use crate::reconcile::ports::{
    Clock, Cluster, ClusterError, Key, Ports, Provider, SecretObject, ServiceAccount, Vault,
};

/// What was read, or the refusal to show instead.
type Read<T> = Result<Result<T, Refusal>, ClusterError>;

/// What proves the client, and what is known of it besides.
struct Proof {
    client: ClientAuthentication,
    /// Version of the Secret that it was read from.
    version: Option<ClientVersion>,
    /// When the certificate ends.
    expires_at: Option<Time>,
}

impl<P: Ports> Pass<'_, P> {
    /// Whether what proves the client is at hand: read at most once in a pass.
    pub(super) async fn client_at_hand(&mut self, s: &Snapshot) -> bool {
        let needed = self.credential.spec.client_credential.is_some();
        !needed || self.hand.client.is_some() || self.read_client(s).await
    }

    /// Reads the client credential; says whether it can be used.
    pub(super) async fn read_client(&mut self, s: &Snapshot) -> bool {
        self.forget_others();
        let now = self.now();
        match self.proof(s.object.ahead).await {
            Ok(Ok(proof)) => {
                self.client_read(proof);
                true
            }
            Ok(Err(refusal)) => {
                self.shared.observer.failed(refusal.reason);
                settle::reads::client_refused(&mut self.memory.known, s, refusal, now);
                false
            }
            Err(error) => {
                self.trouble(s, &Object::Client, Asked::Read, error);
                false
            }
        }
    }

    async fn proof(&mut self, ahead: i64) -> Read<Proof> {
        match &self.credential.spec.client_credential {
            Some(ClientCredential::Secret(reference)) => self.client_secret(reference).await,
            Some(ClientCredential::Certificate(reference)) => self.certificate(reference, ahead).await,
            Some(ClientCredential::WorkloadIdentity(reference)) => self.workload_identity(reference).await,
            None => Ok(Err(not_needed())),
        }
    }

    fn client_read(&mut self, proof: Proof) {
        if let Some(version) = proof.version {
            let seen = ClientSeen {
                version,
                content: self.ports.vault().client_mac(&proof.client),
                expires_at: proof.expires_at,
            };
            settle::reads::client(&mut self.memory.known, seen);
        }
        self.hand.client = Some(proof.client);
    }

    /// What was sent of it, as an input: known where it was read from a Secret.
    pub(super) fn client_sent(&self) -> Option<ClientInput> {
        let credential = self.credential.spec.client_credential.as_ref()?;
        if matches!(credential, ClientCredential::WorkloadIdentity(_)) {
            return None;
        }
        self.memory.known.client.as_ref().map(|seen| ClientInput {
            version: seen.version.clone(),
            content: Some(seen.content.clone()),
        })
    }

    /// What belongs to another kind of credential, which the spec named before, is not kept.
    fn forget_others(&mut self) {
        let credential = self.credential.spec.client_credential.as_ref();
        if !matches!(credential, Some(ClientCredential::WorkloadIdentity(_))) {
            self.memory.account_token = None;
        }
    }

    async fn client_secret(&self, reference: &ClientSecretRef) -> Read<Proof> {
        let object = self
            .read_of_type(&reference.secret_name, CLIENT_SECRET_TYPE)
            .await?;
        let found = object.and_then(|o| Some((text(&o, &reference.key)?, o)));
        let Some((secret, object)) = found else {
            return Ok(Err(no_client_secret(&reference.secret_name, &reference.key)));
        };
        Ok(Ok(Proof {
            client: ClientAuthentication::Secret(secret),
            version: Some(observe::client_version(&object.meta)),
            expires_at: None,
        }))
    }

    /// A certificate that cannot sign is found here, before a request is even built.
    async fn certificate(&self, reference: &ClientCertificateRef, ahead: i64) -> Read<Proof> {
        let object = self.read_of_type(&reference.secret_name, TLS_TYPE).await?;
        let Some((object, certificate)) = object.and_then(|o| certificate(&o).map(|c| (o, c))) else {
            return Ok(Err(no_certificate(&reference.secret_name)));
        };
        let expires_at = match self
            .ports
            .provider()
            .certificate(&certificate, self.now().plus(ahead))
        {
            Ok(expires_at) => expires_at,
            Err(refusal) => return Ok(Err(*refusal)),
        };
        Ok(Ok(Proof {
            client: ClientAuthentication::Certificate(certificate),
            version: Some(observe::client_version(&object.meta)),
            expires_at: Some(expires_at),
        }))
    }

    async fn read_of_type(&self, name: &str, kind: &str) -> Result<Option<SecretObject>, ClusterError> {
        let object = self.read(&self.credential.sibling(name)).await?;
        Ok(object.filter(|o| o.kind == kind))
    }

    /// The ServiceAccount is looked at every time: it may have been withdrawn since its token was issued.
    async fn workload_identity(&mut self, reference: &WorkloadIdentityRef) -> Read<Proof> {
        let (name, client_id) = (&reference.service_account_name, &self.credential.spec.client_id);
        let key = self.credential.sibling(name);
        let account = self.ports.cluster().service_account(&key);
        let account = match permitted(name, self.ask(Asked::Read, account).await)? {
            Ok(Some(account)) => account,
            Ok(None) => return Ok(Err(no_service_account(name))),
            Err(refusal) => return Ok(Err(refusal)),
        };
        let may = |id: &String| id.eq_ignore_ascii_case(client_id);
        if !account.client_id.as_ref().is_some_and(may) {
            return Ok(Err(not_annotated(name, client_id)));
        }
        let token = self.account_token(&key, &account).await?;
        Ok(token.map(|token| Proof {
            client: ClientAuthentication::Assertion(token),
            version: None,
            expires_at: None,
        }))
    }

    async fn account_token(&mut self, key: &Key, account: &ServiceAccount) -> Read<Secret> {
        let now = self.ports.clock().now();
        let audience = self.ports.provider().audience(self.credential.spec.cloud);
        let kept = self.memory.account_token.as_ref();
        let fits = |t: &&AccountToken| t.account == account.uid && t.audience == audience && now < t.renew_at;
        if let Some(kept) = kept.filter(fits) {
            return Ok(Ok(kept.token.duplicate()));
        }
        let seconds = schedule::SERVICE_ACCOUNT_TOKEN;
        let issued = self
            .ports
            .cluster()
            .service_account_token(key, &audience, seconds);
        let issued = self.ask(Asked::Write, issued).await;
        Ok(permitted(&key.name, issued)?.map(|issued| {
            let token = issued.token.duplicate();
            self.memory.account_token = Some(AccountToken {
                account: account.uid.clone(),
                audience,
                renew_at: schedule::next_service_account_token(now, issued.expires_at),
                token: issued.token,
            });
            token
        }))
    }
}

/// A right that is missing is the administrator's decision, and no surprise.
fn permitted<T>(name: &str, answer: Result<T, ClusterError>) -> Read<T> {
    match answer {
        Ok(value) => Ok(Ok(value)),
        Err(ClusterError::Refused(text)) => Ok(Err(no_role(name, &text))),
        Err(ClusterError::NotFound) => Ok(Err(no_service_account(name))),
        Err(
            error @ (ClusterError::Conflict
            | ClusterError::Immutable
            | ClusterError::Unavailable { .. }
            | ClusterError::Rationed { .. }),
        ) => Err(error),
    }
}

fn text(object: &SecretObject, key: &str) -> Option<Secret> {
    let text = object.data.text(key)?.ok()?;
    (!text.is_empty()).then(|| Secret::new(text.to_owned()))
}

fn certificate(object: &SecretObject) -> Option<ClientCertificate> {
    Some(ClientCertificate {
        certificate: object.data.get("tls.crt")?.to_vec(),
        key: text(object, "tls.key")?,
    })
}
