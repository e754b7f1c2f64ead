//! The XML namespaces that WS-Trust exchanges are made of.

use strum::{EnumIter, IntoEnumIterator};

/// A namespace that is looked at or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter)]
pub(super) enum Namespace {
    /// SOAP 1.2 envelope.
    Soap,
    /// SOAP 1.1 envelope.
    Soap11,
    /// WS-Addressing 1.0.
    Addressing,
    /// WS-Security 1.0: `Security`, `UsernameToken`.
    Security,
    /// WS-Security utility: `Timestamp`, `Id`.
    Utility,
    /// WS-Policy 1.2.
    Policy,
    /// WS-SecurityPolicy 1.2.
    SecurityPolicy,
    /// WS-SecurityPolicy 1.1.
    SecurityPolicy2005,
    /// WSDL 1.1.
    Wsdl,
    /// WSDL 1.1 binding for SOAP 1.2.
    WsdlSoap,
    /// WS-Trust 1.3.
    Trust13,
    /// WS-Trust of February 2005.
    Trust2005,
}

impl Namespace {
    /// Its name.
    pub(super) const fn uri(self) -> &'static str {
        match self {
            Self::Soap => "http://www.w3.org/2003/05/soap-envelope",
            Self::Soap11 => "http://schemas.xmlsoap.org/soap/envelope/",
            Self::Addressing => "http://www.w3.org/2005/08/addressing",
            Self::Security => {
                "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
            }
            Self::Utility => {
                "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
            }
            Self::Policy => "http://schemas.xmlsoap.org/ws/2004/09/policy",
            Self::SecurityPolicy => "http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702",
            Self::SecurityPolicy2005 => "http://schemas.xmlsoap.org/ws/2005/07/securitypolicy",
            Self::Wsdl => "http://schemas.xmlsoap.org/wsdl/",
            Self::WsdlSoap => "http://schemas.xmlsoap.org/wsdl/soap12/",
            Self::Trust13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512",
            Self::Trust2005 => "http://schemas.xmlsoap.org/ws/2005/02/trust",
        }
    }

    /// The namespace of this name, if it is one of ours.
    pub(super) fn of(uri: &str) -> Option<Self> {
        Self::iter().find(|namespace| namespace.uri() == uri)
    }
}
