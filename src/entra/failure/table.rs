//! AADSTS codes that the password and refresh grants can meet: what each means and what to do about it.
//!
//! Codes and meanings: Microsoft's page "Microsoft Entra authentication and authorization error codes", its page of
//! breaking changes, and answers seen in recordings. Codes may change;
//! unknown ones are classified by `suberror` and `error`.

use std::ops::RangeInclusive;

use super::Class::{
    self, Application, Consent, Dead, Doubtful, Locked, Policy, Scope, TenantUnknown, Throttled, Transient,
    Unreadable, UserAction, UserUnknown, WrongPassword,
};
use crate::plan::answer::Deed::{self, ClientCredential, Spec, Word};

/// One code, or a range of codes that mean the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Number after `AADSTS`, or the first of the range.
    pub first: u32,
    /// Last number of the range; the same as `first` for a single code.
    pub last: u32,
    /// What kind of failure it is.
    pub class: Class,
    /// What happened: a sentence without its full stop.
    pub message: &'static str,
    /// What mends the cause: one or more sentences. Empty where the deed says all.
    pub remedy: &'static str,
    /// What a person must do for another try, where it is not what the class says.
    pub deed: Option<Deed>,
}

impl Row {
    /// The same with a deed of its own.
    const fn by(self, deed: Deed) -> Self {
        Self {
            deed: Some(deed),
            ..self
        }
    }
}

/// Codes that come as the outer one of several, with a more telling one beside them: `[70002, 50126]`.
pub(super) const OUTER: [u32; 3] = [70000, 70002, 90100];

pub(super) const fn row(code: u32, class: Class, message: &'static str, remedy: &'static str) -> Row {
    range(code, code, class, message, remedy)
}

const fn range(first: u32, last: u32, class: Class, message: &'static str, remedy: &'static str) -> Row {
    Row {
        first,
        last,
        class,
        message,
        remedy,
        deed: None,
    }
}

const WAIT: &str = "Nothing to do: it is tried again by itself.";
const TICKET: &str = "It is tried again by itself; if it lasts, open a ticket with Microsoft.";
const NO_MFA: &str = "This grant cannot pass multi-factor authentication: exclude this account from it, or use workload identity instead.";
const ARM_MFA: &str = "This grant cannot pass multi-factor authentication: exclude this account from it, or use workload identity instead. No exclusion helps for writes to https://management.azure.com, which ask it of every user account.";
/// What helps against a refused password where the realm service did not say that Entra ID checks it.
pub(super) const FEDERATED: &str = "Check both. If they are right, the domain may be federated: either sign in at the federation service (spec.login.realm: Auto or Federated), or have the tenant allow cloud password validation (password hash synchronisation and a home realm policy with AllowCloudPasswordValidation).";
const REGISTER: &str = "Register the account's authentication methods once in a browser, or exclude the account from the requirement.";
const DEVICE: &str = "Exclude this account or application from the device policy of Conditional Access.";
const NEW_PASSWORD: &str = "The login needs the account's current password.";
const EXPIRED: &str = "Change the password; a login Secret that holds the old one needs the new one.";
const MEMBER: &str = "Use an account that is a member of this tenant, or the account's home tenant; guests and personal accounts cannot use this grant.";
const CREDENTIAL: &str = "Check spec.clientCredential and the credentials of the app registration.";
const PERMISSION: &str =
    "Correct the API permissions of the app registration, or the scopes of this token entry.";
const PTA: &str = "It is tried again by itself; check the pass-through authentication agents on premises.";
const REPORT: &str = "Report this as a bug of the operator, or look for a proxy that changes requests.";
const TENANT: &str = "Write the tenant's GUID in spec.tenant.";
const CLOUD: &str = "Set spec.cloud to the cloud of this tenant.";
const SIGN_IN: &str = "Sign in interactively once with this account.";

/// Every known code, in ascending order and without overlap.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row(16000, UserUnknown, "The account belongs to another identity provider and is not a member of this tenant", MEMBER),
    row(16003, UserUnknown, "The user was not added to this tenant", "Add the user to the tenant, or use the user's home tenant."),
    row(28000, Scope, "The scopes name more than one resource", "Give every resource an entry of its own in spec.tokens."),
    row(28002, Scope, "A scope is not valid for this request", "Correct the scopes of this token entry."),
    row(28003, Scope, "The scopes are empty", "Name at least one scope in this token entry."),
    row(50000, Transient, "Entra ID could not issue the token", TICKET),
    row(50001, Scope, "The resource of the scopes is unknown or disabled", "Check the resource in front of the scope.").by(Word),
    row(50002, Policy, "The tenant is blocked by a proxy's tenant restrictions", "Allow the tenant in the tenant restrictions of your network."),
    row(50005, Policy, "Conditional Access does not allow this device platform", DEVICE),
    row(50006, Application, "The signature of the federation service's assertion is not valid", "Check the federation signing certificate."),
    row(50008, Application, "The federation service's assertion is missing or not valid", "Check the federation settings of the domain."),
    row(50011, Application, "The reply URL does not match", "Check spec.clientId.").by(Spec),
    row(50012, Application, "The client certificate or assertion was not accepted", CREDENTIAL).by(ClientCredential),
    row(50013, Application, "The federation service's assertion was not accepted", "Check the federation signing certificate and the clocks."),
    row(50014, UserAction, "The guest has not accepted the invitation to this tenant", "Accept the invitation interactively, or use an account that is a member of this tenant."),
    row(50015, UserAction, "The user must give consent as the law on minors asks for", SIGN_IN),
    row(50017, Application, "The certificate chain of the federation service could not be validated", "Check the federation signing certificate and its issuers."),
    row(50020, UserUnknown, "The account belongs to another identity provider and has no access here", MEMBER),
    row(50027, Application, "The client assertion is malformed", CREDENTIAL).by(ClientCredential),
    row(50033, Transient, "Entra ID has a transient fault", WAIT),
    row(50034, UserUnknown, "The user does not exist in this tenant", "Check user name and tenant."),
    row(50048, Application, "Issuer and subject of the client assertion differ", CREDENTIAL).by(ClientCredential),
    row(50049, Application, "The sign-in host does not know this authority", "Check spec.cloud or spec.authority.").by(Spec),
    row(50052, Doubtful, "The password is longer than 256 characters", "Change the password to a shorter one; the login Secret needs it too."),
    row(50053, Locked, "The account is locked after failed sign-ins, or the sign-in came from an address with a bad reputation", "Unlock the account or wait; if it was not locked, check the reputation of the cluster's egress IP address."),
    row(50055, UserAction, "The password has expired", EXPIRED),
    row(50056, Doubtful, "The directory holds no password for this account", "Set a cloud password or enable password hash synchronisation."),
    row(50057, Locked, "The account is disabled", "Enable the account."),
    row(50058, Dead, "There is no session for a silent sign-in", ""),
    row(50059, Application, "The tenant cannot be told from the request", TENANT).by(Spec),
    row(50064, Doubtful, "The password could not be validated", "Check the password."),
    row(50072, UserAction, "The account must enrol for multi-factor authentication", NO_MFA),
    row(50074, UserAction, "Multi-factor authentication is required", NO_MFA),
    row(50076, UserAction, "Multi-factor authentication is required, by a policy or because the location changed", ARM_MFA),
    row(50078, UserAction, "The multi-factor authentication of this session has expired", NO_MFA),
    row(50079, UserAction, "The account must register for multi-factor authentication", ARM_MFA),
    row(50085, Dead, "The refresh token needs a sign-in at a social identity provider", "Use a work or school account."),
    row(50087, Transient, "Entra ID has a transient fault during strong authentication", WAIT),
    row(50088, UserAction, "The limit of telephone calls for multi-factor authentication is reached", NO_MFA),
    row(50089, Dead, "The grant has expired or was revoked", ""),
    row(50097, Policy, "Device authentication is required", DEVICE),
    row(50105, Policy, "The user is not assigned to the application", "Assign the user or a group of the user to the enterprise application."),
    row(50107, Application, "The federation realm of the domain does not exist", "Check the federation settings of the domain."),
    row(50125, UserAction, "A password reset or registration interrupts the sign-in", "Complete the registration once in a browser."),
    row(50126, WrongPassword, "User name or password is wrong", "Check both: the realm service says that Entra ID itself checks this account's password."),
    row(50127, Policy, "The policy asks for a broker application", "Exclude this account from the app protection policy."),
    row(50128, UserUnknown, "The domain of the user name belongs to no tenant", "Check the domain of the user name, and spec.tenant."),
    row(50129, Policy, "The device is not joined to the workplace", DEVICE),
    row(50131, Policy, "Conditional Access blocks this sign-in: device state or suspicious activity", "Look at the sign-in log of the tenant."),
    row(50132, Dead, "The session is not valid: the password has expired or was changed", NEW_PASSWORD),
    row(50133, Dead, "The session was revoked: the password has expired or was changed", NEW_PASSWORD),
    row(50135, UserAction, "The password must be changed because the account is at risk", "Remedy the risk and change the password; a login Secret that holds the old one needs the new one."),
    row(50139, Dead, "The session lacks an external refresh token", "Use a work or school account."),
    row(50142, UserAction, "The password must be changed because of a policy on risk", EXPIRED),
    row(50144, UserAction, "The password in the on-premises directory has expired", "Change the password there; a login Secret that holds the old one needs the new one."),
    row(50155, Policy, "Device authentication failed", DEVICE),
    row(50158, UserAction, "An external security challenge is not satisfied", "Exclude this account from the external control."),
    row(50161, Policy, "The external security challenge is set up wrongly", "Correct the external claims provider."),
    row(50166, Transient, "The external claims provider is throttled", WAIT),
    row(50173, Dead, "The refresh token was revoked, for instance by a password change", NEW_PASSWORD),
    row(50177, UserAction, "The account must pass an external challenge that this grant cannot answer", "Exclude this account from the external control."),
    row(50178, UserAction, "Session control asks for an interactive sign-in", "Exclude this account from the session control."),
    row(50192, Application, "The request carried no credential", REPORT),
    row(50194, Application, "The application serves a single tenant and was asked for at organizations", TENANT).by(Spec),
    row(50196, Throttled, "Entra ID detected a client loop: the same request came too often", "The operator slows down by itself; look for a second one that uses the same application and account."),
    row(50197, UserUnknown, "The user cannot be told apart from another", "Check the user object in the directory."),
    row(50199, UserAction, "Entra ID asks the user to confirm the sign-in", SIGN_IN),
    row(50203, UserAction, "A registration of authentication methods interrupts the sign-in", REGISTER),
    row(51000, Application, "A feature that the sign-in needs is disabled", "Look at the tenant's sign-in log."),
    row(51004, UserUnknown, "The user is not in the directory", "Check user name and tenant."),
    row(53000, Policy, "Conditional Access requires a compliant device", DEVICE),
    row(53001, Policy, "Conditional Access requires a domain-joined device", DEVICE),
    row(53002, Policy, "Conditional Access requires an approved application", DEVICE),
    row(53003, Policy, "Conditional Access blocks this sign-in", "Find the policy in the tenant's sign-in log, then exclude this account from it or allow the cluster's egress address."),
    row(53004, UserAction, "Registration for multi-factor authentication is required and blocked because of risk", "Register from a trusted place."),
    row(53009, Policy, "Conditional Access requires an app protection policy", DEVICE),
    row(53010, UserAction, "Multi-factor authentication cannot be set up from here", "Register from an allowed location."),
    row(53011, Policy, "The account is blocked because of risk in its home tenant", "Dismiss the risk in the home tenant."),
    row(54005, Application, "The authorization code was redeemed before", REPORT),
    row(65001, Consent, "Nobody has consented to the scopes for this application", "Grant admin consent for the scopes."),
    row(65002, Application, "The application lacks preauthorisation by Microsoft", "Use an app registration of your own.").by(Spec),
    row(65004, Consent, "Consent to the scopes was declined", "Grant admin consent for the scopes."),
    row(65005, Scope, "The application asks for permissions that cannot be found", PERMISSION).by(Word),
    row(70000, Unreadable, "The grant could not be read", "Check spec.clientId."),
    row(70001, Application, "The application is disabled or does not exist", "Check spec.clientId, and enable the application."),
    row(70002, Application, "The client credential is not valid", CREDENTIAL).by(ClientCredential),
    row(70003, Application, "The grant type is not supported", REPORT),
    row(70005, Application, "The response type is not supported", REPORT),
    row(70008, Dead, "The refresh token has expired or was revoked", ""),
    row(70011, Scope, "A scope is not valid", "Correct the scopes: one resource, and .default not together with others."),
    row(70012, Transient, "The service of personal accounts has failed", "Use a work or school account: personal accounts cannot use this grant."),
    row(70016, Application, "The sign-in is pending", REPORT),
    row(70018, Application, "The verification code is not valid", REPORT),
    row(70019, Application, "The verification code has expired", REPORT),
    row(70043, Dead, "The refresh token has exceeded the sign-in frequency of Conditional Access", "Exclude this account from the sign-in frequency policy."),
    row(70044, Dead, "The session has exceeded the sign-in frequency of Conditional Access", "Exclude this account from the sign-in frequency policy."),
    row(70046, Policy, "The session failed a check of Conditional Access for fresh sign-ins", "Exclude this account from the policy that asks for fresh sign-ins."),
    range(75000, 75999, Application, "A SAML sign-in is not set up as the application asks for it", REPORT),
    row(80001, Transient, "The pass-through agent cannot reach the on-premises directory", PTA),
    row(80002, Transient, "The pass-through agent's validation timed out", PTA),
    row(80005, Transient, "The pass-through agent's answer could not be processed", PTA),
    row(80007, Doubtful, "The pass-through agent could not validate the password", "See the agent's log: it may be the password, the agent or the directory behind it."),
    row(80010, Transient, "The pass-through agent could not decrypt the password", "Register the pass-through agent anew."),
    row(80012, Policy, "The account's logon hours forbid this sign-in", "Change the logon hours in the on-premises directory."),
    row(80013, Transient, "The clock of the pass-through agent's host is wrong", "Correct that clock."),
    row(80014, Transient, "The pass-through agent exceeded its time", PTA),
    range(81000, 81999, Application, "Seamless single sign-on has failed", REPORT),
    row(90002, TenantUnknown, "The tenant does not exist in this cloud", "Check spec.tenant and spec.cloud.").by(Spec),
    row(90004, Application, "The request is malformed", REPORT),
    row(90006, Transient, "A server behind Entra ID is not available", WAIT),
    row(90008, Consent, "Nobody has consented to the application; it needs at least User.Read or openid", "Add the delegated permission to the app registration and grant admin consent."),
    row(90009, Scope, "The application asks for a token for itself", "Name the scope by GUID: <client id>/.default."),
    row(90010, Application, "This grant is not supported by the endpoint", TENANT).by(Spec),
    row(90012, Transient, "The request timed out inside Entra ID", WAIT),
    row(90013, Application, "A value of the request is not valid", "Check the user name: it must look like user@domain."),
    row(90014, Application, "The request lacks a field", REPORT),
    row(90015, Scope, "The request is too long", "Name fewer scopes in this token entry."),
    row(90019, Application, "The request names no tenant", TENANT).by(Spec),
    row(90020, Application, "The federation service's assertion lacks the ImmutableID of the user", "Correct the issuance rules of the federation service: the claim ImmutableID must be the user's source anchor."),
    row(90023, Application, "The request is not valid", "Check whether the app registration is public or confidential, and whether spec.clientCredential agrees."),
    row(90024, Transient, "Entra ID is at its limits", WAIT),
    row(90033, Transient, "The directory service is not available", WAIT),
    row(90036, Transient, "The directory service has failed", TICKET),
    row(90038, Application, "The tenant belongs to another national cloud", CLOUD).by(Spec),
    row(90051, Application, "The national cloud is not valid", CLOUD).by(Spec),
    row(90055, Throttled, "The tenant sends too many requests", "Reduce the tenant's request rate; the operator slows down by itself."),
    row(90056, Application, "The endpoint does not accept the request", "Look for a proxy that turns POST into GET."),
    row(90072, UserUnknown, "The external account does not exist in this tenant", MEMBER),
    row(90090, Transient, "Microsoft Graph is not available", WAIT),
    row(90093, Consent, "The user may not consent to these scopes", "Grant admin consent for the scopes."),
    row(90094, Consent, "An administrator must consent to the scopes", "Grant admin consent for the scopes."),
    row(90095, Consent, "The request for admin consent is pending", "Approve the consent request in the tenant, or grant admin consent directly."),
    row(90099, Consent, "The application is not authorised in this tenant", "Grant admin consent in this tenant."),
    row(90100, Application, "A parameter is empty or not valid", "Check spec.clientId, the scopes and the login Secret."),
    row(90123, Policy, "The token cannot be issued: the identity provider or a claims rule denied it", "Look at the tenant's sign-in log."),
    row(100_007, Application, "Regional endpoints are not allowed", "Use the cloud's own host."),
    range(120_000, 120_999, Application, "A change or reset of the password has failed", EXPIRED),
    range(130_004, 130_008, Policy, "A Windows Hello key or its device is not found, or it is disabled", DEVICE),
    row(135_010, Policy, "The device's key is not found", DEVICE),
    row(230_109, Transient, "The backup authentication service does not take this request", WAIT),
    row(240_001, Policy, "The user may not register devices", DEVICE),
    row(500_011, Scope, "The resource of the scopes has no service principal in this tenant", "Check the resource in front of the scope; if it is right, install the API's application in this tenant.").by(Word),
    row(500_014, Scope, "The service principal of the resource is disabled", "Enable the API's service principal, or its subscription.").by(Word),
    row(500_021, Policy, "Tenant restrictions of the network refuse this tenant", "Correct the allowed tenants in the header that the egress proxy sets."),
    row(500_022, Policy, "Tenant restrictions of the network refuse this context", "Correct the header that the egress proxy sets."),
    row(500_133, Application, "The federation service's assertion is outside of its time", "Correct the clocks of the federation server and of the nodes (NTP)."),
    row(500_207, UserUnknown, "This type of account cannot be used with this resource", "Use a work or school account of this tenant."),
    row(500_208, UserUnknown, "The domain is not valid for this type of account", "Use a work or school account."),
    row(500_212, Policy, "The home tenant's cross-tenant access settings forbid this", "Correct the outbound cross-tenant access settings."),
    row(500_213, Policy, "The resource tenant's cross-tenant access settings forbid this", "Correct the inbound cross-tenant access settings."),
    row(500_341, UserUnknown, "The account was deleted from the directory", "Restore the account, or use another one."),
    row(500_571, Locked, "The guest account is disabled", "Enable the guest account, or use a member account."),
    row(501_481, Application, "The code verifier does not fit the authorization code", REPORT),
    row(530_003, Policy, "The device must be managed", DEVICE),
    row(530_031, Policy, "An access policy does not allow the token", "Check Conditional Access and the access policies of the resource."),
    row(530_032, Policy, "The tenant's security policy blocks this sign-in", "Check the security policy of the tenant."),
    row(530_034, Policy, "A delegated administrator is blocked because of risk in the home tenant", "Use a normal member account."),
    row(530_035, Policy, "Security defaults block this sign-in", "Security defaults and this grant exclude each other: turn them off and use Conditional Access instead."),
    row(530_036, Policy, "The refresh token failed a check of Conditional Access on authentication flows", "Exclude this account from the policy on authentication flows."),
    row(530_084, Policy, "Conditional Access requires token protection: a token bound to a device", "Exclude this account or application from the token protection policy; tokens of this grant are bound to no device."),
    row(650_052, Scope, "The tenant has no subscription to the service of the scopes", "Subscribe to the service, or enable it.").by(Word),
    row(650_054, Scope, "The resource of the scopes was removed", "Remove or replace the scopes of this token entry."),
    row(650_056, Consent, "The application lacks the permission, or an administrator's consent to it", "Add the permission to the app registration and grant admin consent."),
    row(650_057, Scope, "The resource is not among the application's API permissions", "Add the API permission to the app registration.").by(Word),
    row(650_059, Application, "The application is registered for another tenant only", "Check spec.tenant, or make the app registration multi-tenant.").by(Spec),
    row(700_003, Policy, "The device of the token is not found in the tenant", DEVICE),
    row(700_005, Application, "The refresh token belongs to another tenant", "Restore spec.tenant.").by(Spec),
    row(700_007, Application, "The refresh token belongs to another application", "Restore spec.clientId.").by(Spec),
    row(700_011, Application, "The application does not exist", "Check spec.clientId.").by(Spec),
    row(700_016, Application, "The application does not exist in this tenant", "Check spec.clientId, and consent to the application in this tenant."),
    row(700_020, UserAction, "The grant needs an interactive sign-in", "This grant cannot answer prompts: lift the requirement for this account."),
    row(700_022, Scope, "The scopes name more than one resource", "Give every resource an entry of its own in spec.tokens."),
    row(700_023, Scope, "A scope names no resource", "Put the resource in front of the scope."),
    row(700_024, Application, "The client assertion is outside of its time", "Correct the clocks of the nodes (NTP)."),
    row(700_025, Application, "The application is public and must not present a credential", "Remove spec.clientCredential, or make the app registration confidential."),
    row(700_027, Application, "The signature of the client assertion was not accepted", "Upload the certificate to the app registration."),
    row(700_030, Application, "The certificate's subject is not authorised for this application", "Correct the trusted subject and issuer of the application."),
    row(700_054, Application, "The application may not receive id_tokens", "Check the app registration."),
    row(700_082, Dead, "The refresh token has expired because it was not used for 90 days", ""),
    row(700_084, Dead, "The refresh token of a single-page application has expired after 24 hours", "Remove the single-page redirect from the app registration."),
    row(700_211, Application, "No federated credential matches the issuer of the client assertion", "Give the federated credential of the app registration this cluster's issuer of ServiceAccount tokens."),
    row(700_212, Application, "No federated credential matches the audience of the client assertion", "Give the federated credential of the app registration the audience of its cloud: api://AzureADTokenExchange in the public one."),
    row(700_213, Application, "No federated credential matches the subject of the client assertion", "Give the federated credential of the app registration the subject system:serviceaccount:<namespace>:<ServiceAccount>."),
    row(700_229, Application, "This kind of token cannot serve as federated credential", CREDENTIAL),
    row(900_023, TenantUnknown, "The tenant is not written as a GUID or domain", "Check spec.tenant.").by(Spec),
    row(900_144, Application, "The request lacks a parameter", "Check that no value of the login Secret is empty."),
    row(900_382, Application, "Confidential clients are not supported across clouds", CLOUD).by(Spec),
    row(900_432, Application, "Confidential clients are not supported across clouds", CLOUD).by(Spec),
    row(900_439, Application, "The tenant is a government tenant and was asked for at the public cloud", "Set spec.cloud to USGovernment.").by(Spec),
    row(900_561, Application, "The endpoint accepts only POST", "Look for a proxy that redirects or turns POST into GET."),
    row(901_002, Application, "The request carries a parameter of the old endpoint", REPORT),
    row(1_000_000, UserAction, "The user must also sign in at an external identity provider", SIGN_IN),
    row(1_000_002, UserAction, "The binding to an external identity provider must be confirmed", SIGN_IN),
    row(1_000_031, Application, "The application cannot be used now", "Ask the owner of the application or an administrator."),
    row(1_002_012, Scope, "The scope must end in .default", "Correct the scopes of this token entry."),
    row(5_000_819, Application, "The federation service's assertion is not valid: a claim is missing or malformed", "Check the issuance rules of the federation service."),
    row(7_000_012, Application, "The grant was obtained for another tenant", "Restore spec.tenant.").by(Spec),
    row(7_000_110, Application, "The application may not be used in this tenant", "Check the enterprise application."),
    row(7_000_112, Application, "The application is disabled", "Enable the enterprise application."),
    row(7_000_114, Application, "The application may not act on behalf of users", "Check the app registration."),
    row(7_000_215, Application, "The client secret is wrong", "Put the secret's value into the client secret's Secret, not its ID.").by(ClientCredential),
    row(7_000_216, Application, "The application must present a client secret or assertion", "Set spec.clientCredential.").by(Spec),
    row(7_000_218, Application, "Entra ID takes the application for a confidential one, because public client flows are off", "Turn on \"Allow public client flows\" on the Authentication page of the app registration, or set spec.clientCredential."),
    row(7_000_222, Application, "The client secret has expired", "Create a new client secret and put it into the client secret's Secret.").by(ClientCredential),
    row(9_001_023, Application, "This grant is not supported at common or consumers", "Write the tenant's GUID, its domain or organizations in spec.tenant.").by(Spec),
    row(9_002_313, Unreadable, "The request, or the refresh token in it, could not be read", "Look for a proxy that changes requests."),
    row(9_002_332, Application, "The application is for Entra ID users only", TENANT).by(Spec),
    row(9_002_341, UserAction, "The user must permit single sign-on", SIGN_IN),
];

/// The row of `code`.
pub fn find(code: u32) -> Option<&'static Row> {
    let at = ROWS.partition_point(|row| row.last < code);
    ROWS.get(at).filter(|row| row.first <= code)
}

/// What a code without a row is like.
///
/// Codes of Conditional Access are 53000 to 53999, and longer ones refine shorter ones by more digits: 500341 is a 50034.
/// That nobody wrote the longer one down is a reason for doubt, so it neither condemns nor kills.
pub fn kin(code: u32) -> Option<Class> {
    let shorter = [code, code / 10, code / 100];
    let base = shorter.into_iter().find(|code| BASE.contains(code))?;
    if CONDITIONAL_ACCESS.contains(&base) {
        return Some(Policy);
    }
    find(base).map(|row| row.class.in_doubt())
}

/// Codes without refinement have five digits.
const BASE: RangeInclusive<u32> = 10_000..=99_999;

/// Microsoft's page of error codes: every documented one of these is a policy or asks for a user's action.
const CONDITIONAL_ACCESS: RangeInclusive<u32> = 53_000..=53_999;

/// Microsoft's own page about `code`, known to us or not: it is the `error_uri` of the answers.
pub fn page(code: u32) -> String {
    format!("https://login.microsoftonline.com/error?code={code}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_are_found() {
        assert!(ROWS.iter().all(|row| row.first <= row.last));
        assert!(ROWS.is_sorted_by(|a, b| a.last < b.first));
        for row in ROWS {
            assert_eq!((find(row.first), find(row.last)), (Some(row), Some(row)));
        }
        assert_eq!(
            (find(0), find(130_003), find(130_009), find(u32::MAX)),
            (None, None, None, None)
        );
    }

    #[test]
    fn sentences_are_sentences() {
        for Row {
            first: code,
            message,
            remedy,
            ..
        } in ROWS
        {
            assert!(
                message.starts_with(char::is_uppercase) && !message.ends_with('.'),
                "{code}"
            );
            assert!(
                remedy.is_empty() || remedy.starts_with(char::is_uppercase) && remedy.ends_with('.'),
                "{code}"
            );
        }
    }
}
