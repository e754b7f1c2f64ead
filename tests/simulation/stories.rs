//! Stories: what happens too rarely by itself, minute by minute, each with all lives of tokens.

use entra_operator::api::{ClientCredential, ClientSecretRef, Reason};
use entra_operator::reconcile::ports::Key;

use super::history::{History, Plan};
use super::idp::{Issuer, Weather};
use super::rules_passes::whole;
use super::spells::{Spell, Target, Trouble};
use super::users::People;
use super::wide::app;
use super::world::World;

/// What happens, to every credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The application needs a client credential from now on, which is good or not.
    Confidential(bool),
    /// The content of the client credential is good from now on, or not.
    Client(bool),
    /// The first process is killed; it starts again within two minutes.
    Crash,
    /// The clock of the first process' node is so many seconds ahead of the true time from now on.
    Clock(i64),
    /// The first process starts anew on a node whose clock is so far ahead.
    Move(i64),
    /// The API server answers nobody for so many minutes.
    Away(i64),
    /// The machines sleep for so many minutes.
    Sleep(i64),
    /// The provider asks everybody to wait for so many minutes.
    Pause(i64),
    Weather(Weather),
    Calm,
    Snapshot,
    SetBack,
    Issuer(Issuer),
    Revoke,
    NewPasswords,
    /// A login of the credential's own account, with the right password or with a wrong one.
    Login(bool),
    /// A login of another account, with the right password.
    OtherLogin,
    /// The same, and the login allows it.
    OtherLoginAllowed,
    Guesses,
    /// The spec names another application.
    Application,
    /// Somebody edits the data of the first token Secret.
    Edit,
    /// The next login is replaced by a Secret of another type as it is claimed.
    ReplaceAsClaimed,
    /// Etcd is set back, and no watch ends by it.
    SetBackUnseen,
    /// The credential is deleted and created anew.
    Recreate,
    /// What becomes of credentials is told 20 s late.
    TellCredentialsLate,
    /// The spec names sixteen token Secrets.
    Sixteen,
    Suspend,
    Spell(Spell),
    /// The namespaces are being deleted, and take nothing new.
    Terminate,
    /// Token Secrets go.
    Lose,
    /// A newer sealing key is added; it seals three minutes later.
    Rotate,
    /// The processes look at the sealing keys.
    LookAtKeys,
    /// All sealing keys but the newest are removed: nothing needs them.
    RemoveKeys,
    /// All sealing keys are lost, and another one is there; this is so for so many minutes.
    LoseKeys(i64),
    FindKeys,
    /// Every token is there and good.
    Whole,
    /// Every status says this reason, and the first account stays.
    Says(Reason),
}

impl Act {
    pub fn play(self, world: &mut World, people: &mut People) {
        world.note(|| format!("ACT {self:?}"));
        world.trouble();
        match self {
            Self::Crash | Self::LookAtKeys | Self::Clock(_) | Self::Move(_) | Self::Sleep(_) => {}
            Self::Away(minutes) => world.away_until = world.now() + minutes * 60_000,
            Self::Pause(minutes) => {
                world.idp.weather = Weather::Paused;
                world.idp.paused_until = world.seconds() + minutes * 60;
            }
            Self::Weather(weather) => world.idp.weather = weather,
            Self::Spell(spell) => world.spell = Some(spell),
            Self::Calm => world.calm(),
            Self::Snapshot => people.snapshot = Some(world.snapshot()),
            Self::SetBack => people.set_back(world),
            Self::ReplaceAsClaimed => world.replaced_as_claimed = true,
            Self::TellCredentialsLate => world.credentials_late_until = world.now() + 20_000,
            Self::SetBackUnseen => {
                world.silent = 1000;
                people.set_back(world);
            }
            Self::Terminate => world.api.terminating_since = Some(world.now()),
            Self::Issuer(issuer) => world.idp.issuer = issuer,
            Self::NewPasswords => people.new_passwords(world),
            Self::Guesses => people.guesses = super::wide::GUESSES,
            Self::Rotate => world.rotate_keys(),
            Self::RemoveKeys => world.remove_old_keys(),
            Self::LoseKeys(minutes) => {
                world.excuse(minutes * 60_000);
                world.lose_keys();
            }
            Self::FindKeys => world.find_keys(),
            _ => {
                for key in people.keys.clone() {
                    self.play_one(world, people, &key);
                }
            }
        }
    }

    fn play_one(self, world: &mut World, people: &mut People, key: &Key) {
        let (user, other) = (format!("user-{}", key.name), format!("other-{}", key.name));
        match self {
            Self::Confidential(good) => {
                People::put_client_secret(world, key);
                world.change_client(key, good);
                let secret_name = app(key).name.to_string();
                let value = "value".to_owned();
                let client = ClientCredential::Secret(ClientSecretRef {
                    secret_name,
                    key: value,
                });
                world
                    .api
                    .edit_credential(key, |r| r.spec.client_credential = Some(client));
            }
            Self::Edit => People::edit_token(world, key, 'a'),
            Self::Recreate => {
                let spec = world.api.credentials[key].spec.clone();
                world.api.remove_credential(key);
                world.api.create_credential(key, spec);
            }
            Self::Application => {
                world.changes_answers(key);
                let other = "client-2".to_owned();
                world.api.edit_credential(key, |r| r.spec.client_id = other);
            }
            Self::Sixteen => People::name_sixteen(world, key),
            Self::Suspend => world.api.edit_credential(key, |r| r.spec.suspend = true),
            Self::Lose => {
                for letter in ["a", "b", "c"] {
                    world.api.remove(&key.sibling(format!("{}-{letter}", key.name)));
                }
            }
            Self::Client(good) => world.change_client(key, good),
            Self::Revoke => world.idp.revoke(&format!("id-{user}")),
            Self::Login(right) => people.put_login(world, key, &user, right),
            Self::OtherLogin => People::put_login_anew(world, key, &other, false),
            Self::OtherLoginAllowed => {
                world.changes_answers(key);
                People::put_login_anew(world, key, &other, true);
            }
            Self::Whole if !whole(world, key) => {
                let wanting = world.wanting(key);
                world.broken(4, format!("{} is not whole: {wanting:?}", key.name));
            }
            // Who has a token for a day learns of it in a day.
            Self::Says(Reason::AppMisconfigured) if world.idp.life.0 > 3600 => {}
            Self::Says(reason) => {
                let status = world.api.credentials.get(key).and_then(|r| r.status.as_ref());
                let said = serde_json::to_string(&status).unwrap().contains(reason.as_ref());
                let account = world.session_of(key).account();
                if !said || account != Some(format!("id-{user}")) {
                    world.broken(6, format!("{}: {account:?}, {status:?}", key.name));
                }
            }
            _ => {}
        }
    }
}

/// All writes of token Secrets are refused.
const REFUSED: Spell = Spell::new(Target::Tokens, Trouble::Refused);

/// Nothing that concerns token Secrets is answered.
const BUSY: Spell = Spell::new(Target::Tokens, Trouble::Busy(Some(1)));

/// Somebody changes them as soon as they are written; all but the last of sixteen.
const MEDDLED: Spell = Spell::new(Target::UpTo('o'), Trouble::Meddled);

/// Plays a story with some seeds, which have all lives of tokens among them.
fn plays(script: &'static [(i64, Act)]) {
    for seed in 0..6 {
        let plan = Plan {
            seed,
            replicas: 1,
            credentials: 1,
            days: 0,
            deeds: 0,
            storms: 0,
            crashes: false,
            clocks: false,
            wide: true,
            script,
        };
        if History::play(plan, false).broken.is_some() {
            let traced = History::play(plan, true);
            let last = traced.trace.len().saturating_sub(80);
            panic!(
                "seed {seed}: {}\n{}",
                traced.broken.unwrap(),
                traced.trace[last..].join("\n")
            );
        }
    }
}

#[test]
fn another_content_of_the_client_credential_is_tried_at_once() {
    plays(&[
        (1, Act::Confidential(true)),
        (5, Act::Whole),
        (10, Act::Client(false)),
        (250, Act::Client(true)),
        (252, Act::Whole),
    ]);
}

#[test]
fn also_if_it_changed_while_no_process_ran() {
    plays(&[
        (1, Act::Confidential(true)),
        (10, Act::Client(false)),
        (250, Act::Crash),
        (250, Act::Client(true)),
        (253, Act::Whole),
    ]);
}

#[test]
fn a_login_that_was_kept_for_it_is_sent_at_once() {
    plays(&[
        (10, Act::NewPasswords),
        (10, Act::Revoke),
        (10, Act::Confidential(false)),
        (11, Act::Login(true)),
        (60, Act::Client(true)),
        (62, Act::Whole),
    ]);
}

#[test]
fn a_login_that_was_kept_for_it_is_sent_by_the_next_process() {
    plays(&[
        (10, Act::NewPasswords),
        (10, Act::Revoke),
        (10, Act::Confidential(false)),
        (11, Act::Login(true)),
        (60, Act::Crash),
        (60, Act::Client(true)),
        (63, Act::Whole),
    ]);
}

/// Another application makes it another content.
#[test]
fn a_login_that_was_kept_is_sent_for_another_application() {
    plays(&[
        (10, Act::NewPasswords),
        (10, Act::Revoke),
        (10, Act::Weather(Weather::Person(Reason::AppMisconfigured))),
        (11, Act::Login(true)),
        (50, Act::Calm),
        (58, Act::Application),
        (62, Act::Whole),
    ]);
}

#[test]
fn a_login_that_was_kept_is_sent_for_another_application_by_the_next_process() {
    plays(&[
        (10, Act::NewPasswords),
        (10, Act::Revoke),
        (10, Act::Weather(Weather::Person(Reason::AppMisconfigured))),
        (11, Act::Login(true)),
        (50, Act::Calm),
        (58, Act::Crash),
        (58, Act::Application),
        (62, Act::Whole),
    ]);
}

/// They fail together, and each has a back-off of its own.
#[test]
fn sixteen_secrets_that_are_refused_spin_no_more_than_one() {
    plays(&[
        (10, Act::Spell(REFUSED)),
        (11, Act::Sixteen),
        (25, Act::Calm),
        (37, Act::Whole),
    ]);
}

#[test]
fn sixteen_secrets_that_nobody_answers_for_spin_no_more_than_one() {
    plays(&[
        (5, Act::Sixteen),
        (10, Act::Spell(BUSY)),
        (10, Act::Application),
        (25, Act::Calm),
        (37, Act::Whole),
    ]);
}

/// Fifteen of them had every call of the ration, for ever, and the sixteenth none.
#[test]
fn what_somebody_else_changes_as_it_is_written_leaves_calls_for_the_others() {
    plays(&[
        (5, Act::Sixteen),
        (10, Act::Spell(MEDDLED)),
        (130, Act::Calm),
        (142, Act::Whole),
    ]);
}

#[test]
fn who_was_told_to_wait_goes_on_within_minutes() {
    plays(&[
        (30, Act::Pause(200)),
        (60, Act::Calm),
        (235, Act::Whole),
        (300, Act::Pause(5)),
        (304, Act::Calm),
        (315, Act::Whole),
    ]);
}

#[test]
fn an_account_in_two_namespaces_is_one_account() {
    plays(&[
        (10, Act::Login(false)),
        (11, Act::Login(false)),
        (12, Act::Login(false)),
        (13, Act::Login(false)),
        (40, Act::Login(true)),
        (60, Act::Whole),
    ]);
}

#[test]
fn user_names_are_not_tried_through_a_namespace() {
    plays(&[(10, Act::Guesses), (60, Act::Whole)]);
}

#[test]
fn who_is_named_late_is_the_same_and_another_one_is_not_let_in() {
    plays(&[
        (0, Act::Issuer(Issuer::Late)),
        (5, Act::OtherLogin),
        (6, Act::Says(Reason::IdentityChanged)),
        (200, Act::Whole),
        (201, Act::Login(true)),
        (240, Act::OtherLogin),
        (250, Act::Says(Reason::IdentityChanged)),
        (251, Act::Whole),
    ]);
}

#[test]
fn who_is_never_named_is_known_by_the_user_name() {
    plays(&[
        (0, Act::Issuer(Issuer::Silent)),
        (5, Act::OtherLogin),
        (6, Act::Says(Reason::IdentityChanged)),
        (200, Act::Whole),
    ]);
}

#[test]
fn an_etcd_that_is_set_back_is_believed() {
    plays(&[
        (30, Act::Snapshot),
        (200, Act::SetBack),
        (300, Act::Whole),
        (310, Act::SetBack),
        (410, Act::Whole),
    ]);
}

#[test]
fn a_session_that_is_lost_with_it_is_made_again() {
    plays(&[
        (0, Act::Snapshot),
        (200, Act::SetBack),
        (201, Act::SetBack),
        (300, Act::Whole),
    ]);
}

#[test]
fn a_day_after_a_rotation_nothing_needs_the_old_key() {
    plays(&[
        (10, Act::Login(false)),
        (30, Act::Rotate),
        (34, Act::LookAtKeys),
        (35 + 24 * 60, Act::RemoveKeys),
        (36 + 24 * 60, Act::Login(false)),
        (38 + 24 * 60, Act::Login(true)),
        (60 + 24 * 60, Act::Whole),
    ]);
}

#[test]
fn keys_that_were_lost_and_found_cost_nobody_a_login() {
    plays(&[
        (30, Act::LoseKeys(300)),
        (100, Act::Crash),
        (330, Act::FindKeys),
        (332, Act::Whole),
    ]);
}

#[test]
fn what_is_told_after_it_is_true() {
    plays(&[
        (30, Act::Snapshot),
        (31, Act::Weather(Weather::Person(Reason::AppMisconfigured))),
        (200, Act::SetBack),
        (205, Act::Says(Reason::AppMisconfigured)),
    ]);
}

#[test]
fn who_was_refused_with_doubt_is_not_condemned() {
    plays(&[
        (9, Act::NewPasswords),
        (10, Act::Revoke),
        (10, Act::Weather(Weather::DoubtfulLogins)),
        (11, Act::Login(true)),
        (20, Act::Calm),
    ]);
}

#[test]
fn an_edited_token_is_not_called_ready() {
    plays(&[
        (30, Act::Weather(Weather::Down)),
        (31, Act::Edit),
        (40, Act::Calm),
        (50, Act::Whole),
    ]);
}

#[test]
fn nothing_is_asked_for_in_a_namespace_that_is_being_deleted() {
    plays(&[
        (30, Act::Terminate),
        (31, Act::Lose),
        (60, Act::NewPasswords),
        (61, Act::Revoke),
        (62, Act::Login(true)),
        (90, Act::Terminate),
    ]);
}

#[test]
fn a_credential_that_was_replaced_unseen_is_listed_anew() {
    plays(&[
        (20, Act::Snapshot),
        (30, Act::Recreate),
        (31, Act::Login(true)),
        (60, Act::Whole),
        (61, Act::Suspend),
        (70, Act::SetBackUnseen),
        (1700, Act::Whole),
    ]);
}

/// The watch of the logins may be ahead of the one of the credentials.
#[test]
fn a_login_is_not_claimed_for_a_credential_that_is_gone() {
    plays(&[
        (30, Act::TellCredentialsLate),
        (30, Act::Recreate),
        (30, Act::Login(true)),
        (60, Act::Whole),
    ]);
}

#[test]
fn a_login_that_came_after_etcd_was_set_back_unseen_is_used() {
    plays(&[
        (20, Act::Snapshot),
        (21, Act::Revoke),
        (1500, Act::SetBackUnseen),
        (1510, Act::Login(true)),
        (1530, Act::Whole),
    ]);
}

/// Only a watch tells the type.
#[test]
fn what_takes_the_place_of_a_login_is_not_read_before_it_is_known_to_be_one() {
    plays(&[
        (20, Act::ReplaceAsClaimed),
        (21, Act::Revoke),
        (22, Act::Login(true)),
        (62, Act::Login(true)),
        (75, Act::Whole),
    ]);
}

/// The one that allowed another account is gone with the set-back, and an earlier one with the same content is there.
#[test]
fn a_login_of_the_same_content_that_came_back_unseen_is_looked_at_anew() {
    plays(&[
        (2, Act::Weather(Weather::Down)),
        (3, Act::OtherLogin),
        (19, Act::Snapshot),
        (20, Act::OtherLoginAllowed),
        (28, Act::SetBackUnseen),
        (28, Act::Calm),
        (60, Act::Says(Reason::IdentityChanged)),
    ]);
}

#[test]
fn who_starts_with_a_wrong_clock_asks_for_nothing_that_is_not_due() {
    plays(&[
        (20, Act::Move(3600)),
        (40, Act::Whole),
        (60, Act::Move(-7200)),
        (100, Act::Whole),
        (110, Act::Move(0)),
        (130, Act::Whole),
    ]);
}

#[test]
fn a_clock_that_is_set_by_hours_costs_nobody_a_call() {
    plays(&[
        (20, Act::Clock(3600)),
        (40, Act::Whole),
        (60, Act::Clock(-7200)),
        (120, Act::Whole),
        (130, Act::Clock(0)),
        (150, Act::Whole),
    ]);
}

#[test]
fn who_was_not_told_the_time_asks_again() {
    plays(&[
        (20, Act::Away(5)),
        (21, Act::Clock(3600)),
        (40, Act::Whole),
        (60, Act::Away(5)),
        (61, Act::Clock(-7200)),
        (120, Act::Whole),
    ]);
}

#[test]
fn a_clock_that_is_set_back_in_an_outage_costs_minutes() {
    plays(&[
        (20, Act::Weather(Weather::Down)),
        (60, Act::Clock(-7200)),
        (70, Act::Calm),
        (80, Act::Whole),
    ]);
}

#[test]
fn who_has_slept_for_longer_than_a_life_renews_at_once() {
    plays(&[
        (20, Act::Sleep(300)),
        (323, Act::Whole),
        (330, Act::Sleep(20)),
        (353, Act::Whole),
    ]);
}
