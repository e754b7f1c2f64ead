//! Classes of failure, and what each means for a grant: the effect on what was sent, and the reason to show.

use strum::{EnumIter, IntoStaticStr};

use crate::api::Reason;
use crate::entra::Grant;
use crate::plan::answer::{Deed, Effect};

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
pub enum Class {
    /// User name or password is wrong, without doubt if Entra ID itself checks the password.
    WrongPassword,
    /// User name or password was refused, which may be true for a while only, or by somebody who does not say why.
    Doubtful,
    /// The account must do something interactive.
    UserAction,
    /// Consent to the scopes is missing.
    Consent,
    /// Scope or resource of the one entry is wrong.
    Scope,
    /// Application, client credential or authority is set up wrongly.
    Application,
    /// The user does not exist in the tenant.
    UserUnknown,
    /// The tenant does not exist in the cloud.
    TenantUnknown,
    /// The account is locked or disabled.
    Locked,
    /// A policy forbids it.
    Policy,
    /// The refresh token is dead.
    Dead,
    /// The refresh token was not accepted: dead, if the same answer comes again and again.
    Suspect,
    /// The refresh token could not be read: dead, if the same answer comes twice.
    Unreadable,
    /// Too many requests.
    Throttled,
    /// The service is failing for a while.
    Transient,
    /// Not an answer of Entra ID: a gateway, a captive proxy, or a shape that nobody documented.
    Unexpected,
}

impl Class {
    /// What the status of an answer says that is none of the token endpoint's.
    pub(in crate::entra) const fn of_status(status: u16) -> Self {
        match status {
            429 => Self::Throttled,
            408 | 500..=599 => Self::Transient,
            _ => Self::Unexpected,
        }
    }

    /// Reason to show for this class on this grant.
    pub const fn reason(self, grant: Grant) -> Reason {
        match (self, grant) {
            (Self::WrongPassword | Self::Doubtful, Grant::Password | Grant::WsTrust) => Reason::WrongPassword,
            (Self::Dead | Self::Suspect | Self::Unreadable, Grant::Refresh) => Reason::LoginRequired,
            (Self::WrongPassword | Self::Doubtful | Self::UserAction | Self::Dead, _) => {
                Reason::InteractionRequired
            }
            (Self::Consent, _) => Reason::ConsentMissing,
            (Self::Scope | Self::Application | Self::Suspect | Self::Unreadable, _) => {
                Reason::AppMisconfigured
            }
            (Self::UserUnknown, _) => Reason::UserNotFound,
            (Self::TenantUnknown, _) => Reason::TenantNotFound,
            (Self::Locked, _) => Reason::AccountLocked,
            (Self::Policy, _) => Reason::BlockedByPolicy,
            (Self::Throttled, _) => Reason::Throttled,
            (Self::Transient, _) => Reason::ServiceUnavailable,
            (Self::Unexpected, _) => Reason::UnexpectedResponse,
        }
    }

    /// Effect of this class on what was sent.
    pub const fn effect(self, grant: Grant) -> Effect {
        match (self, grant) {
            (Self::WrongPassword, Grant::Password) => Effect::Condemned,
            (Self::WrongPassword | Self::Doubtful, Grant::Password | Grant::WsTrust) => Effect::Doubtful,
            (Self::Dead, Grant::Refresh) => Effect::Dead,
            (Self::Suspect, Grant::Refresh) => Effect::Suspect,
            (Self::Unreadable, Grant::Refresh) => Effect::Unreadable,
            (Self::Unexpected, grant) if grant.signs_in() => Effect::Unanswered,
            (
                Self::Consent | Self::Scope,
                Grant::Password | Grant::Saml11 | Grant::Saml20 | Grant::Refresh,
            ) => Effect::Entry,
            (Self::Throttled | Self::Transient | Self::Unexpected, _) => Effect::Transient,
            (
                Self::WrongPassword
                | Self::Doubtful
                | Self::UserAction
                | Self::Consent
                | Self::Scope
                | Self::Application
                | Self::UserUnknown
                | Self::TenantUnknown
                | Self::Locked
                | Self::Policy
                | Self::Dead
                | Self::Suspect
                | Self::Unreadable,
                _,
            ) => Effect::Person,
        }
    }

    /// What a person must do for another try: what a row asks for, where the effect leaves a choice.
    pub const fn deed(self, grant: Grant, row: Option<Deed>) -> Deed {
        match (self.effect(grant), row, self) {
            (Effect::Entry | Effect::Person, Some(deed), _) => deed,
            (Effect::Entry | Effect::Person, None, Self::Scope) => Deed::Spec,
            (effect, _, _) => deed_after(effect),
        }
    }

    /// The same, of an answer that nobody wrote down: it neither condemns nor kills.
    pub(super) const fn in_doubt(self) -> Self {
        if matches!(self, Self::WrongPassword) {
            Self::Doubtful
        } else if matches!(self, Self::Dead | Self::Unreadable) {
            Self::Suspect
        } else {
            self
        }
    }

    /// The same, of an answer with a claims challenge: whoever could pass it would get the token, so that neither the
    /// password nor the refresh token is at fault.
    pub(super) const fn challenged(self) -> Self {
        let blamed = matches!(
            self,
            Self::WrongPassword | Self::Doubtful | Self::Dead | Self::Suspect | Self::Unreadable
        );
        if blamed { Self::Policy } else { self }
    }

    /// What happened, when only the class is known.
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::WrongPassword => "The identity provider refused the user name and password",
            Self::Doubtful => {
                "The identity provider refused the sign-in, most likely for user name or password"
            }
            Self::UserAction => "The identity provider asks for an interactive sign-in of this account",
            Self::Consent => "Nobody has consented to the scopes for this application",
            Self::Scope => "The identity provider does not accept the scopes",
            Self::Application => "The identity provider does not accept the request of this application",
            Self::UserUnknown => "The user does not exist in this tenant",
            Self::TenantUnknown => "The tenant does not exist in this cloud",
            Self::Locked => "The account is locked or disabled",
            Self::Policy => "A policy of the tenant blocks this sign-in",
            Self::Dead => "The refresh token has expired or was revoked",
            Self::Suspect | Self::Unreadable => "The identity provider does not accept the refresh token",
            Self::Throttled => "The identity provider asks to slow down",
            Self::Transient => "The identity provider is failing at the moment",
            Self::Unexpected => {
                "The answer is not one of a token service; perhaps a proxy or gateway answered instead"
            }
        }
    }

    /// What to do, when only the class is known.
    pub(super) const fn remedy(self) -> &'static str {
        match self {
            Self::WrongPassword => "Check user name and password.",
            Self::Doubtful => {
                "Check user name and password; check also whether the account is locked, disabled, or asked for an \
                 action of its user."
            }
            Self::UserAction => {
                "This grant cannot answer prompts: exclude the account from the requirement, or sign in interactively \
                 once if that settles it."
            }
            Self::Consent => "Grant admin consent for the scopes.",
            Self::Scope => "Correct the scopes of this token entry.",
            Self::Application => "Check client id, client credential and the app registration.",
            Self::UserUnknown => "Check user name and tenant.",
            Self::TenantUnknown => "Check spec.tenant and spec.cloud.",
            Self::Locked => "Unlock or enable the account; nothing is sent meanwhile but slow probes.",
            Self::Policy => "Look at the sign-in log of the tenant and adjust the policy for this account.",
            Self::Dead => "",
            Self::Suspect | Self::Unreadable => {
                "It is tried again by itself; if the answer stays the same, the refresh token counts as dead."
            }
            Self::Throttled | Self::Transient => "Nothing to do: it is tried again by itself.",
            Self::Unexpected => "Check proxies and egress rules between the operator and the sign-in host.",
        }
    }
}

/// What a person must do, as far as the effect alone decides.
pub(in crate::entra) const fn deed_after(effect: Effect) -> Deed {
    match effect {
        Effect::Condemned | Effect::Dead => Deed::NewLogin,
        Effect::Doubtful | Effect::Entry | Effect::Person => Deed::Word,
        Effect::Suspect | Effect::Unreadable | Effect::Transient | Effect::Withheld | Effect::Unanswered => {
            Deed::Wait
        }
    }
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator;

    use super::*;

    #[test]
    fn only_a_password_is_condemned_and_only_a_refresh_token_dies() {
        for class in Class::iter() {
            for grant in [Grant::Password, Grant::WsTrust, Grant::Saml11, Grant::Saml20] {
                let effect = class.effect(grant);
                assert!(
                    !matches!(effect, Effect::Dead | Effect::Suspect | Effect::Unreadable),
                    "{class:?} {grant:?}"
                );
            }
            for grant in [Grant::WsTrust, Grant::Saml11, Grant::Saml20] {
                assert_ne!(class.effect(grant), Effect::Condemned, "{class:?} {grant:?}");
            }
            for grant in [Grant::Refresh, Grant::Discovery] {
                let effect = class.effect(grant);
                assert!(
                    !matches!(effect, Effect::Condemned | Effect::Doubtful | Effect::Unanswered),
                    "{class:?} {grant:?}"
                );
            }
        }
        assert_eq!(Class::WrongPassword.effect(Grant::Password), Effect::Condemned);
        assert_eq!(Class::Doubtful.effect(Grant::Password), Effect::Doubtful);
        assert_eq!(Class::Dead.effect(Grant::Refresh), Effect::Dead);
    }

    #[test]
    fn application_errors_never_kill_the_refresh_token() {
        assert_eq!(Class::Application.effect(Grant::Refresh), Effect::Person);
        assert_eq!(Class::Policy.effect(Grant::Refresh), Effect::Person);
        assert_eq!(Class::Consent.effect(Grant::Refresh), Effect::Entry);
        assert_eq!(Class::Unexpected.effect(Grant::Refresh), Effect::Transient);
    }

    #[test]
    fn every_class_has_sentences() {
        for class in Class::iter() {
            assert!(
                !class.message().is_empty() && !class.message().ends_with('.'),
                "{class:?}"
            );
            assert_eq!(class.remedy().is_empty(), class == Class::Dead, "{class:?}");
            assert!(
                class.remedy().is_empty() || class.remedy().ends_with('.'),
                "{class:?}"
            );
        }
    }
}
