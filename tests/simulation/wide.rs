//! What only wide histories have: the accounts of one namespace in another one, client credentials whose content changes, an
//! etcd that is set back under the operator, issuers that do not say who signed in, and somebody who tries user names.

use std::collections::BTreeMap;

use entra_operator::api::ClientCredential;
use entra_operator::plan::metadata::Uid;
use entra_operator::reconcile::material::ClientAuthentication;
use entra_operator::reconcile::ports::Key;

use super::api::{Api, Object};
use super::book::{Content, Published};
use super::idp::Issuer;
use super::rules_sends::Sent;
use super::rules_tokens::{PATIENCE, SOON};
use super::users::People;
use super::world::{OTHER, World};

/// What a client credential holds once it was withdrawn.
const WITHDRAWN: &str = "withdrawn";

/// What it holds else.
const GOOD: &str = "client-credential";

/// How many user names somebody tries in a row: more than a namespace may have refused.
pub const GUESSES: u32 = 45;

/// What etcd held at some time, and what the judge knew then of it.
#[derive(Debug)]
pub struct Snapshot {
    api: Api,
    sends: BTreeMap<(Key, Content), u32>,
    contents: BTreeMap<(Key, String), Sent>,
    handled: BTreeMap<(Key, Uid), (String, i64)>,
    dead_at: BTreeMap<Key, i64>,
    published: BTreeMap<Key, Published>,
}

/// Key of a client credential's Secret.
pub fn app(credential: &Key) -> Key {
    credential.sibling(format!("{}-app", credential.name))
}

/// Whether a Secret holds a client credential that was withdrawn.
pub fn is_refused(object: &Object) -> bool {
    object.data.values().any(|value| value == WITHDRAWN.as_bytes())
}

/// Whether it is one that was withdrawn.
pub fn is_withdrawn(client: &ClientAuthentication) -> bool {
    match client {
        ClientAuthentication::Secret(value) => value.expose() == WITHDRAWN,
        ClientAuthentication::Certificate(pair) => pair.key.expose() == WITHDRAWN,
        ClientAuthentication::Assertion(_) => false,
    }
}

impl Api {
    /// Whether a login of this credential may be answered in another way than in `other`.
    fn answers_differ(&self, other: &Self, key: &Key) -> bool {
        let spec = |api: &Self| api.credentials.get(key).map(|r| r.spec.clone());
        let client = |api: &Self| api.secrets.get(&app(key)).map(|o| o.version);
        spec(self) != spec(other) || client(self) != client(other)
    }
}

impl World {
    /// This history is a wide one.
    pub fn widen(&mut self, people: &mut People) {
        self.wide = true;
        self.idp.issuer = self.rng.pick(&[Issuer::Patchy, Issuer::Late, Issuer::Silent]);
        people.create(self, Key::new(OTHER, "c0"));
    }

    /// What etcd may be set back to.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            api: self.api.clone(),
            sends: self.book.sends.clone(),
            contents: self.book.contents.clone(),
            handled: self.book.handled.clone(),
            dead_at: self.book.dead_at.clone(),
            published: self.book.published.clone(),
        }
    }

    /// Etcd is restored from a backup while no API server runs; what is known of sends goes with the records that are lost.
    pub fn set_back(&mut self, then: &Snapshot) {
        let now = self.now();
        self.away_until = now + self.rng.range(5000, 60_000);
        let keys: Vec<_> = then.api.credentials.keys().cloned().collect();
        for key in keys
            .into_iter()
            .filter(|key| then.api.answers_differ(&self.api, key))
        {
            self.book.changed_at.insert(key, now);
        }
        self.api.set_back(&then.api);
        self.book.sends.clone_from(&then.sends);
        self.book.contents.clone_from(&then.contents);
        self.book.handled.clone_from(&then.handled);
        self.book.dead_at.clone_from(&then.dead_at);
        self.book.published.clone_from(&then.published);
        self.book.set_back_at = Some(now);
        self.note(|| "etcd is set back".to_owned());
        self.trouble();
    }

    /// The content of a client credential is another one from now on.
    pub fn change_client(&mut self, credential: &Key, good: bool) {
        let value = if good { GOOD } else { WITHDRAWN };
        self.note(|| format!("client credential of {}: {value}", credential.name));
        self.book.changed_at.insert(credential.clone(), self.now());
        self.api.edit(&app(credential), |o| {
            o.data.values_mut().for_each(|v| *v = value.as_bytes().to_vec());
        });
    }
}

impl People {
    /// A deed of a wide history. Of what concerns a login or a client credential alone, the judge needs no patience.
    pub fn act_wide(&mut self, world: &mut World, who: &Key) {
        let deed = world.rng.below(8);
        world.note(|| format!("WIDE DEED {deed} on {who:?}"));
        world.trouble();
        world.counts.deeds += 1;
        match deed {
            0..=2 => Self::change_content(world, who),
            3 => self.snapshot = Some(world.snapshot()),
            4 => self.set_back(world),
            5 => self.guesses = GUESSES,
            6 => self.put_login(world, who, &format!("other-{}", who.name), true),
            _ => self.try_everywhere(world, who),
        }
    }

    /// The content of a client credential, where there is one.
    fn change_content(world: &mut World, who: &Key) {
        let client = world.api.credential(who).and_then(|c| c.spec.client_credential);
        let in_secret = client.filter(|client| !matches!(client, ClientCredential::WorkloadIdentity(_)));
        if let Some(object) = in_secret.and_then(|_| world.api.secrets.get(&app(who))) {
            let good = is_refused(object);
            world.change_client(who, good);
        } else {
            world.excuse(PATIENCE);
            Self::client_credential(world, who);
        }
    }

    pub fn set_back(&mut self, world: &mut World) {
        if let Some(then) = &self.snapshot {
            world.set_back(then);
            world.excuse(SOON);
        }
    }

    /// The same account, with wrong passwords, through every credential that bears the name.
    fn try_everywhere(&mut self, world: &mut World, who: &Key) {
        let namesakes = self.keys.iter().filter(|k| k.name == who.name);
        for key in namesakes.cloned().collect::<Vec<_>>() {
            self.put_login(world, &key, &format!("user-{}", key.name), false);
        }
    }

    /// One of many user names that do not exist.
    pub fn guess(&mut self, world: &mut World) {
        self.guesses -= 1;
        world.trouble();
        let who = self.keys[world.rng.below(self.keys.len())].clone();
        let user = world.nonce();
        self.put_login_object(world, &who, super::api::login(&user, "pw-guessed"));
    }
}
