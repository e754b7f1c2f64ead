//! What happens, act by act, and what must hold after each.

use std::time::Duration;

use entra_operator::api::Reason;
use jiff::Timestamp;

use super::Error;
use super::admin::Events;
use super::cast::{
    ACTION, CAST, GUEST, MISTYPED, NAMESPACE, PUBLIC, Role, SECRET, SIGNED, TWO_SCOPES, Trouble,
};
use super::eyes::Eyes;
use super::scene::{LIFE, Scene};
use crate::demo::screen::{Paint, Screen};
use crate::search::{self, Place};

/// Those that nothing keeps from signing in.
const AT_ONCE: [Role; 3] = [PUBLIC, SECRET, SIGNED];

/// Those that a person must help first.
const TROUBLED: [Role; 3] = [MISTYPED, ACTION, GUEST];

/// Longest for whatever is due at once, on a busy machine.
const SOON: Duration = Duration::from_mins(1);

/// A life of the tokens.
const A_LIFE: Duration = Duration::from_secs(LIFE);

/// Renewals of each token that are waited for.
const RENEWALS: usize = 2;

/// Equal answers after which a refresh token counts as dead.
const ANSWERS_TO_DIE: i32 = 3;

/// Contract, numbers: renewals that a person asks for are 20 s apart.
const BETWEEN_WORDS: Duration = Duration::from_secs(21);

/// The play so far.
struct Play<'a> {
    screen: &'a Screen,
    scene: &'a Scene,
    eyes: Eyes<'a>,
    broken: Vec<String>,
}

/// Plays all acts.
///
/// # Errors
/// [`Error::Broken`] with everything that does not hold.
pub(super) async fn play(screen: &Screen, scene: &Scene) -> Result<(), Error> {
    let client = scene.stage.plane.client().await?;
    let mut play = Play {
        screen,
        scene,
        eyes: Eyes::open(screen, &client),
        broken: Vec::new(),
    };
    play.sign_in().await?;
    play.two_scopes().await?;
    play.renew().await?;
    play.help().await?;
    play.log_out().await?;
    play.sign_in_again().await?;
    play.leaks()?;
    if play.broken.is_empty() {
        screen.plain(&format!("Everything held. {:.0} s in all.", screen.seconds()))?;
        return Ok(());
    }
    Err(Error::Broken(play.broken))
}

impl Play<'_> {
    /// Three sign in; three passwords are refused, each for another cause, and kept.
    async fn sign_in(&mut self) -> Result<(), Error> {
        self.act("a user applies seven credentials and their login Secrets")?;
        self.scene.apply_all()?;
        let signed_in = |eyes: &Eyes<'_>| AT_ONCE.iter().all(|role| eyes.is_ready(role));
        self.eyes
            .until(
                "the sign-in of a public, a secret and a signing client",
                SOON,
                signed_in,
            )
            .await?;
        let told = |eyes: &Eyes<'_>| TROUBLED.iter().all(|role| eyes.reason(role) == cause(role));
        self.eyes
            .until("the word about each of three refusals", SOON, told)
            .await?;
        for role in AT_ONCE {
            let owner = self.scene.admin.owner_of(self.token(&role)).await?;
            self.check(
                owner == role.user(),
                "access token",
                &format!("Keycloak takes it for {owner}'s"),
            )?;
        }
        for role in TROUBLED {
            let found = format!("{}: {}", role.name, reason_text(self.eyes.reason(&role)));
            self.check(self.eyes.has_login(&role), "refused password is kept", &found)?;
        }
        Ok(())
    }

    /// RFC 6749 §6: a refresh token gives no scope that the sign-in was not granted. Keycloak leaves it out, and says so
    /// in the answer.
    async fn two_scopes(&mut self) -> Result<(), Error> {
        let reduced = |eyes: &Eyes<'_>| eyes.readiness(&TWO_SCOPES) == "ScopesReduced";
        self.eyes
            .until("the word about an entry with another scope", SOON, reduced)
            .await?;
        self.check(true, "a scope of a second entry", "ScopesReduced")
    }

    /// Tokens are renewed, each by one redemption; no password is sent again.
    async fn renew(&mut self) -> Result<(), Error> {
        self.act("renewals")?;
        let renewed = |eyes: &Eyes<'_>| AT_ONCE.iter().all(|role| eyes.tokens(role).len() > RENEWALS);
        self.eyes
            .until("two renewals of every token", 3 * A_LIFE, renewed)
            .await?;
        for role in AT_ONCE {
            let events = self.events(&role).await?;
            let [tokens, sealed] = [self.eyes.tokens(&role).len(), self.eyes.sealed(&role).len()];
            let once = Events {
                logins: 1,
                renewals: events.renewals,
                ..Events::default()
            };
            let found = format!(
                "{}: {events}; {tokens} tokens, {sealed} refresh tokens stored",
                role.name
            );
            let each = events.renewals >= RENEWALS && tokens.abs_diff(events.renewals + 1) <= 1;
            self.check(
                events == once && each && sealed.abs_diff(tokens) <= 1,
                "renewals",
                &found,
            )?;
        }
        let once = |_| Events {
            refused_logins: 1,
            ..Events::default()
        };
        self.check_troubled("password sent once", once).await
    }

    /// Whether the events of each account in trouble are what they should be.
    async fn check_troubled(
        &mut self,
        what: &'static str,
        expected: impl Fn(Events) -> Events,
    ) -> Result<(), Error> {
        for role in TROUBLED {
            let events = self.events(&role).await?;
            let found = format!("{}: {events}", role.name);
            self.check(events == expected(events), what, &found)?;
        }
        Ok(())
    }

    /// What the remedy says is done, and each password goes out once more.
    async fn help(&mut self) -> Result<(), Error> {
        self.act("a person corrects the password, removes the required action, allows offline tokens")?;
        let admin = &self.scene.admin;
        self.scene
            .apply(&[MISTYPED.login_secret(&self.scene.material.password)])?;
        admin
            .clear_required_actions(&admin.user_id(&ACTION.user()).await?)
            .await?;
        admin.allow_offline(&admin.user_id(&GUEST.user()).await?).await?;
        for role in [ACTION, GUEST] {
            self.word(&role)?;
        }
        let helped = |eyes: &Eyes<'_>| TROUBLED.iter().all(|role| eyes.is_ready(role));
        self.eyes
            .until("the sign-in of those that were helped", SOON, helped)
            .await?;
        let twice = |events| Events {
            logins: 1,
            refused_logins: 1,
            ..events
        };
        self.check_troubled("password sent again", twice).await
    }

    /// Sessions end at Keycloak: it is told at once, tried until the same was answered three times, then left alone.
    async fn log_out(&mut self) -> Result<(), Error> {
        self.act("an administrator logs the account of public out")?;
        let admin = &self.scene.admin;
        admin.log_out(&admin.user_id(&PUBLIC.user()).await?).await?;
        let required = |eyes: &Eyes<'_>| eyes.reason(&PUBLIC) == Some(Reason::LoginRequired);
        self.eyes.until("LoginRequired", 2 * A_LIFE, required).await?;
        let alive = self.eyes.is(&PUBLIC, "LoggedIn");
        self.check(
            alive,
            "one odd answer",
            "LoginRequired is told, the refresh token is kept",
        )?;
        for answer in 2..=ANSWERS_TO_DIE {
            self.eyes.stay(BETWEEN_WORDS).await?;
            self.word(&PUBLIC)?;
            let heard = |eyes: &Eyes<'_>| eyes.failures(&PUBLIC) >= answer || !eyes.is(&PUBLIC, "LoggedIn");
            self.eyes.until("another answer", SOON, heard).await?;
        }
        self.eyes
            .until("the end of the session", SOON, |eyes| {
                !eyes.is(&PUBLIC, "LoggedIn")
            })
            .await?;
        let before = self.events(&PUBLIC).await?;
        self.eyes.stay(A_LIFE).await?;
        let after = self.events(&PUBLIC).await?;
        let found = format!("{before}; a token's life later {after}");
        self.check(
            before == after && before.refused_renewals == 3,
            "dead means silent",
            &found,
        )
    }

    /// A new login Secret revives it.
    async fn sign_in_again(&mut self) -> Result<(), Error> {
        self.act("a user creates the login Secret of public anew")?;
        self.scene
            .apply(&[PUBLIC.login_secret(&self.scene.material.password)])?;
        let revived = |eyes: &Eyes<'_>| eyes.is_ready(&PUBLIC) && eyes.is(&PUBLIC, "LoggedIn");
        self.eyes.until("the second sign-in", SOON, revived).await?;
        let events = self.events(&PUBLIC).await?;
        self.check(events.logins == 2, "signed in again", &events.to_string())?;
        let owner = self.scene.admin.owner_of(self.token(&PUBLIC)).await?;
        self.check(
            owner == PUBLIC.user(),
            "access token",
            &format!("Keycloak takes it for {owner}'s"),
        )
    }

    /// Nothing secret is in the operator's log.
    fn leaks(&mut self) -> Result<(), Error> {
        let material = &self.scene.material;
        let mut secrets = vec![material.password.clone(), material.client_secret.clone()];
        secrets.extend(CAST.iter().flat_map(|role| self.eyes.tokens(role)).cloned());
        let log = [Place::new("the operator's log", self.scene.operator.log())];
        let found = search::holding(&log, &secrets);
        let many = if found.is_empty() { "none" } else { "some" };
        let text = format!(
            "{many} of {} passwords, client secrets and access tokens",
            secrets.len()
        );
        self.check(found.is_empty(), "in the operator's log", &text)
    }

    /// A person's new word.
    fn word(&self, role: &Role) -> Result<(), Error> {
        let word = format!("entra-operator.dev/refresh-requested-at={}", Timestamp::now());
        let object = format!("entracredential/{}", role.name);
        self.screen
            .command(&format!("kubectl annotate {object} {word}"))?;
        let arguments = [
            "annotate",
            "--overwrite",
            "--namespace",
            NAMESPACE,
            &object,
            &word,
        ];
        self.scene.stage.kubectl(&arguments, None)?;
        Ok(())
    }

    async fn events(&self, role: &Role) -> Result<Events, Error> {
        self.scene.admin.events(&role.user()).await
    }

    /// The access token that is published.
    fn token(&self, role: &Role) -> &str {
        self.eyes.tokens(role).last().map_or("", String::as_str)
    }

    fn act(&self, text: &str) -> Result<(), Error> {
        Ok(self.screen.change("lane", text, Paint::Strong)?)
    }

    fn check(&mut self, holds: bool, what: &'static str, found: &str) -> Result<(), Error> {
        if !holds {
            self.broken.push(format!("{what}: {found}"));
        }
        Ok(self.screen.verdict(holds, what, found)?)
    }
}

/// The reason that the trouble is to be told by.
fn cause(role: &Role) -> Option<Reason> {
    role.trouble.map(|trouble| match trouble {
        Trouble::Mistyped | Trouble::RequiredAction => Reason::WrongPassword,
        Trouble::NoOffline => Reason::AppMisconfigured,
    })
}

fn reason_text(reason: Option<Reason>) -> String {
    reason.map_or_else(|| "no reason".to_owned(), |reason| format!("{reason:?}"))
}
