//! The two versions of WS-Trust: their names on the wire.
//!
//! WS-Trust 1.3 (OASIS, namespace 200512) and the draft of February 2005 that older servers speak.

/// A version, each with an endpoint of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V13,
    V2005,
}

impl Version {
    /// The namespace.
    pub(crate) fn trust(self) -> &'static str {
        match self {
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512",
            Self::V2005 => "http://schemas.xmlsoap.org/ws/2005/02/trust",
        }
    }

    /// The version whose endpoint has this path, compared without case.
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        let same = |version: &Self| version.path().eq_ignore_ascii_case(path.trim_end_matches('/'));
        [Self::V13, Self::V2005].into_iter().find(same)
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::V13 => "/adfs/services/trust/13/usernamemixed",
            Self::V2005 => "/adfs/services/trust/2005/usernamemixed",
        }
    }

    pub(crate) fn action(self) -> String {
        format!("{}/RST/Issue", self.trust())
    }

    pub(crate) fn answer_action(self) -> String {
        match self {
            Self::V13 => format!("{}/RSTRC/IssueFinal", self.trust()),
            Self::V2005 => format!("{}/RSTR/Issue", self.trust()),
        }
    }

    pub(crate) fn request_type(self) -> String {
        format!("{}/Issue", self.trust())
    }

    pub(crate) fn key_type(self) -> &'static str {
        match self {
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Bearer",
            Self::V2005 => "http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey",
        }
    }
}
