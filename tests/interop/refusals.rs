//! Refusals: what the service says, what each library makes of it, and what we make of it.

use entra_lab::simulator::world::{API, PUBLIC_CLIENT};
use entra_lab::simulator::{Account, Clock, Policy};
use entra_operator::api::Reason;

use crate::driver::{Driver, Failure};
use crate::library::Library;
use crate::ours::{Ours, account, refresh_token};
use crate::scene::{Registration, Scene, User};

/// When the refusal comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    SignIn,
    Renewal,
}
use Phase::{Renewal, SignIn};

/// What makes the service refuse.
type Provoke = fn(&Scene, &mut User);

/// One refusal in all tongues. The `error` of all of them is `invalid_grant`, which is why nobody can go by it alone.
struct Row {
    phase: Phase,
    provoke: Provoke,
    code: u32,
    /// As sent; MSAL Java has no name for it.
    suberror: Option<&'static str>,
    /// MSAL Python's `classification`: only of renewals, and it blanks suberrors that are none of the user's business.
    python: Option<&'static str>,
    /// Class of MSAL Node's exception.
    node: &'static str,
    /// `reason()` of MSAL Java's exception, which asks for interaction at every `invalid_grant`.
    java: &'static str,
    ours: Reason,
}

const SERVER: &str = "ServerError";
const INTERACT: &str = "InteractionRequiredAuthError";

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row(SignIn,  wrong_password, 50126,   None,                     None,                     SERVER,   "none",             Reason::WrongPassword),
    row(SignIn,  locked,         50053,   None,                     None,                     SERVER,   "none",             Reason::AccountLocked),
    row(SignIn,  second_factor,  50076,   Some("basic_action"),     None,                     INTERACT, "basic_action",     Reason::InteractionRequired),
    row(SignIn,  blocked,        53003,   Some("message_only"),     None,                     INTERACT, "message_only",     Reason::BlockedByPolicy),
    row(SignIn,  no_consent,     65001,   Some("consent_required"), None,                     INTERACT, "consent_required", Reason::ConsentMissing),
    row(SignIn,  unknown,        50034,   Some("bad_token"),        None,                     INTERACT, "none",             Reason::UserNotFound),
    row(Renewal, second_factor,  50076,   Some("basic_action"),     Some("basic_action"),     INTERACT, "basic_action",     Reason::InteractionRequired),
    row(Renewal, no_consent,     65001,   Some("consent_required"), Some("consent_required"), INTERACT, "consent_required", Reason::ConsentMissing),
    row(Renewal, disabled,       50057,   None,                     None,                     SERVER,   "none",             Reason::AccountLocked),
    row(Renewal, revoked,        50173,   Some("bad_token"),        None,                     INTERACT, "none",             Reason::LoginRequired),
    row(Renewal, too_old,        70043,   Some("token_expired"),    None,                     SERVER,   "none",             Reason::LoginRequired),
    row(Renewal, idle,           700_082, Some("bad_token"),        None,                     INTERACT, "none",             Reason::LoginRequired),
];

#[expect(clippy::too_many_arguments, reason = "the columns of the table")]
const fn row(
    phase: Phase,
    provoke: Provoke,
    code: u32,
    suberror: Option<&'static str>,
    python: Option<&'static str>,
    node: &'static str,
    java: &'static str,
    ours: Reason,
) -> Row {
    Row {
        phase,
        provoke,
        code,
        suberror,
        python,
        node,
        java,
        ours,
    }
}

fn wrong_password(_: &Scene, user: &mut User) {
    user.password.push('!');
}

fn unknown(_: &Scene, user: &mut User) {
    user.name.insert_str(0, "no-");
}

fn locked(scene: &Scene, user: &mut User) {
    scene.simulator.set_account(&user.name, Account::Locked);
}

fn disabled(scene: &Scene, user: &mut User) {
    scene.simulator.set_account(&user.name, Account::Disabled);
}

fn second_factor(scene: &Scene, user: &mut User) {
    scene.simulator.set_policy(&user.name, Policy::Mfa);
}

fn blocked(scene: &Scene, user: &mut User) {
    scene.simulator.set_policy(&user.name, Policy::Block);
}

fn no_consent(scene: &Scene, user: &mut User) {
    scene.simulator.withdraw_consent(&user.name, PUBLIC_CLIENT, API);
}

fn revoked(scene: &Scene, user: &mut User) {
    scene.simulator.revoke_sessions(&user.name);
}

fn too_old(scene: &Scene, user: &mut User) {
    scene
        .simulator
        .change_user(&user.name, |user| user.sign_in_frequency = Some(0));
}

fn idle(scene: &Scene, _: &mut User) {
    let clock: Clock = scene.simulator.clock();
    clock.advance(entra_lab::simulator::INACTIVITY);
}

impl Row {
    /// Both sides meet the same refusal; each row has a user of its own.
    async fn meet(
        &self,
        scene: &Scene,
        user: &mut User,
        ours: &Ours,
        msal: &mut Driver,
    ) -> (Reason, Failure) {
        match self.phase {
            SignIn => {
                (self.provoke)(scene, user);
                let refusal = ours.sign_in(user).await.unwrap_err();
                assert_eq!(refusal.code, Some(self.code));
                (refusal.reason, msal.sign_in(user).await.unwrap_err())
            }
            Renewal => {
                let login = ours.sign_in(user).await.unwrap();
                msal.sign_in(user).await.unwrap();
                (self.provoke)(scene, user);
                let refusal = ours
                    .redeem(refresh_token(&login), account(&login))
                    .await
                    .unwrap_err();
                assert_eq!(refusal.code, Some(self.code));
                (refusal.reason, msal.renew().await.unwrap_err())
            }
        }
    }

    /// What this library shows of the refusal.
    fn expected(&self, library: Library) -> Failure {
        let (suberror, verdict) = match library {
            Library::Python => (self.suberror, self.python),
            Library::Node => (self.suberror, Some(self.node)),
            Library::Go => (self.suberror, None),
            Library::Java => (None, Some(self.java)),
        };
        Failure {
            error: Some("invalid_grant".to_owned()),
            codes: vec![self.code],
            suberror: suberror.map(str::to_owned),
            verdict: verdict.map(str::to_owned),
        }
    }
}

async fn every_refusal_is_read_alike(library: Library) {
    let scene = Scene::start().await;
    let ours = scene.ours(&Registration::public());
    let mut msal = scene.msal(library, Registration::public());
    for (index, row) in ROWS.iter().enumerate() {
        let mut user = User::nth(index);
        let (reason, failure) = row.meet(&scene, &mut user, &ours, msal.afresh()).await;
        assert_eq!(reason, row.ours, "{} {:?}", row.code, row.phase);
        assert_eq!(failure, row.expected(library), "{} {:?}", row.code, row.phase);
    }
}

#[tokio::test]
async fn python_and_we_read_every_refusal_alike() {
    every_refusal_is_read_alike(Library::Python).await;
}

#[tokio::test]
async fn node_and_we_read_every_refusal_alike() {
    every_refusal_is_read_alike(Library::Node).await;
}

#[tokio::test]
async fn go_and_we_read_every_refusal_alike() {
    every_refusal_is_read_alike(Library::Go).await;
}

#[tokio::test]
async fn java_and_we_read_every_refusal_alike() {
    every_refusal_is_read_alike(Library::Java).await;
}

/// A credential that does not fit is the application's fault, whoever reads the answer.
async fn is_the_applications_fault(library: Library, registration: Registration, code: u32) {
    let scene = Scene::start().await;
    let refusal = scene
        .ours(&registration)
        .sign_in(&User::nth(0))
        .await
        .unwrap_err();
    assert_eq!(
        (refusal.code, refusal.reason),
        (Some(code), Reason::AppMisconfigured)
    );
    let failure = scene
        .msal(library, registration)
        .sign_in(&User::nth(0))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.error.as_deref(), failure.codes),
        (Some("invalid_client"), vec![code])
    );
}

fn wrong_secret() -> Registration {
    Registration {
        secret: Some("no-longer-valid".to_owned()),
        ..Registration::with_secret()
    }
}

/// Good in itself, but registered for another application.
fn wrong_certificate() -> Registration {
    Registration {
        client_id: Registration::with_secret().client_id,
        ..Registration::with_certificate()
    }
}

#[tokio::test]
async fn a_wrong_secret_is_the_applications_fault_for_python_and_for_us() {
    is_the_applications_fault(Library::Python, wrong_secret(), 7_000_215).await;
}

#[tokio::test]
async fn a_wrong_secret_is_the_applications_fault_for_node_and_for_us() {
    is_the_applications_fault(Library::Node, wrong_secret(), 7_000_215).await;
}

#[tokio::test]
async fn a_wrong_certificate_is_the_applications_fault_for_python_and_for_us() {
    is_the_applications_fault(Library::Python, wrong_certificate(), 700_027).await;
}

#[tokio::test]
async fn a_wrong_certificate_is_the_applications_fault_for_node_and_for_us() {
    is_the_applications_fault(Library::Node, wrong_certificate(), 700_027).await;
}
