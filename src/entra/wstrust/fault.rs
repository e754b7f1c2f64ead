//! What a SOAP fault says about the password that was sent (SOAP 1.2 part 1 §5.4; WS-Security 1.1 §12; WS-Trust 1.3
//! §11).

use super::namespace::Namespace::Soap;
use super::xml::Node;
use crate::api::Reason;
use crate::plan::answer::Effect;

/// What happened, by the most telling code of the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter)]
pub(in crate::entra) enum Fault {
    /// User name or password is wrong.
    Authentication,
    /// The password is right and has expired.
    Expired,
    /// The security header was not accepted, before the password decided anything: mostly the clocks differ.
    Security,
    /// The server knows who it is and does not issue a token.
    Refused,
    /// The server has no trust with the cloud, or does not understand the request.
    Request,
    /// The server's own failure (SOAP 1.2 §5.4.6: "Receiver").
    Server,
    /// Anything else: it may be the password.
    Unclear,
}

/// What a fault means for the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::entra) struct Judgement {
    pub(in crate::entra) effect: Effect,
    pub(in crate::entra) reason: Reason,
    /// What happened: the server's host goes before it.
    pub(in crate::entra) message: &'static str,
    /// What to do.
    pub(in crate::entra) remedy: &'static str,
}

/// Most levels of sub-codes that are looked at: WS-Security and WS-Trust use one.
const LEVELS_MAX: usize = 4;

/// AD FS's access control has refused whom it had authenticated. It says so in the words of a wrong password, but for this
/// number in the text, by which Exchange Server tells the two apart, too.
const ACCESS_DENIED: &str = "MSIS3126:";

impl Fault {
    /// Reads a `Fault` element: the innermost known sub-code decides, else the code.
    pub(super) fn of(fault: Node<'_, '_>) -> Self {
        let code = fault.named(Soap, "Code").next();
        let levels = std::iter::successors(code, |code| code.named(Soap, "Subcode").next());
        let values = levels
            .take(LEVELS_MAX)
            .filter_map(|code| code.descend(&[(Soap, "Value")])?.text());
        let codes: Vec<Self> = values.filter_map(|value| known(&value)).collect();
        let texts = fault
            .named(Soap, "Reason")
            .flat_map(|reason| reason.named(Soap, "Text"));
        codes.last().copied().unwrap_or(Self::Unclear).told_by(texts)
    }

    /// Reads a `Fault` element of SOAP 1.1 (§4.4.1), as servers before 2007 and some gateways write it. Its `Server` is no
    /// word of a failing server: some say so of a password.
    pub(super) fn of_11(fault: Node<'_, '_>) -> Self {
        let parts = |name: &'static str| {
            fault
                .children()
                .filter(move |child| child.local_name() == Some(name))
        };
        let code = parts("faultcode").find_map(Node::text).unwrap_or_default();
        known(&code)
            .filter(|fault| *fault != Self::Server)
            .unwrap_or(Self::Unclear)
            .told_by(parts("faultstring"))
    }

    /// What the texts say more than the codes.
    fn told_by<'d, 't: 'd>(self, mut texts: impl Iterator<Item = Node<'d, 't>>) -> Self {
        let denied = |text: Node<'_, '_>| text.text().is_some_and(|text| text.contains(ACCESS_DENIED));
        if self == Self::Authentication && texts.any(denied) {
            return Self::Refused;
        }
        self
    }

    /// What it means for the login.
    ///
    /// - [`Fault::Security`] condemns nothing, since the password was not judged. It is no passing failure either: tried
    ///   again by itself, a password could be sent for ever to a server that counts it. So a person is asked.
    /// - [`Fault::Server`] uses up a send: the server read the password and gave no verdict.
    /// - Nothing condemns: AD FS answers a locked, disabled or expired account in the words of a wrong password, and what
    ///   is [`Fault::Unclear`] most likely is one.
    pub(in crate::entra) const fn judgement(self) -> Judgement {
        let (effect, reason, message, remedy) = match self {
            Self::Authentication => (
                Effect::Doubtful,
                Reason::WrongPassword,
                "refused the user name and password",
                "Check both at the federation server, and whether the account is locked out, disabled or expired there.",
            ),
            Self::Expired => (
                Effect::Person,
                Reason::InteractionRequired,
                "says that the password has expired",
                "Change the password there; a login Secret that holds the old one needs the new one.",
            ),
            Self::Security => (
                Effect::Person,
                Reason::AppMisconfigured,
                "did not accept the security header of the message; mostly the clocks differ by more than five minutes",
                "Set the clocks of the operator's node and of the federation server by NTP.",
            ),
            Self::Refused => (
                Effect::Person,
                Reason::BlockedByPolicy,
                "issues no token for this account",
                "Look at the federation server's event log and its access control policy for Microsoft 365.",
            ),
            Self::Request => (
                Effect::Person,
                Reason::AppMisconfigured,
                "does not accept the request for a token",
                "Check its trust with Microsoft 365 and that its endpoint for user name and password is enabled.",
            ),
            Self::Server => (
                Effect::Unanswered,
                Reason::ServiceUnavailable,
                "failed at the request",
                "Look at the federation server's event log, and at its connection to the directory.",
            ),
            Self::Unclear => (
                Effect::Doubtful,
                Reason::WrongPassword,
                "refused the sign-in without a clear cause, most likely for user name or password",
                "Look at the federation server's event log; check user name and password.",
            ),
        };
        Judgement {
            effect,
            reason,
            message,
            remedy,
        }
    }
}

/// What a code means, by its local name: the names are distinct over the specifications. It may be a list that narrows from
/// dot to dot (SOAP 1.1 §4.4.1), which Windows writes in SOAP 1.2, too.
fn known(code: &str) -> Option<Fault> {
    let (_, name) = code.rsplit_once(':').unwrap_or(("", code));
    name.rsplit('.').find_map(named)
}

fn named(name: &str) -> Option<Fault> {
    match name {
        "FailedAuthentication" | "Authentication" => Some(Fault::Authentication),
        "ExpiredPassword" => Some(Fault::Expired),
        "InvalidSecurity" | "MessageExpired" | "ExpiredData" | "InvalidTimeRange" => Some(Fault::Security),
        "RequestFailed" => Some(Fault::Refused),
        "InvalidRequest"
        | "BadRequest"
        | "InvalidScope"
        | "MustUnderstand"
        | "VersionMismatch"
        | "ActionNotSupported"
        | "DestinationUnreachable" => Some(Fault::Request),
        "Receiver" => Some(Fault::Server),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
