//! How an assertion is written, in SAML 1.1 and 2.0.
//!
//! The signature element is in its place and has the right shape; nobody verifies the numbers in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha512};

use super::AUDIENCE;

/// A version of SAML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Saml {
    /// SAML 1.1, whose namespace says 1.0.
    V11,
    V20,
}

/// Which assertion is issued, and by which name the answer calls it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SamlToken {
    /// SAML 1.1, called by its namespace, as ADFS does.
    #[default]
    V11,
    /// SAML 1.1, called as in the WSS SAML token profile 1.1.
    V11Profile,
    /// SAML 2.0, called by its namespace.
    V20,
    /// SAML 2.0, called as in the WSS SAML token profile 1.1.
    V20Profile,
}

impl SamlToken {
    pub(super) fn version(self) -> Saml {
        match self {
            Self::V11 | Self::V11Profile => Saml::V11,
            Self::V20 | Self::V20Profile => Saml::V20,
        }
    }

    /// The `TokenType` of the answer.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::V11 | Self::V20 => self.version().namespace(),
            Self::V11Profile => "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV1.1",
            Self::V20Profile => "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV2.0",
        }
    }
}

impl Saml {
    pub(super) fn namespace(self) -> &'static str {
        match self {
            Self::V11 => "urn:oasis:names:tc:SAML:1.0:assertion",
            Self::V20 => "urn:oasis:names:tc:SAML:2.0:assertion",
        }
    }

    /// The declaration of the prefix, as it stands on the assertion.
    pub(super) fn declaration(self) -> String {
        format!(" xmlns:saml=\"{}\"", self.namespace())
    }
}

/// What an assertion states.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) id: String,
    pub(super) issuer: String,
    pub(super) upn: String,
    pub(super) immutable_id: String,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

impl Statement {
    /// The assertion as one line of XML.
    pub(super) fn text(&self, saml: Saml) -> String {
        match saml {
            Saml::V11 => self.saml11(),
            Saml::V20 => self.saml20(),
        }
    }

    fn saml11(&self) -> String {
        let (id, issuer, from) = (&self.id, escape(&self.issuer), instant(self.from));
        let subject = format!(
            "<saml:Subject><saml:NameIdentifier \
             Format=\"urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified\">{}</saml:NameIdentifier>\
             <saml:SubjectConfirmation><saml:ConfirmationMethod>urn:oasis:names:tc:SAML:1.0:cm:bearer\
             </saml:ConfirmationMethod></saml:SubjectConfirmation></saml:Subject>",
            self.immutable_id
        );
        format!(
            "<saml:Assertion MajorVersion=\"1\" MinorVersion=\"1\" AssertionID=\"{id}\" Issuer=\"{issuer}\" \
             IssueInstant=\"{from}\"{}><saml:Conditions {}><saml:AudienceRestrictionCondition><saml:Audience>\
             {AUDIENCE}</saml:Audience></saml:AudienceRestrictionCondition></saml:Conditions>\
             <saml:AttributeStatement>{subject}<saml:Attribute AttributeName=\"UPN\" \
             AttributeNamespace=\"http://schemas.xmlsoap.org/claims\"><saml:AttributeValue>{}\
             </saml:AttributeValue></saml:Attribute></saml:AttributeStatement><saml:AuthenticationStatement \
             AuthenticationMethod=\"urn:oasis:names:tc:SAML:1.0:am:password\" AuthenticationInstant=\"{from}\">\
             {subject}</saml:AuthenticationStatement>{}</saml:Assertion>",
            Saml::V11.declaration(),
            self.window(),
            escape(&self.upn),
            self.signature()
        )
    }

    fn saml20(&self) -> String {
        let (id, from, until) = (&self.id, instant(self.from), instant(self.until));
        format!(
            "<saml:Assertion ID=\"{id}\" IssueInstant=\"{from}\" Version=\"2.0\"{}><saml:Issuer>{}</saml:Issuer>\
             {}<saml:Subject><saml:NameID Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\">{}\
             </saml:NameID><saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\">\
             <saml:SubjectConfirmationData NotOnOrAfter=\"{until}\"/></saml:SubjectConfirmation></saml:Subject>\
             <saml:Conditions {}><saml:AudienceRestriction><saml:Audience>{AUDIENCE}</saml:Audience>\
             </saml:AudienceRestriction></saml:Conditions><saml:AttributeStatement><saml:Attribute \
             Name=\"http://schemas.xmlsoap.org/claims/UPN\"><saml:AttributeValue>{}</saml:AttributeValue>\
             </saml:Attribute></saml:AttributeStatement><saml:AuthnStatement AuthnInstant=\"{from}\">\
             <saml:AuthnContext><saml:AuthnContextClassRef>\
             urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef>\
             </saml:AuthnContext></saml:AuthnStatement></saml:Assertion>",
            Saml::V20.declaration(),
            escape(&self.issuer),
            self.signature(),
            self.immutable_id,
            self.window(),
            escape(&self.upn),
        )
    }

    fn window(&self) -> String {
        let (from, until) = (instant(self.from), instant(self.until));
        format!("NotBefore=\"{from}\" NotOnOrAfter=\"{until}\"")
    }

    fn signature(&self) -> String {
        let digest = STANDARD.encode(Sha256::digest(&self.id));
        let signature = STANDARD.encode(Sha512::digest(&self.id).repeat(4));
        format!(
            "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo>\
             <ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>\
             <ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"/>\
             <ds:Reference URI=\"#{}\"><ds:Transforms>\
             <ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>\
             <ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/></ds:Transforms>\
             <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/>\
             <ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>\
             <ds:SignatureValue>{signature}</ds:SignatureValue></ds:Signature>",
            self.id
        )
    }
}

/// `2026-11-25T13:00:00.000Z`.
pub(super) fn instant(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}
