//! Where a federation server takes user name and password, from its metadata: a WSDL 1.1 document that names policies,
//! bindings that follow one of them, and ports that offer a binding.

use std::collections::{BTreeMap, BTreeSet};

use super::Version;
use super::namespace::Namespace::{
    self, Addressing, Policy, SecurityPolicy, SecurityPolicy2005, Wsdl, WsdlSoap,
};
use super::xml::{Document, Node};

/// SOAP over HTTP (WSDL 1.1 §3.3).
const HTTP: &str = "http://schemas.xmlsoap.org/soap/http";

/// Where a request for a token goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::entra) struct Endpoint {
    pub(in crate::entra) version: Version,
    /// As the server writes it; not checked yet.
    pub(in crate::entra) address: String,
}

impl Endpoint {
    /// The endpoint of an address without metadata; `None` if its path does not tell the version, as in MSAL Python.
    pub(in crate::entra) fn at(address: &str) -> Option<Self> {
        let path = address.to_ascii_lowercase();
        let version = if path.contains("/trust/2005/usernamemixed") {
            Version::V2005
        } else if path.contains("/trust/13/usernamemixed") {
            Version::V13
        } else {
            return None;
        };
        Some(Self {
            version,
            address: address.to_owned(),
        })
    }
}

/// Why metadata names no endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::entra) enum Unsuitable {
    /// Not a WSDL document.
    #[error("the document is not metadata of a federation server")]
    Unreadable,
    /// No port takes a user name and password.
    #[error("the metadata offers no endpoint for user name and password")]
    NotOffered,
}

/// The endpoints for user name and password, at least one: those of WS-Trust 1.3 before those of 2005. The WSDL may stand
/// in an answer of WS-MetadataExchange (`mex:Metadata`, with or without a SOAP envelope around it), in one section or
/// several.
pub(in crate::entra) fn endpoints(body: &[u8]) -> Result<Vec<Endpoint>, Unsuitable> {
    let document = Document::parse(body).map_err(|_| Unsuitable::Unreadable)?;
    let sections = || {
        document
            .root()
            .family()
            .filter(|node| node.is(Wsdl, "definitions"))
    };
    sections().next().ok_or(Unsuitable::Unreadable)?;
    let policies = sections().flat_map(policies).collect();
    let bindings = sections()
        .flat_map(|section| bindings(section, &policies))
        .collect();
    let mut endpoints: Vec<Endpoint> = sections()
        .flat_map(|section| offered(section, &bindings))
        .collect();
    endpoints.sort_by_key(|endpoint| endpoint.version);
    if endpoints.is_empty() {
        Err(Unsuitable::NotOffered)
    } else {
        Ok(endpoints)
    }
}

/// References to the policies that ask for user name and password over TLS.
fn policies(definitions: Node<'_, '_>) -> BTreeSet<String> {
    definitions
        .named(Policy, "Policy")
        .filter(|policy| takes_password(*policy))
        .filter_map(|policy| Some(format!("#{}", policy.attribute("Id")?)))
        .collect()
}

/// One alternative of the policy wants TLS and a user name token.
fn takes_password(policy: Node<'_, '_>) -> bool {
    policy
        .named(Policy, "ExactlyOne")
        .flat_map(|one| one.named(Policy, "All"))
        .any(|all| binds_tls(all) && asks_password(all))
}

/// Versions of WS-SecurityPolicy.
const VERSIONS: [Namespace; 2] = [SecurityPolicy, SecurityPolicy2005];

/// How a policy asks for a token of the user: 1.2 has it signed and encrypted, 1.1 signed.
const TOKENS: [&str; 2] = ["SignedEncryptedSupportingTokens", "SignedSupportingTokens"];

fn binds_tls(all: Node<'_, '_>) -> bool {
    VERSIONS
        .iter()
        .any(|sp| all.descend(&[(*sp, "TransportBinding")]).is_some())
}

fn asks_password(all: Node<'_, '_>) -> bool {
    let asks = |sp, tokens| {
        let path = [
            (sp, tokens),
            (Policy, "Policy"),
            (sp, "UsernameToken"),
            (Policy, "Policy"),
            (sp, "WssUsernameToken10"),
        ];
        all.descend(&path).is_some()
    };
    VERSIONS
        .iter()
        .any(|sp| TOKENS.iter().any(|tokens| asks(*sp, tokens)))
}

/// Names of the bindings that follow one of the policies, with the version that they speak.
fn bindings(definitions: Node<'_, '_>, policies: &BTreeSet<String>) -> BTreeMap<String, Version> {
    definitions
        .named(Wsdl, "binding")
        .filter(|binding| follows(*binding, policies) && is_http(*binding))
        .filter_map(|binding| Some((binding.attribute("name")?, version(binding)?)))
        .collect()
}

fn follows(binding: Node<'_, '_>, policies: &BTreeSet<String>) -> bool {
    binding
        .named(Policy, "PolicyReference")
        .filter_map(|reference| reference.attribute("URI"))
        .any(|uri| policies.contains(&uri))
}

fn is_http(binding: Node<'_, '_>) -> bool {
    binding
        .named(WsdlSoap, "binding")
        .any(|soap| soap.attribute("transport").as_deref() == Some(HTTP))
}

fn version(binding: Node<'_, '_>) -> Option<Version> {
    let action = binding
        .descend(&[(Wsdl, "operation"), (WsdlSoap, "operation")])?
        .attribute("soapAction")?;
    Version::ALL
        .into_iter()
        .find(|version| version.action() == action)
}

/// What the ports of these bindings offer.
fn offered(
    definitions: Node<'_, '_>,
    bindings: &BTreeMap<String, Version>,
) -> impl Iterator<Item = Endpoint> {
    let ports = definitions
        .named(Wsdl, "service")
        .flat_map(|service| service.named(Wsdl, "port"));
    ports.filter_map(|port| {
        let binding = port.attribute("binding")?;
        let name = binding.split_once(':').map_or(binding.as_str(), |(_, name)| name);
        let address = port.descend(&[(Addressing, "EndpointReference"), (Addressing, "Address")])?;
        Some(Endpoint {
            version: *bindings.get(name)?,
            address: address.text()?,
        })
    })
}

#[cfg(test)]
mod tests;
