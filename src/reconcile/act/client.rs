//! How the application proves who it is: read once in a pass, before anything is sent. A token of a ServiceAccount is kept
//! for most of its life, everything else only until the pass ends.

use super::{Pass, refusal};
use crate::api::{
    ANNOTATION_CLIENT_ID, CLIENT_SECRET_TYPE, ClientCertificateRef, ClientCredential, ClientSecretRef,
    Reason, TLS_TYPE, TOKEN_EXCHANGE_AUDIENCE, WorkloadIdentityRef,
};
use crate::plan::answer::{Effect, Refusal};
use crate::reconcile::material::{ClientAuthentication, ClientCertificate, Secret};
use crate::reconcile::memory::{AccountToken, CertificateSeen};
use crate::reconcile::observe;
use crate::reconcile::ports::{
    Clock, Cluster, ClusterError, Key, Ports, Provider, SecretObject, ServiceAccount,
};

/// Seconds that a ServiceAccount token is asked for: the default of Kubernetes' projected tokens.
const TOKEN_LIFE: i64 = 3600;

/// Part of a ServiceAccount token's life after which another is asked for: as kubelet does it for projected tokens.
const TOKEN_USED_PERCENT: i64 = 80;

/// What was read, or the refusal to show instead.
type Read<T> = Result<Result<T, Refusal>, ClusterError>;

impl<P: Ports> Pass<'_, P> {
    /// Reads the client credential, once in a pass.
    pub(super) async fn read_client_credential(&mut self) -> Read<()> {
        let credential = self.credential.spec.client_credential.as_ref();
        self.forget_others(credential);
        let Some(credential) = credential.filter(|_| self.hand.client.is_none()) else {
            return Ok(Ok(()));
        };
        let read = match credential {
            ClientCredential::Secret(reference) => self.client_secret(reference).await?,
            ClientCredential::Certificate(reference) => self.certificate(reference).await?,
            ClientCredential::WorkloadIdentity(reference) => self.workload_identity(reference).await?,
        };
        Ok(read.map(|client| self.hand.client = Some(client)))
    }

    /// What belongs to another kind of credential, which the spec named before, is not kept.
    fn forget_others(&mut self, credential: Option<&ClientCredential>) {
        if !matches!(credential, Some(ClientCredential::Certificate(_))) {
            self.memory.certificate = None;
        }
        if !matches!(credential, Some(ClientCredential::WorkloadIdentity(_))) {
            self.memory.account_token = None;
        }
    }

    async fn client_secret(&self, reference: &ClientSecretRef) -> Read<ClientAuthentication> {
        let object = self
            .read_of_type(&reference.secret_name, CLIENT_SECRET_TYPE)
            .await?;
        let secret = object.and_then(|o| text(&o, &reference.key));
        Ok(secret
            .map(ClientAuthentication::Secret)
            .ok_or_else(|| no_client_secret(reference)))
    }

    /// A certificate that cannot sign is found here, before a request is even built.
    async fn certificate(&mut self, reference: &ClientCertificateRef) -> Read<ClientAuthentication> {
        let object = self.read_of_type(&reference.secret_name, TLS_TYPE).await?;
        let Some((object, certificate)) = object.and_then(|o| certificate(&o).map(|c| (o, c))) else {
            return Ok(Err(no_certificate(&reference.secret_name)));
        };
        let expires_at = match self.ports.provider().certificate(&certificate, self.now()) {
            Ok(expires_at) => expires_at,
            Err(refusal) => return Ok(Err(*refusal)),
        };
        let version = observe::client_version(&object.meta);
        self.memory.certificate = Some(CertificateSeen { version, expires_at });
        Ok(Ok(ClientAuthentication::Certificate(certificate)))
    }

    async fn read_of_type(&self, name: &str, kind: &str) -> Result<Option<SecretObject>, ClusterError> {
        let object = self.ports.cluster().read(&self.credential.sibling(name)).await?;
        Ok(object.filter(|o| o.kind == kind))
    }

    /// The ServiceAccount is looked at every time: it may have been withdrawn since its token was issued.
    async fn workload_identity(&mut self, reference: &WorkloadIdentityRef) -> Read<ClientAuthentication> {
        let (name, client_id) = (&reference.service_account_name, &self.credential.spec.client_id);
        let key = self.credential.sibling(name);
        let account = match permitted(name, self.ports.cluster().service_account(&key).await)? {
            Ok(Some(account)) => account,
            Ok(None) => return Ok(Err(no_service_account(name))),
            Err(refusal) => return Ok(Err(refusal)),
        };
        let may = |id: &String| id.eq_ignore_ascii_case(client_id);
        if !account.client_id.as_ref().is_some_and(may) {
            return Ok(Err(not_annotated(name, client_id)));
        }
        let token = self.account_token(&key, &account).await?;
        Ok(token.map(ClientAuthentication::Assertion))
    }

    async fn account_token(&mut self, key: &Key, account: &ServiceAccount) -> Read<Secret> {
        let now = self.ports.clock().now();
        let kept = self.memory.account_token.as_ref();
        if let Some(kept) = kept.filter(|t| t.account == account.uid && now < t.renew_at) {
            return Ok(Ok(kept.token.duplicate()));
        }
        let issued = self
            .ports
            .cluster()
            .service_account_token(key, TOKEN_EXCHANGE_AUDIENCE, TOKEN_LIFE)
            .await;
        Ok(permitted(&key.name, issued)?.map(|issued| {
            let life = issued.expires_at.since(now);
            let token = issued.token.duplicate();
            self.memory.account_token = Some(AccountToken {
                account: account.uid.clone(),
                renew_at: now.plus(life.saturating_mul(TOKEN_USED_PERCENT) / 100),
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
        Err(error @ (ClusterError::Conflict | ClusterError::Immutable | ClusterError::Unavailable(_))) => {
            Err(error)
        }
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

fn no_client_secret(reference: &ClientSecretRef) -> Refusal {
    refusal(
        Effect::Person,
        Reason::AppMisconfigured,
        format!(
            "the Secret {} has no usable client secret under the key {}",
            reference.secret_name, reference.key
        ),
        "put the client secret's value (not its ID) under that key",
    )
}

fn no_certificate(secret: &str) -> Refusal {
    refusal(
        Effect::Person,
        Reason::AppMisconfigured,
        format!("the Secret {secret} has no certificate under tls.crt with its key under tls.key"),
        "create it with kubectl create secret tls, or let cert-manager do so",
    )
}

/// No watch shows a ServiceAccount: what is wrong with one is looked at again by itself.
fn no_service_account(name: &str) -> Refusal {
    refusal(
        Effect::Transient,
        Reason::AppMisconfigured,
        format!("the ServiceAccount {name} of the workload identity does not exist"),
        "create it, with the annotation azure.workload.identity/client-id",
    )
}

fn not_annotated(name: &str, client_id: &str) -> Refusal {
    refusal(
        Effect::Transient,
        Reason::NotAllowed,
        format!("the ServiceAccount {name} does not say that this application may use its tokens"),
        &format!("if it may: kubectl annotate serviceaccount {name} {ANNOTATION_CLIENT_ID}={client_id}"),
    )
}

fn no_role(name: &str, text: &str) -> Refusal {
    refusal(
        Effect::Transient,
        Reason::NotAllowed,
        format!("the operator may not use the ServiceAccount {name}: {text}"),
        &format!(
            "an administrator allows it by a Role in this namespace with the resourceName {name}: get on serviceaccounts and create on serviceaccounts/token, bound to the operator's ServiceAccount (deploy/examples/workload-identity.yaml)"
        ),
    )
}
