//! What can happen to a credential, and how often.

use entra_plan::answer::Effect;
use entra_plan::snapshot::{Ownership, Published};
use entra_plan::word::{Said, Word};
use proptest::prelude::*;

use crate::build::{name, published};
use crate::model::{Answer, Api, Death, LoginObject, TENANTS, TokenObject, World};

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Event {
    /// A pass, because a watch or the sweep says so.
    Pass,
    /// A pass that dies in its nth step.
    Die { nth: usize, death: Death },
    /// The process ends between passes.
    Restart,
    /// Time passes until the wake time, but not more than this; then a pass.
    Sleep(i64),
    /// Steps take this many seconds from now on.
    Pace(i64),
    /// The API server is like this from now on.
    Api(Api),
    /// What the identity provider answers next.
    Answer(Answer),
    /// All refresh tokens so far are revoked.
    Revoke,
    /// A user creates or replaces the login Secret.
    CreateLogin { password: u8, leave: bool },
    /// A user edits the login Secret in place.
    EditLogin { password: u8 },
    /// A user deletes the login Secret.
    DropLogin,
    /// A user names another tenant, or writes it differently.
    Rename(usize),
    /// A user changes an entry's scopes.
    Rescope(u8),
    /// A user adds or removes an entry.
    Toggle,
    /// A user suspends the credential, or lets it go on.
    Suspend(bool),
    /// A user writes a word, so many seconds from now.
    Say(i64),
    /// A user deletes the credential.
    Delete,
    /// Somebody deletes, edits or takes over a token Secret.
    Token(Fate),
    /// Somebody deletes the refresh-token Secret.
    DropSession,
    /// The operator's Secrets come back from a backup, without their owner.
    Restore,
    /// The keys so far are lost and another one seals, or all are found again.
    Key { lost: bool },
    /// A newer key seals from now on.
    Rotate,
    /// An administrator removes a key that nothing needs, as far as the annotation says.
    RemoveKey,
}

/// What befalls a token Secret.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    Deleted,
    Edited,
    Squatted,
}

/// Any event, the common ones more often.
pub fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => Just(Event::Pass),
        8 => prop_oneof![Just(70), Just(700), Just(5_000)].prop_map(Event::Sleep),
        5 => (0..10_usize, death()).prop_map(|(nth, death)| Event::Die { nth, death }),
        1 => Just(Event::Restart),
        1 => prop_oneof![Just(0), Just(1), Just(20)].prop_map(Event::Pace),
        2 => prop_oneof![Just(Api::Well), Just(Api::RefusesWrites), Just(Api::Away), Just(Api::Rationed)].prop_map(Event::Api),
        6 => answer().prop_map(Event::Answer),
        1 => Just(Event::Revoke),
        6 => (0..4_u8, any::<bool>()).prop_map(|(password, leave)| Event::CreateLogin { password, leave }),
        3 => users_hand(),
        2 => fate().prop_map(Event::Token),
        1 => disaster(),
    ]
}

fn users_hand() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => prop_oneof![4 => Just(0), 1 => Just(200), 1 => Just(4000), 1 => Just(-90_000)].prop_map(Event::Say),
        2 => (0..4_u8).prop_map(|password| Event::EditLogin { password }),
        1 => Just(Event::DropLogin),
        2 => (0..TENANTS.len()).prop_map(Event::Rename),
        2 => (0..3_u8).prop_map(Event::Rescope),
        2 => Just(Event::Toggle),
        2 => any::<bool>().prop_map(Event::Suspend),
    ]
}

fn disaster() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => Just(Event::DropSession),
        2 => Just(Event::Restore),
        2 => any::<bool>().prop_map(|lost| Event::Key { lost }),
        2 => Just(Event::Rotate),
        2 => Just(Event::RemoveKey),
        1 => Just(Event::Delete),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![Just(Fate::Deleted), Just(Fate::Edited), Just(Fate::Squatted)]
}

fn death() -> impl Strategy<Value = Death> {
    prop_oneof![Just(Death::Before), Just(Death::After)]
}

fn answer() -> impl Strategy<Value = Answer> {
    let effect = prop_oneof![
        3 => Just(Effect::Unanswered),
        2 => Just(Effect::Transient),
        1 => Just(Effect::Withheld),
        2 => Just(Effect::Entry),
        1 => Just(Effect::Person),
        1 => Just(Effect::Condemned),
        1 => Just(Effect::Doubtful),
        1 => Just(Effect::Dead),
        1 => Just(Effect::Suspect),
        1 => Just(Effect::Unreadable),
    ];
    prop_oneof![
        8 => effect.prop_map(Answer::Refused),
        1 => (30..4000_u16).prop_map(Answer::ShortLife),
        1 => Just(Answer::Unusable),
        1 => Just(Answer::NoRefreshToken),
        1 => Just(Answer::OtherAccount),
    ]
}

impl Event {
    /// Lets it happen to `world`.
    pub fn happen(&self, world: &mut World) {
        match self {
            Self::Pass => drop(world.pass()),
            Self::Die { nth, death } => world.dying_pass(*nth, *death),
            Self::Restart => world.restart(),
            Self::Sleep(at_most) => {
                world.sleep(*at_most);
                world.pass();
            }
            Self::Pace(seconds) => world.pace = *seconds,
            Self::Api(api) => world.api = *api,
            Self::Answer(answer) => world.entra.script.push_back(*answer),
            Self::Revoke => world.entra.revoked.clone_from(&world.entra.issued),
            Self::CreateLogin { password, leave } => create_login(world, *password, *leave),
            Self::EditLogin { password } => edit_login(world, *password),
            Self::DropLogin => world.cluster.login = None,
            Self::Say(ahead) => say(world, *ahead),
            Self::Token(fate) => befall(world, *fate),
            Self::DropSession => drop_session(world),
            Self::Restore => restore(world),
            Self::Key { lost } => key(world, *lost),
            Self::Rotate => rotate(world),
            Self::RemoveKey => remove_keys(world),
            Self::Rename(_) | Self::Rescope(_) | Self::Toggle | Self::Suspend(_) | Self::Delete => {
                self.edit(world);
            }
        }
    }

    /// Edits the spec.
    fn edit(&self, world: &mut World) {
        let spec = &mut world.spec;
        spec.generation += 1;
        match self {
            Self::Rename(tenant) => spec.tenant = *tenant,
            Self::Rescope(scope) => drop(spec.entries.insert(name("graph"), *scope)),
            Self::Toggle if spec.entries.remove(&name("mail")).is_none() => {
                spec.entries.insert(name("mail"), 2);
            }
            Self::Suspend(on) => spec.suspended = *on,
            Self::Delete => spec.deleting = true,
            _ => {}
        }
    }
}

fn create_login(world: &mut World, password: u8, leave: bool) {
    let (uid, version) = (world.uid(), world.version());
    world.cluster.login = Some(LoginObject {
        uid,
        version,
        password,
        claimed: false,
        leave,
    });
}

fn edit_login(world: &mut World, password: u8) {
    let next = world.version();
    if let Some(login) = &mut world.cluster.login {
        (login.version, login.password) = (next, password);
    }
}

const fn say(world: &mut World, ahead: i64) {
    world.spec.said = Some(Said::At(Word(world.now.plus(ahead))));
    world.ledger.requests += 1;
}

fn befall(world: &mut World, fate: Fate) {
    let version = world.version();
    match fate {
        Fate::Deleted => drop(world.cluster.tokens.remove(&name("graph"))),
        Fate::Edited => {
            if let Some(token) = world.cluster.tokens.get_mut(&name("graph")) {
                token.published.version = version;
                token.genuine = false;
            }
        }
        Fate::Squatted => {
            let published = Published {
                version,
                ..published(world.now, 3600)
            };
            let foreign = TokenObject {
                ownership: Ownership::Foreign,
                published,
                genuine: false,
            };
            world.cluster.tokens.insert(name("graph"), foreign);
        }
    }
}

fn drop_session(world: &mut World) {
    world.cluster.session = None;
    world.ledger.record_lost();
}

fn restore(world: &mut World) {
    let (session, token) = (world.version(), world.version());
    if let Some(object) = &mut world.cluster.session {
        (object.version, object.ownership) = (session, Ownership::Adoptable);
    }
    for object in world
        .cluster
        .tokens
        .values_mut()
        .filter(|o| o.ownership == Ownership::Ours)
    {
        (object.published.version, object.ownership) = (token.clone(), Ownership::Adoptable);
    }
}

fn key(world: &mut World, lost: bool) {
    let before = world.ring.sealing;
    rotate(world);
    if lost {
        world.ring.missing.extend(0..=before);
    } else {
        world.ring.missing.clear();
    }
}

fn rotate(world: &mut World) {
    world.ring.sealing += 1;
    world.ring.generation += 1;
}

/// What was sealed by a key that is gone is a loss that nobody told of.
fn remove_keys(world: &mut World) {
    let needed = world
        .cluster
        .session
        .as_ref()
        .map_or(world.ring.sealing, |s| s.key_id);
    let unneeded = 0..needed.min(world.ring.sealing);
    world.ring.generation += 1;
    world.ring.missing.extend(unneeded.clone());
    if let Some(session) = &world.cluster.session {
        let gone = |key| unneeded.contains(&key);
        assert!(
            !gone(session.record_key) && !gone(session.token_key),
            "a key that is still needed was shown as free: {session:?}"
        );
    }
}

/// All faults stop, and what stands in the way is removed.
pub fn faults_stop(world: &mut World) {
    world.pace = 0;
    world.api = Api::Well;
    world.entra.script.clear();
    world
        .cluster
        .tokens
        .retain(|_, o| o.ownership != Ownership::Foreign);
    key(world, false);
    Event::Suspend(false).edit(world);
}
