//! The facts that our Secrets carry in clear: written and read in this one place.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ports::SecretMeta;
use super::stamp;
use crate::api::annotation as name;
use crate::plan::Time;
use crate::plan::answer::Granted;
use crate::plan::identity::AccountTag;
use crate::plan::keys::KeyName;
use crate::plan::mac::{ClientMac, RequestMac, ScopesMac, ShapeMac, TargetMac};
use crate::plan::metadata::{Uid, Version};
use crate::plan::record::{ClientInput, ClientVersion, Inputs};
use crate::plan::snapshot::{Binding, LastLogin, Published, StoredToken};
use crate::plan::word::Word;

/// Annotations to set (`Some`) or to remove (`None`).
pub type Changes = BTreeMap<String, Option<String>>;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BindingText {
    authority: String,
    tenant: String,
    client_id: String,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct LastLoginText {
    verdict: String,
    login_uid: String,
    login_version: String,
    sends: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_sent_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    word: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_content: Option<String>,
    leave: bool,
}

impl LastLoginText {
    /// What was noted in another form says nothing: it counts as unchanged.
    fn inputs(&self) -> Option<Inputs> {
        Some(Inputs {
            scopes: ScopesMac(self.scopes.clone()?),
            client: ClientInput {
                version: ClientVersion(self.client_version.clone()?),
                content: self.client_content.clone().map(ClientMac),
            },
            leave: self.leave,
        })
    }
}

/// Keys of the labels and annotations that are on a Secret because the spec asked for them.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Keys of labels.
    pub labels: BTreeSet<String>,
    /// Keys of annotations.
    pub annotations: BTreeSet<String>,
}

/// What the spec asked for when a Secret was written last; empty if that is not known.
pub fn template<K: Borrow<str> + Ord>(annotations: &BTreeMap<K, String>) -> Template {
    let text = annotations.get(name::TEMPLATE);
    let noted = text.and_then(|text| serde_json::from_str(text).ok());
    let mut template: Template = noted.unwrap_or_default();
    if annotations.contains_key(name::METADATA) {
        template.annotations.insert(name::METADATA.to_owned());
    }
    template
}

/// Annotations that describe what the spec asks for; `hash` is the keyed hash of it, none if that is nothing.
pub fn of_template(
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
    hash: Option<String>,
) -> BTreeMap<String, String> {
    let Some(hash) = hash else {
        return BTreeMap::new();
    };
    // They go when the last of what they describe goes.
    let own = [name::TEMPLATE, name::METADATA].map(str::to_owned);
    let template = Template {
        labels: labels.keys().cloned().collect(),
        annotations: annotations.keys().cloned().chain(own).collect(),
    };
    let text = serde_json::to_string(&template).unwrap_or_default();
    // More than is read again is not noted: what the spec drops of so much stays.
    let noted = (text.len() <= name::MOST).then(|| (name::TEMPLATE.to_owned(), text));
    noted
        .into_iter()
        .chain([(name::METADATA.to_owned(), hash)])
        .collect()
}

/// What stands for scopes that have no room.
const MORE: &str = "…";

/// The granted scopes, as many as are read again.
fn scopes(granted: &[String]) -> String {
    let mut text = granted.join(" ");
    if text.len() > name::MOST {
        let room = text.floor_char_boundary(name::MOST - MORE.len());
        text.truncate(room);
        text.truncate(text.rfind(' ').map_or(0, |space| space.saturating_add(1)));
        text.push_str(MORE);
    }
    text
}

/// Whether not all of the granted scopes are there.
pub fn there_are_more(scopes: &str) -> bool {
    scopes.ends_with(MORE)
}

/// The stored refresh token, as the annotations of its Secret describe it.
pub fn stored_token(meta: &SecretMeta) -> Option<StoredToken> {
    let text = |key: &str| meta.annotations.get(key).cloned();
    Some(StoredToken {
        issued_at: time(meta, name::ISSUED_AT)?,
        ends_at: time(meta, name::EXPIRES_AT),
        dead_since: time(meta, name::DEAD_SINCE),
        binding: binding(meta)?,
        tenant_id: text(name::TENANT_ID).unwrap_or_default(),
        account: AccountTag(text(name::ACCOUNT).unwrap_or_default()),
    })
}

/// Whether a backup brought a refresh-token Secret back: it notes the uid that it had. No note means that it did not.
pub fn was_restored(meta: &SecretMeta) -> bool {
    meta.annotations
        .get(name::OWN_UID)
        .is_some_and(|noted| *noted != meta.uid.0)
}

/// Note of the uid of a refresh-token Secret, if it has none or that of a former one.
pub fn of_own_uid(meta: &SecretMeta) -> Option<(String, Option<String>)> {
    let noted = meta.annotations.get(name::OWN_UID) == Some(&meta.uid.0);
    (!noted).then(|| (name::OWN_UID.to_owned(), Some(meta.uid.0.clone())))
}

/// Oldest key that the sealed blobs need.
pub fn sealed_by(meta: &SecretMeta) -> Option<KeyName> {
    meta.annotations.get(name::KEY_ID).cloned().map(KeyName)
}

/// Binding that the stored session was sealed for.
pub fn binding(meta: &SecretMeta) -> Option<Binding> {
    let text: BindingText = serde_json::from_str(meta.annotations.get(name::BINDING)?).ok()?;
    Some(Binding {
        authority: text.authority,
        tenant: text.tenant,
        client_id: text.client_id,
    })
}

/// Annotations of a newly stored session.
pub fn of_session(token: &StoredToken) -> Changes {
    let b = &token.binding;
    let binding = BindingText {
        authority: b.authority.clone(),
        tenant: b.tenant.clone(),
        client_id: b.client_id.clone(),
    };
    Changes::from([
        (name::ISSUED_AT.to_owned(), Some(stamp::to_text(token.issued_at))),
        (name::EXPIRES_AT.to_owned(), token.ends_at.map(stamp::to_text)),
        (name::DEAD_SINCE.to_owned(), token.dead_since.map(stamp::to_text)),
        (name::BINDING.to_owned(), serde_json::to_string(&binding).ok()),
        (name::TENANT_ID.to_owned(), Some(token.tenant_id.clone())),
        (name::ACCOUNT.to_owned(), Some(token.account.0.clone())),
    ])
}

/// The last login attempt, as the annotation describes it.
pub fn last_login(meta: &SecretMeta) -> Option<LastLogin> {
    let text: LastLoginText = serde_json::from_str(meta.annotations.get(name::LAST_LOGIN)?).ok()?;
    let time = |t: &Option<String>| t.as_deref().and_then(stamp::from_text);
    Some(LastLogin {
        last_sent_at: time(&text.last_sent_at),
        next_attempt_at: time(&text.next_attempt_at),
        word: time(&text.word).map(Word),
        verdict: text.verdict.parse().ok(),
        inputs: text.inputs(),
        made_for: text.target.map(TargetMac),
        login_uid: noted(text.login_uid).map(Uid),
        login_version: noted(text.login_version).map(Version),
        sends: text.sends,
    })
}

fn noted(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Annotation that describes the last login attempt.
pub fn of_last_login(last: &LastLogin) -> Changes {
    let inputs = last.inputs.as_ref();
    let text = LastLoginText {
        verdict: last
            .verdict
            .map_or_else(String::new, |v| <&str>::from(v).to_owned()),
        word: last.word.map(|w| stamp::to_text(w.0)),
        target: last.made_for.as_ref().map(|target| target.0.clone()),
        scopes: inputs.map(|i| i.scopes.0.clone()),
        client_version: inputs.map(|i| i.client.version.0.clone()),
        client_content: inputs.and_then(|i| Some(i.client.content.as_ref()?.0.clone())),
        leave: inputs.is_some_and(|i| i.leave),
        login_uid: last.login_uid.clone().map_or_else(String::new, |uid| uid.0),
        login_version: last
            .login_version
            .clone()
            .map_or_else(String::new, |version| version.0),
        sends: last.sends,
        last_sent_at: last.last_sent_at.map(stamp::to_text),
        next_attempt_at: last.next_attempt_at.map(stamp::to_text),
    };
    Changes::from([(name::LAST_LOGIN.to_owned(), serde_json::to_string(&text).ok())])
}

/// What a token Secret's annotations say; `None` if they were stripped or cannot be read.
pub fn published(meta: &SecretMeta) -> Option<Published> {
    let text = |key: &str| meta.annotations.get(key).cloned();
    Some(Published {
        version: meta.version.clone(),
        request: text(name::REQUEST).map(RequestMac)?,
        shape: text(name::SHAPE).map(ShapeMac)?,
        issued_at: time(meta, name::ISSUED_AT)?,
        expires_at: time(meta, name::EXPIRES_AT)?,
        refresh_at: time(meta, name::REFRESH_AT)?,
        verified: false,
        edited: false,
        unwritable: false,
        unlabelled: false,
        scopes: text(name::SCOPES)
            .unwrap_or_default()
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
    })
}

/// What the annotations of a token Secret say of its token.
const SAID: &[&str] = &[
    name::ISSUED_AT,
    name::EXPIRES_AT,
    name::REFRESH_AT,
    name::REQUEST,
    name::SHAPE,
    name::SCOPES,
    name::TEMPLATE,
    name::METADATA,
];

/// Annotations of a token Secret about to be written.
pub fn of_token(
    granted: &Granted,
    request: &RequestMac,
    shape: &ShapeMac,
    refresh_at: Time,
) -> BTreeMap<String, String> {
    BTreeMap::from([
        (name::ISSUED_AT.to_owned(), stamp::to_text(granted.issued_at)),
        (name::EXPIRES_AT.to_owned(), stamp::to_text(granted.expires_at)),
        (name::REFRESH_AT.to_owned(), stamp::to_text(refresh_at)),
        (name::REQUEST.to_owned(), request.0.clone()),
        (name::SHAPE.to_owned(), shape.0.clone()),
        (name::SCOPES.to_owned(), scopes(&granted.scopes)),
    ])
}

/// What a token Secret says of its token, and the labels and annotations that the spec asked for: whoever edits them edits
/// what was published.
pub fn said(
    annotations: &BTreeMap<String, String>,
    labels: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let asked = template(annotations);
    let of_token = SAID
        .iter()
        .copied()
        .chain(asked.annotations.iter().map(String::as_str));
    let of_token =
        of_token.filter_map(|name| Some((format!("annotation:{name}"), annotations.get(name)?.clone())));
    let of_labels = asked
        .labels
        .iter()
        .filter_map(|name| Some((format!("label:{name}"), labels.get(name)?.clone())));
    of_token.chain(of_labels).collect()
}

/// Name and uid of the credential that claimed a login Secret.
pub fn claimant(meta: &SecretMeta) -> Option<super::ports::Owner> {
    let (name, uid) = meta.annotations.get(name::CLAIMED_BY)?.split_once('/')?;
    Some(super::ports::Owner {
        name: name.to_owned(),
        uid: Uid(uid.to_owned()),
    })
}

fn time(meta: &SecretMeta, key: &str) -> Option<Time> {
    meta.annotations.get(key).and_then(|text| stamp::from_text(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_scopes_than_are_read_again_are_cut_between_two_and_say_so() {
        let few: Vec<_> = (0..20).map(|n| format!("api://a/{n}")).collect();
        assert_eq!(scopes(&few), few.join(" "));
        let many: Vec<_> = (0..256).map(|n| format!("api://ä/{n:0>30}")).collect();
        let text = scopes(&many);
        assert!(
            text.len() <= name::MOST && there_are_more(&text),
            "{}",
            text.len()
        );
        let kept = text.split(' ').filter(|scope| *scope != MORE);
        assert!(kept.zip(&many).all(|(kept, scope)| kept == scope), "{text}");
    }
}
