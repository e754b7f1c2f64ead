//! A sign-in: who checks the password, and the way that follows from it.
//!
//! # Guarantees
//!
//! - The password leaves at most once, either to the authority or to the account's federation server, and `still_valid`
//!   is asked at that moment.
//! - The realm, the server's metadata, its assertion and the token: all of them end within one deadline.

use std::sync::Arc;

use super::authority::Authority;
use super::client::always;
use super::deadline::SignInDeadline;
use super::discovery::TokenEndpoint;
use super::failure::{Attempt, Class};
use super::grant::{Form, authorize};
use super::headers::{Anchor, headers};
use super::limits::{Caller, Permit, Slot};
use super::realm::{self, AccountRealm, Server};
use super::send::{Departing, Sent, Stop};
use super::wire::{Outgoing, Reply};
use super::{Client, Grant};
use crate::api::{Cloud, Realm, Reason};
use crate::plan::answer::{CheckedBy, Deed, Effect, Refusal};
use crate::plan::schedule::Life;
use crate::reconcile::material::LoginContent;
use crate::reconcile::ports::{Request, Tokens};

/// A sign-in on its way.
pub(super) struct SignIn<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) content: &'a LoginContent,
    pub(super) still_valid: &'a (dyn Fn() -> bool + Send + Sync),
    pub(super) authority: Authority,
    token_endpoint: TokenEndpoint,
    /// One for all requests.
    pub(super) correlation_id: String,
    pub(super) deadline: SignInDeadline,
}

/// Who checks a password.
enum Checker {
    /// The authority itself.
    Authority(Known),
    /// The organisation's own server.
    Server(Server),
}

/// How it is known that the authority checks a password itself.
#[derive(Clone, Copy)]
enum Known {
    /// Its realm service says so.
    Said,
    /// It has no realm service.
    Assumed,
    /// The spec says so.
    Unasked,
}

impl Checker {
    const fn as_the_realm_service_said(&self) -> Option<CheckedBy> {
        match self {
            Self::Authority(Known::Said) => Some(CheckedBy::Authority),
            Self::Authority(Known::Assumed | Known::Unasked) => None,
            Self::Server(_) => Some(CheckedBy::FederationServer),
        }
    }
}

impl SignIn<'_> {
    /// A request of this sign-in to the authority.
    pub(super) fn attempt(&self, grant: Grant) -> Attempt<'_> {
        Attempt::new(grant, &self.authority, self.request.binding, &self.correlation_id)
    }
}

impl Client {
    /// Signs in, from the question who checks the password to the tokens.
    pub(super) async fn sign_in(
        &self,
        permit: Permit,
        request: &Request<'_>,
        realm: Realm,
        content: &LoginContent,
        still_valid: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<Tokens, Stop> {
        let authority = self.authority_of(request)?;
        let deadline = SignInDeadline::new(self.clock.monotonic(), request.life.map(Life::seconds));
        let within = deadline.for_document(self.clock.monotonic());
        let token_endpoint = self.token_endpoint(&permit, request, &authority, within).await?;
        let sign_in = SignIn {
            request,
            content,
            still_valid,
            authority,
            token_endpoint,
            correlation_id: self.correlation_id(),
            deadline,
        };
        let checker = Box::pin(self.checker(&permit, &sign_in, realm)).await?;
        let slot = permit.slot();
        let mut tokens = match &checker {
            Checker::Authority(known) => {
                may_be_right(&sign_in)?;
                let sent = Box::pin(self.by_password(permit, &sign_in)).await?;
                let certain = Box::pin(self.certain(&sign_in, &slot, *known, sent)).await;
                self.count(certain)?
            }
            Checker::Server(server) => {
                drop(permit);
                Box::pin(self.by_federation(&sign_in, &slot, server)).await?
            }
        };
        tokens.granted.checked_by = checker.as_the_realm_service_said();
        Ok(tokens)
    }

    /// Who checks the password of the account.
    async fn checker(&self, permit: &Permit, sign_in: &SignIn<'_>, realm: Realm) -> Result<Checker, Stop> {
        if realm == Realm::Managed {
            return Ok(Checker::Authority(Known::Unasked));
        }
        let found = self.realm(permit.for_one_more()?, sign_in).await?;
        let attempt = sign_in.attempt(Grant::Discovery);
        match found {
            AccountRealm::Federated(server) if server.saml => Err(no_ws_trust(&attempt).into()),
            AccountRealm::Federated(server) => Ok(Checker::Server(server)),
            AccountRealm::Managed | AccountRealm::Absent if realm == Realm::Federated => {
                Err(not_federated(&attempt).into())
            }
            AccountRealm::Managed => Ok(Checker::Authority(Known::Said)),
            AccountRealm::Absent => Ok(Checker::Authority(Known::Assumed)),
            AccountRealm::Unknown => Err(nobody(&attempt).into()),
            AccountRealm::Elsewhere(cloud) => Err(elsewhere(&attempt, cloud).into()),
            AccountRealm::Personal => Err(personal(&attempt).into()),
        }
    }

    /// A password is condemned only where the realm service says that Entra ID itself checks it. Where the spec says so,
    /// the service is asked now, once, with a password that is refused anyhow.
    async fn certain(
        &self,
        sign_in: &SignIn<'_>,
        slot: &Arc<Slot>,
        known: Known,
        sent: Sent<Tokens>,
    ) -> Sent<Tokens> {
        if !matches!(&sent.outcome, Err(refusal) if refusal.effect == Effect::Condemned) {
            return sent;
        }
        let said = match known {
            Known::Said => true,
            Known::Assumed => false,
            Known::Unasked => matches!(
                self.realm_of_refused(sign_in, slot).await,
                Ok(AccountRealm::Managed)
            ),
        };
        let attempt = sign_in.attempt(Grant::Password);
        sent.judged(|refusal| {
            if said {
                refusal
            } else {
                Box::new(attempt.doubted(*refusal))
            }
        })
    }

    async fn realm_of_refused(&self, sign_in: &SignIn<'_>, slot: &Arc<Slot>) -> Result<AccountRealm, Stop> {
        let permit = slot.permit(Caller::of(sign_in.request))?;
        self.realm(permit, sign_in).await
    }

    /// Asks the realm service.
    async fn realm(&self, permit: Permit, sign_in: &SignIn<'_>) -> Result<AccountRealm, Stop> {
        let Some(url) = sign_in.authority.user_realm(sign_in.content.username.expose()) else {
            return Ok(AccountRealm::Absent);
        };
        let departing = Departing {
            http: self.connections.to(&sign_in.authority)?,
            outgoing: Outgoing {
                url,
                headers: headers(&sign_in.correlation_id, Anchor::Nobody),
                payload: None,
                deadline: sign_in.deadline.for_document(self.clock.monotonic()),
            },
            permit,
            may_leave: &always,
        };
        let attempt = sign_in.attempt(Grant::Discovery);
        Ok(self
            .send(&attempt, departing, |reply| read_realm(&attempt, reply))
            .await?)
    }

    /// Sends user name and password to the authority.
    async fn by_password(&self, permit: Permit, sign_in: &SignIn<'_>) -> Result<Sent<Tokens>, Stop> {
        let (request, content) = (sign_in.request, sign_in.content);
        let traits = sign_in.authority.traits();
        let form = Form::password(request, traits, &content.username, &content.password);
        let anchor = Anchor::User(content.username.expose()).of(traits);
        let departing = self.token_request(sign_in, form, anchor, permit, sign_in.still_valid)?;
        Ok(self
            .ask_for_tokens(&sign_in.attempt(Grant::Password), departing, request)
            .await)
    }

    /// A request to the authority's token endpoint. What proves the client is made last: the answers before it have told
    /// the authority's time.
    pub(super) fn token_request<'a>(
        &'a self,
        sign_in: &'a SignIn<'_>,
        form: Form,
        anchor: Anchor<'_>,
        permit: Permit,
        may_leave: &'a (dyn Fn() -> bool + Send + Sync),
    ) -> Result<Departing<'a>, Stop> {
        let (request, endpoint) = (sign_in.request, &sign_in.token_endpoint);
        let proof = self.proof(request, &sign_in.authority, endpoint)?;
        let mut headers = headers(&sign_in.correlation_id, anchor);
        authorize(&mut headers, &request.binding.client_id, proof.as_ref());
        Ok(Departing {
            http: self.connections.to(&sign_in.authority)?,
            outgoing: Outgoing {
                url: endpoint.url.clone(),
                headers,
                payload: Some(form.proven(proof.as_ref()).into_payload()),
                deadline: sign_in.deadline.for_grant(self.clock.monotonic()),
            },
            permit,
            may_leave,
        })
    }

    /// A permit, before anything secret is sent.
    pub(super) fn admit(&self, caller: Caller) -> Result<Permit, Stop> {
        self.admitted(caller).map_err(Stop::Later)
    }
}

/// 404 of a declared host: there is no realm service, and the authority checks passwords itself. That of a cloud never
/// says so: a gateway did. Whatever else is not an answer passes, too.
fn read_realm(attempt: &Attempt<'_>, reply: &Reply) -> Result<AccountRealm, Box<Refusal>> {
    match reply.status {
        200 => {
            let body = reply.body.as_deref().map(Vec::as_slice).unwrap_or_default();
            realm::read(attempt.authority, body).ok_or_else(|| Box::new(attempt.unusable(reply)))
        }
        404 if attempt.authority.name().is_some() => Ok(AccountRealm::Absent),
        404 => Err(Box::new(attempt.status(Class::Transient, reply))),
        status => Err(Box::new(attempt.status(Class::of_status(status), reply))),
    }
}

fn not_federated(attempt: &Attempt<'_>) -> Refusal {
    let refusal = attempt.told(
        Effect::Person,
        Reason::AppMisconfigured,
        "spec.login.realm asks for a federation server, but Entra ID names none for this account; the password was not sent.".to_owned(),
        "Remove spec.login.realm, or set it to Managed.",
    );
    Refusal {
        deed: Deed::Spec,
        ..refusal
    }
}

/// The server of a SAML federation signs in browsers alone: there is nothing to switch on.
fn no_ws_trust(attempt: &Attempt<'_>) -> Refusal {
    attempt.told(
        Effect::Person,
        Reason::AppMisconfigured,
        "The account's domain is federated by SAML, which has no endpoint for user name and password; the password was not \
         sent."
            .to_owned(),
        "Use an account of a domain that is not federated; or have the tenant allow cloud password validation (password \
         hash synchronisation and a home realm policy with AllowCloudPasswordValidation), and set spec.login.realm to \
         Managed.",
    )
}

fn nobody(attempt: &Attempt<'_>) -> Refusal {
    attempt.told(
        Effect::Person,
        Reason::UserNotFound,
        "The domain of the user name belongs to no tenant of this cloud; the password was not sent.".to_owned(),
        "Check the user name and spec.cloud. With spec.login.realm: Managed the password is sent all the same.",
    )
}

fn elsewhere(attempt: &Attempt<'_>, cloud: Cloud) -> Refusal {
    let name = cloud.name();
    let refusal = attempt.told(
        Effect::Person,
        Reason::AppMisconfigured,
        format!("The account belongs to another cloud, {name}; the password was not sent."),
        &format!("Set spec.cloud: {name}. The application and the tenant must be there, too."),
    );
    Refusal {
        deed: Deed::Spec,
        ..refusal
    }
}

/// What the authority is known to take from nobody is not sent, for it would count as a wrong password.
fn may_be_right(sign_in: &SignIn<'_>) -> Result<(), Stop> {
    let password = sign_in.content.password.expose();
    let spaced = password.starts_with(char::is_whitespace) || password.ends_with(char::is_whitespace);
    if !spaced || !sign_in.authority.traits().refuses_outer_spaces {
        return Ok(());
    }
    let refusal = sign_in.attempt(Grant::Password).told(
        Effect::Person,
        Reason::InvalidLoginSecret,
        "Key password begins or ends with a space, and Entra ID takes no such password with this grant; it was not sent."
            .to_owned(),
        "If the space came in by mistake, leave it out; if not, change the account's password.",
    );
    Err(Refusal {
        deed: Deed::NewLogin,
        ..refusal
    }
    .into())
}

fn personal(attempt: &Attempt<'_>) -> Refusal {
    let refusal = attempt.told(
        Effect::Person,
        Reason::UserNotFound,
        "This is a personal Microsoft account; the password was not sent.".to_owned(),
        "Use a work or school account: personal accounts cannot use this grant.",
    );
    Refusal {
        deed: Deed::NewLogin,
        ..refusal
    }
}
