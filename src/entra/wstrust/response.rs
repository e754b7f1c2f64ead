//! The answer to a request for a token (RSTR): an assertion, exactly as it was signed, or a fault.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use super::Version;
use super::fault::Fault;
use super::namespace::Namespace::{Soap, Soap11};
use super::xml::{Document, Node};
use crate::entra::Grant;

/// Kinds of assertion, and the grant that redeems each. MSAL.NET takes SAML 1.1 first if both came.
const TOKEN_TYPES: [(&str, Grant); 4] = [
    ("urn:oasis:names:tc:SAML:1.0:assertion", Grant::Saml11),
    (
        "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV1.1",
        Grant::Saml11,
    ),
    ("urn:oasis:names:tc:SAML:2.0:assertion", Grant::Saml20),
    (
        "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV2.0",
        Grant::Saml20,
    ),
];

/// A signed assertion. Whoever has it can redeem it: `Debug` shows only its kind, and it is wiped when dropped.
pub(in crate::entra) struct Assertion {
    /// What redeems it.
    pub(in crate::entra) grant: Grant,
    xml: Zeroizing<String>,
}

impl Assertion {
    /// Its UTF-8 bytes.
    pub(in crate::entra) fn bytes(&self) -> &[u8] {
        self.xml.as_bytes()
    }
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Assertion").field(&self.grant).finish()
    }
}

/// What a body says.
#[derive(Debug)]
pub(in crate::entra) enum Answer {
    /// An assertion.
    Issued(Assertion),
    /// A SOAP fault.
    Fault(Fault),
    /// A SOAP envelope without either, or with an assertion of another kind.
    Unusable,
    /// No SOAP envelope.
    NotSoap,
}

/// Reads a body.
pub(in crate::entra) fn read(body: &[u8], version: Version) -> Answer {
    let Ok(document) = Document::parse(body) else {
        return Answer::NotSoap;
    };
    let envelope = document.root();
    let Some(soap) = [Soap, Soap11]
        .into_iter()
        .find(|soap| envelope.is(*soap, "Envelope"))
    else {
        return Answer::NotSoap;
    };
    let Some(body) = envelope.descend(&[(soap, "Body")]) else {
        return Answer::Unusable;
    };
    match body.named(soap, "Fault").next() {
        Some(fault) if soap == Soap11 => Answer::Fault(Fault::of_11(fault)),
        Some(fault) => Answer::Fault(Fault::of(fault)),
        None => assertion(body, version).map_or(Answer::Unusable, Answer::Issued),
    }
}

/// The assertion whose kind comes first in [`TOKEN_TYPES`].
fn assertion(body: Node<'_, '_>, version: Version) -> Option<Assertion> {
    let mut issued: Vec<(usize, Node<'_, '_>)> = responses(body, version)
        .filter_map(|response| token(response, version))
        .collect();
    issued.sort_by_key(|(rank, _)| *rank);
    let (rank, token) = issued.into_iter().next()?;
    let (_, grant) = TOKEN_TYPES.get(rank)?;
    Some(Assertion {
        grant: *grant,
        xml: standing_alone(token)?,
    })
}

/// The responses: 1.3 wraps them in a collection.
fn responses<'d, 't>(body: Node<'d, 't>, version: Version) -> impl Iterator<Item = Node<'d, 't>> {
    let trust = version.namespace();
    let wrapped = body
        .named(trust, "RequestSecurityTokenResponseCollection")
        .flat_map(move |collection| collection.named(trust, "RequestSecurityTokenResponse"));
    body.named(trust, "RequestSecurityTokenResponse").chain(wrapped)
}

/// Rank of the token's kind, and the single child that is the token.
fn token<'d, 't>(response: Node<'d, 't>, version: Version) -> Option<(usize, Node<'d, 't>)> {
    let trust = version.namespace();
    let kind = response.descend(&[(trust, "TokenType")])?.text()?;
    let rank = TOKEN_TYPES.iter().position(|(name, _)| *name == kind)?;
    let mut tokens = response.descend(&[(trust, "RequestedSecurityToken")])?.children();
    match (tokens.next(), tokens.next()) {
        (Some(token), None) => Some((rank, token)),
        _ => None,
    }
}

/// The bytes of an element as they came, for they are signed; only declarations of namespaces that it needs and that
/// stand around it are put into its start tag. AD FS declares them all on the assertion.
fn standing_alone(token: Node<'_, '_>) -> Option<Zeroizing<String>> {
    let verbatim = token.verbatim()?;
    let name_end = token.qualified_name()?.len().checked_add(1)?;
    let (start, rest) = verbatim.split_at_checked(name_end)?;
    let declarations = carried_over(token, verbatim);
    let mut xml = Zeroizing::new(String::with_capacity(
        verbatim.len().checked_add(declarations.len())?,
    ));
    xml.push_str(start);
    xml.push_str(&declarations);
    xml.push_str(rest);
    Some(xml)
}

/// ` xmlns:p="..."` for each prefix that is declared only around the token and used in it.
fn carried_over(token: Node<'_, '_>, verbatim: &str) -> String {
    let mut nearest: BTreeMap<&str, String> = BTreeMap::new();
    for (prefix, uri) in token.declared_around() {
        nearest
            .entry(prefix)
            .or_insert_with(|| uri.replace('"', "&quot;"));
    }
    nearest
        .into_iter()
        .filter(|(prefix, _)| !token.declares(prefix) && uses(token, verbatim, prefix))
        .map(|(prefix, uri)| match prefix {
            "" => format!(" xmlns=\"{uri}\""),
            prefix => format!(" xmlns:{prefix}=\"{uri}\""),
        })
        .collect()
}

/// Whether a prefix occurs anywhere, in values such as `xsi:type="xs:string"` too; or, for the default, an element
/// without prefix.
fn uses(token: Node<'_, '_>, verbatim: &str, prefix: &str) -> bool {
    if prefix.is_empty() {
        return token
            .family()
            .any(|node| node.qualified_name().is_some_and(|name| !name.contains(':')));
    }
    let parts: Vec<&str> = verbatim.split(&format!("{prefix}:")).collect();
    let before = parts.split_last().map(|(_, before)| before).unwrap_or_default();
    before.iter().any(|part| !part.ends_with(is_name_character))
}

/// Characters of a name (XML 1.0 §2.3), as far as one could stand before a prefix and lengthen it.
fn is_name_character(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '.' | ':')
}

#[cfg(test)]
mod tests;
