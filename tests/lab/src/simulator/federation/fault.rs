//! The refusals of the federation server: SOAP 1.2 faults, sent with HTTP 500.
//!
//! Subcodes as WS-Security, WS-Trust and WS-Addressing name them, texts as ADFS writes them.

use serde::Deserialize;

use super::Version;
use super::envelope::{ADDRESSING, SECURITY, SOAP};

/// Why no assertion was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SoapFault {
    /// `wsse:FailedAuthentication`: user name or password.
    FailedAuthentication,
    /// `wsse:FailedAuthentication`, too, with another text: the issuance authorization rules.
    AccessDenied,
    /// `wsse:InvalidSecurity`: most often clock skew.
    InvalidSecurity,
    /// `wst:RequestFailed`: the server would not, for example for an unknown relying party.
    RequestFailed,
    /// `wst:InvalidRequest`: something is malformed.
    InvalidRequest,
    /// `wsa:ActionNotSupported`: SOAPAction or Action of another version.
    ActionNotSupported,
    /// `wsa:DestinationUnreachable`: To is not this endpoint.
    DestinationUnreachable,
}

impl SoapFault {
    fn subcode(self) -> &'static str {
        match self {
            Self::FailedAuthentication | Self::AccessDenied => "wsse:FailedAuthentication",
            Self::InvalidSecurity => "wsse:InvalidSecurity",
            Self::RequestFailed => "wst:RequestFailed",
            Self::InvalidRequest => "wst:InvalidRequest",
            Self::ActionNotSupported => "wsa:ActionNotSupported",
            Self::DestinationUnreachable => "wsa:DestinationUnreachable",
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::FailedAuthentication => {
                "ID3242: The security token could not be authenticated or authorized."
            }
            Self::AccessDenied => "MSIS3126: Access denied.",
            Self::InvalidSecurity => "An error occurred when verifying security for the message.",
            Self::RequestFailed => "MSIS3127: The specified request failed.",
            Self::InvalidRequest => "ID3035: The request was not valid or is malformed.",
            Self::ActionNotSupported => "The message cannot be processed: its Action is not supported here.",
            Self::DestinationUnreachable => "The message cannot be processed: its To is not this endpoint.",
        }
    }

    pub(super) fn body(self, version: Version) -> String {
        let (subcode, reason, trust) = (self.subcode(), self.reason(), version.trust());
        format!(
            "<s:Envelope xmlns:s=\"{SOAP}\" xmlns:wsa=\"{ADDRESSING}\">\
             <s:Header><wsa:Action s:mustUnderstand=\"1\">{ADDRESSING}/soap/fault</wsa:Action></s:Header>\
             <s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value>\
             <s:Subcode><s:Value xmlns:wsse=\"{SECURITY}\" xmlns:wst=\"{trust}\">{subcode}</s:Value></s:Subcode>\
             </s:Code><s:Reason><s:Text xml:lang=\"en-US\">{reason}</s:Text></s:Reason></s:Fault></s:Body>\
             </s:Envelope>"
        )
    }
}
