//! Keyed hashes that stand on our objects: each is made in one place, for one purpose.

use std::collections::BTreeMap;

use super::credential::Credential;
use super::material::{LoginContent, StoredSession};
use super::ports::{Key, Ports, Purpose, Vault};
use crate::api::{Realm, TokenSpec};
use crate::plan::answer::Account;
use crate::plan::identity::{AccountTag, one_name};
use crate::plan::mac::{RefreshTokenMac, RequestMac, ScopesMac, ShapeMac, TargetMac, UserMac};
use crate::plan::snapshot::Binding;

type Texts = BTreeMap<String, String>;

/// Our proof of ownership: of namespace, Secret name and credential name.
pub(super) fn proof<P: Ports>(ports: &P, credential: &Credential, key: &Key) -> String {
    let place = [&*key.namespace, &key.name, &credential.key.name];
    ports.vault().mac(Purpose::Owner, &place)
}

/// Tag of an account, by its one name. The release before keeps what it redeems only if the tag is made so.
pub(super) fn tag<P: Ports>(ports: &P, account: &Account, user: &str) -> AccountTag {
    AccountTag(ports.vault().mac(Purpose::Account, &[&one_name(account, user)]))
}

/// The request and account that a token of `spec` answers.
pub(super) fn request<P: Ports>(
    ports: &P,
    binding: &Binding,
    account: &AccountTag,
    spec: &TokenSpec,
) -> RequestMac {
    let mut texts = vec![
        binding.authority.as_str(),
        &binding.tenant,
        &binding.client_id,
        &account.0,
    ];
    texts.extend(spec.scopes.iter().map(String::as_str));
    RequestMac(ports.vault().mac(Purpose::Request, &texts))
}

/// Keys that `spec` asks for. Labels and annotations were hashed here once: what asks for none counts as unchanged.
pub(super) fn shape<P: Ports>(ports: &P, spec: &TokenSpec) -> ShapeMac {
    let none = Texts::new();
    let text = serde_json::to_string(&(spec.effective_keys(), &none, &none)).unwrap_or_default();
    ShapeMac(ports.vault().mac(Purpose::Shape, &[&text]))
}

/// Labels and annotations that the spec asks for on the Secret of an entry; none if it asks for none.
pub(super) fn metadata_of<P: Ports>(ports: &P, credential: &Credential, spec: &TokenSpec) -> Option<String> {
    metadata(ports, &credential.labels_of(spec), &spec.annotations)
}

/// The same for the refresh-token Secret.
pub(super) fn metadata_of_session<P: Ports>(ports: &P, credential: &Credential) -> Option<String> {
    metadata(ports, &credential.spec.secret_labels, &Texts::new())
}

fn metadata<P: Ports>(ports: &P, labels: &Texts, annotations: &Texts) -> Option<String> {
    if labels.is_empty() && annotations.is_empty() {
        return None;
    }
    let text = serde_json::to_string(&(labels, annotations)).unwrap_or_default();
    Some(ports.vault().mac(Purpose::Metadata, &[&text]))
}

/// The scopes of all entries.
pub(super) fn scopes<P: Ports>(ports: &P, credential: &Credential) -> ScopesMac {
    let entries = &credential.spec.tokens;
    let texts = entries
        .iter()
        .flat_map(|t| std::iter::once(t.secret_name.as_str()).chain(t.scopes.iter().map(String::as_str)));
    ScopesMac(ports.vault().mac(Purpose::Scopes, &texts.collect::<Vec<_>>()))
}

/// Where a login is sent, as far as that makes it another content.
pub(super) fn target<P: Ports>(ports: &P, binding: Option<&Binding>, realm: Realm) -> TargetMac {
    let of_binding = binding.map(|b| [b.authority.as_str(), &b.tenant, &b.client_id]);
    let mut texts = vec![realm.name()];
    texts.extend(of_binding.into_iter().flatten());
    TargetMac(ports.vault().mac(Purpose::Target, &texts))
}

/// The refresh token of a session: kept in memory only.
pub(super) fn refresh_token<P: Ports>(ports: &P, session: &StoredSession) -> RefreshTokenMac {
    let text = session.refresh_token.expose();
    RefreshTokenMac(ports.vault().mac(Purpose::RefreshToken, &[text]))
}

/// The account behind a login, for the limits of sends: host of the authority and user name.
pub(super) fn user<P: Ports>(ports: &P, binding: &Binding, login: &LoginContent) -> UserMac {
    let texts = [binding.authority.as_str(), &login.user()];
    UserMac(ports.vault().mac(Purpose::User, &texts))
}
