//! What people do: they edit, delete, re-create, restore, revoke and make mistakes.

use std::collections::{BTreeMap, BTreeSet};

use entra_operator::api::{
    ANNOTATION_ALLOW_IDENTITY_CHANGE, CLIENT_SECRET_TYPE, ClientCertificateRef, ClientCredential,
    ClientSecretRef, EntraCredentialSpec, GROUP, LABEL_MANAGED_BY, LoginSpec, REFRESH_TOKEN_TYPE, TLS_TYPE,
    TokenSpec, WorkloadIdentityRef, annotation,
};
use entra_operator::plan::metadata::Uid;
use entra_operator::reconcile::ports::{Controller, Key};

use super::api::{Object, foreign, login};
use super::book::session_key;
use super::idp::User;
use super::rules_passes::used_login;
use super::rules_tokens::PATIENCE;
use super::wide::{Snapshot, app};
use super::words;
use super::world::{NAMESPACE, World};

/// The persons' own memory: passwords they used, and their backups.
#[derive(Debug, Default)]
pub struct People {
    pub keys: Vec<Key>,
    passwords: u64,
    backup: BTreeMap<Key, Object>,
    /// Credentials to be created again.
    returning: Vec<(Key, EntraCredentialSpec)>,
    /// Credentials whose Secrets were orphaned: the garbage collector is about to let go of them.
    orphaned: Vec<(Key, EntraCredentialSpec)>,
    /// What etcd may be set back to.
    pub snapshot: Option<Snapshot>,
    /// How many more user names somebody is trying.
    pub guesses: u32,
}

/// Of a thousand deeds in a wide history so many are those of [`super::wide`].
const WIDE: u32 = 300;

/// Puts a Secret of that type with these keys in the place of what was there.
fn put_anew(world: &mut World, at: &Key, kind: &str, keys: &[&str]) {
    let mut object = foreign(kind);
    let value = |name: &&str| ((*name).to_owned(), b"client-credential".to_vec());
    object.data = keys.iter().map(value).collect();
    world.api.remove(at);
    world.api.put(at, object);
}

fn entry(credential: &str, letter: char, scopes: &[&str]) -> TokenSpec {
    TokenSpec {
        secret_name: format!("{credential}-{letter}"),
        scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
        keys: Vec::new(),
        labels: if letter == 'a' { team() } else { BTreeMap::new() },
        annotations: BTreeMap::new(),
    }
}

fn spec(name: &str, entries: usize) -> EntraCredentialSpec {
    let all = ['a', 'b', 'c'].map(|l| entry(name, l, &[&format!("api-{l}/.default")]));
    EntraCredentialSpec {
        tenant: Some("contoso.example".to_owned()),
        client_id: "client-1".to_owned(),
        cloud: None,
        authority: None,
        login: LoginSpec {
            realm: None,
            secret_name: format!("{name}-login"),
        },
        client_credential: None,
        tokens: all.into_iter().take(entries).collect(),
        secret_labels: BTreeMap::new(),
        refresh: None,
        suspend: false,
    }
}

impl People {
    /// Creates `n` credentials and their first logins.
    pub fn begin(world: &mut World, n: usize) -> Self {
        let mut people = Self::default();
        for i in 0..n {
            let name = format!("c{i}");
            for user in [format!("user-{name}"), format!("other-{name}")] {
                people.new_password(world, &user);
            }
            people.create(world, Key::new(NAMESPACE, name));
        }
        people
    }

    /// A credential and its first login.
    pub fn create(&mut self, world: &mut World, who: Key) {
        let entries = world.rng.below(3) + 1;
        world.api.create_credential(&who, spec(&who.name, entries));
        self.put_login(world, &who, &format!("user-{}", who.name), true);
        self.keys.push(who);
    }

    fn new_password(&mut self, world: &mut World, user: &str) {
        self.passwords += 1;
        let password = format!("pw-{}", self.passwords);
        let account = format!("id-{user}");
        world
            .idp
            .users
            .insert(user.to_owned(), User { password, account });
    }

    pub fn put_login(&mut self, world: &mut World, credential: &Key, user: &str, right: bool) {
        let password = if right {
            world.idp.users[user].password.clone()
        } else {
            format!("wrong-pw-{}", world.rng.below(4))
        };
        let object = login(user, &password);
        self.put_login_object(world, credential, object);
    }

    /// A right login of that user, which allows another account or not.
    pub fn put_login_anew(world: &mut World, credential: &Key, user: &str, leave: bool) {
        let at = used_login(credential);
        let mut object = login(user, &world.idp.users[user].password.clone());
        if leave {
            allow(&mut object);
        }
        world.api.remove(&at);
        world.api.put(&at, object);
        world.note_leave(&at);
    }

    /// Every user gets another password.
    pub fn new_passwords(&mut self, world: &mut World) {
        for user in world.idp.users.keys().cloned().collect::<Vec<_>>() {
            self.new_password(world, &user);
        }
    }

    pub fn put_login_object(&mut self, world: &mut World, credential: &Key, mut object: Object) {
        let at = used_login(credential);
        world.book.something_to_do(credential);
        // The type of a Secret cannot be changed.
        let replaced = world.api.secrets.get(&at).filter(|old| old.kind == object.kind);
        if let (true, Some(old)) = (world.rng.chance(500), replaced) {
            (object.uid, object.controller) = (old.uid.clone(), old.controller.clone());
            if let Some(claim) = old.annotations.get(annotation::CLAIMED_BY) {
                object
                    .annotations
                    .insert(annotation::CLAIMED_BY.to_owned(), claim.clone());
            }
        } else {
            world.api.remove(&at);
        }
        if world.rng.chance(100) {
            allow(&mut object);
        }
        // One that allowed it may be gone since.
        if allows(&object) || world.book.leave.contains(&at) {
            for whose in self
                .keys
                .iter()
                .filter(|key| world.names_login(key, &at))
                .cloned()
                .collect::<Vec<_>>()
            {
                world.changes_answers(&whose);
            }
        }
        world.api.put(&at, object);
        world.note_leave(&at);
    }

    /// One deed of a person.
    pub fn act(&mut self, world: &mut World) {
        let who = self.keys[world.rng.below(self.keys.len())].clone();
        let deed = world.rng.below(30);
        self.let_go(world);
        if world.wide && world.rng.chance(WIDE) {
            return self.act_wide(world, &who);
        }
        world.note(|| format!("DEED {deed} on {}", who.name));
        world.trouble();
        world.excuse(PATIENCE);
        world.counts.deeds += 1;
        match deed {
            0..=3 => self.put_login(world, &who, &format!("user-{}", who.name), true),
            4 | 5 => self.put_login(world, &who, &format!("user-{}", who.name), false),
            6 => self.put_login(world, &who, &format!("other-{}", who.name), true),
            7 => self.put_odd_login(world, &who),
            8 => drop(world.api.remove(&used_login(&who))),
            9..=13 => self.edit_spec(world, &who),
            14..=17 => Self::spoil_token(world, &who),
            18 => Self::spoil_session(world, &who),
            19 | 20 => Self::request(world, &who),
            21 => self.delete_credential(world, &who),
            22 => self.restore(world, &who),
            23 | 24 => world.idp.revoke(&format!("id-user-{}", who.name)),
            25 => self.new_password(world, &format!("user-{}", who.name)),
            26 => self.back_up(world, &who),
            27 => Self::client_credential(world, &who),
            _ => self.return_credentials(world),
        }
    }

    fn put_odd_login(&mut self, world: &mut World, who: &Key) {
        let mut object = login(&format!("user-{}", who.name), "pw-x");
        match world.rng.below(3) {
            0 => drop(object.data.remove("password")),
            1 => "Opaque".clone_into(&mut object.kind),
            _ => drop(object.data.insert("credential".to_owned(), b"somebody".to_vec())),
        }
        self.put_login_object(world, who, object);
    }

    fn edit_spec(&mut self, world: &mut World, who: &Key) {
        let (what, which, name) = (world.rng.below(10), world.rng.below(3), who.name.clone());
        if matches!(what, 0..=2 | 9) {
            world.changes_answers(who);
        }
        world.note(|| format!("spec edit {what}/{which}"));
        world.api.edit_credential(who, |r| match what {
            0 => toggle_scope(&mut r.spec, which),
            1 | 2 => toggle_entry(&mut r.spec, &name, which),
            3 => toggle_label(&mut r.spec, which),
            4 | 5 => r.spec.suspend = !r.spec.suspend,
            6 => r.spec.client_id = format!("client-{}", which + 1),
            7 => {
                r.spec.tenant =
                    Some(["contoso.example", "contoso.alias", "fabrikam.example"][which].to_owned());
            }
            8 => r.spec.authority = [None, Some("lab"), Some("gone")][which].map(str::to_owned),
            _ => r.spec.login.secret_name = format!("c{which}-login"),
        });
    }

    fn spoil_token(world: &mut World, who: &Key) {
        let letter = world.rng.pick(&['a', 'b', 'c']);
        let at = who.sibling(format!("{}-{letter}", who.name));
        match world.rng.below(8) {
            0 | 1 => drop(world.api.remove(&at)),
            2 => Self::edit_token(world, who, letter),
            3 => world.api.edit(&at, |o| drop(o.labels.remove(LABEL_MANAGED_BY))),
            4 => world
                .api
                .edit(&at, |o| o.annotations.retain(|k, _| !k.starts_with(GROUP))),
            5 => world.api.edit(&at, |o| o.immutable = true),
            6 => {
                world.api.edit(&at, |o| o.finalizer = true);
                world.api.remove(&at);
            }
            _ => {
                world.api.remove(&at);
                world.api.put(&at, foreign("Opaque"));
            }
        }
    }

    pub fn edit_token(world: &mut World, who: &Key, letter: char) {
        let edited = ("access_token".to_owned(), b"edited".to_vec());
        let at = who.sibling(format!("{}-{letter}", who.name));
        world.api.edit(&at, |o| o.data.extend([edited]));
    }

    fn spoil_session(world: &mut World, who: &Key) {
        let (at, now) = (session_key(who), world.now());
        match world.rng.below(4) {
            0 => drop(world.api.remove(&at)),
            1 => {
                return world.api.edit(&at, |o| {
                    drop(
                        o.annotations
                            .insert(annotation::ACCOUNT.to_owned(), "edited".to_owned()),
                    );
                });
            }
            2 => {
                world.api.remove(&at);
                world.api.put(&at, foreign(REFRESH_TOKEN_TYPE));
            }
            _ => return world.api.edit(&at, |o| o.immutable = true),
        }
        world.book.reset(who, now);
    }

    fn request(world: &mut World, who: &Key) {
        let now = world.seconds();
        let text = words::written(&mut world.rng, now);
        world.note(|| format!("word: {text}"));
        world.api.edit_credential(who, |r| r.request = Some(text));
        *world.book.requests.entry(who.clone()).or_default() += 1;
    }

    fn delete_credential(&mut self, world: &mut World, who: &Key) {
        let Some(resource) = world.api.credentials.get(who).cloned() else {
            return self.return_credentials(world);
        };
        match world.rng.below(3) {
            0 => {
                world.api.remove_credential(who);
                self.returning.push((who.clone(), resource.spec));
            }
            1 => {
                world.api.remove_credential(who);
                world.api.create_credential(who, resource.spec);
            }
            _ => {
                world.api.edit_credential(who, |r| r.deleting = true);
                orphan(world, &resource.uid);
                self.orphaned.push((who.clone(), resource.spec));
            }
        }
    }

    /// The end of a deletion that keeps the Secrets, and the same credential anew.
    fn let_go(&mut self, world: &mut World) {
        for (key, spec) in std::mem::take(&mut self.orphaned) {
            world.api.remove_credential(&key);
            world.api.create_credential(&key, spec);
        }
    }

    fn return_credentials(&mut self, world: &mut World) {
        for (key, spec) in std::mem::take(&mut self.returning) {
            if !world.api.credentials.contains_key(&key) {
                world.api.create_credential(&key, spec);
            }
        }
    }

    fn back_up(&mut self, world: &mut World, who: &Key) {
        let prefix = |k: &Key| is_of(who, k) && !k.name.ends_with("-login");
        self.backup.retain(|k, _| !prefix(k));
        let Some(uid) = world.api.credentials.get(who).map(|r| r.uid.clone()) else {
            return;
        };
        let ours = |o: &Object| o.controller.as_ref().is_some_and(|c| c.uid == uid);
        let all = world.api.secrets.iter().filter(|(k, o)| prefix(k) && ours(o));
        self.backup.extend(all.map(|(k, o)| (k.clone(), o.clone())));
    }

    /// The credential and its Secrets come back from a backup, without owners.
    fn restore(&mut self, world: &mut World, who: &Key) {
        let Some(resource) = world.api.credentials.get(who).cloned() else {
            return;
        };
        world.api.remove_credential(who);
        for key in world.api.orphans() {
            world.collect(&key);
        }
        let kept: Vec<_> = self.backup.iter().map(|(k, o)| (k.clone(), o.clone())).collect();
        let now = world.now();
        for (key, mut object) in kept.into_iter().filter(|(k, _)| is_of(who, k)) {
            if world.api.secrets.contains_key(&key) {
                continue;
            }
            (object.uid, object.controller, object.deleting) = (Uid::default(), None, false);
            world.api.put(&key, object);
        }
        world.book.reset(who, now);
        world.api.create_credential(who, resource.spec);
    }

    /// The spec names sixteen token Secrets.
    pub fn name_sixteen(world: &mut World, who: &Key) {
        world.changes_answers(who);
        let scope = |letter| format!("api-{letter}/.default");
        let all = ('a'..='p').map(|letter| entry(&who.name, letter, &[&scope(letter)]));
        world.api.edit_credential(who, |r| r.spec.tokens = all.collect());
    }

    /// A new Secret with a client secret that is good.
    pub fn put_client_secret(world: &mut World, who: &Key) {
        put_anew(world, &app(who), CLIENT_SECRET_TYPE, &["value"]);
    }

    pub fn client_credential(world: &mut World, who: &Key) {
        let at = app(who);
        let secret_name = at.name.to_string();
        let credential = match world.rng.below(4) {
            0 => {
                world.changes_answers(who);
                world.api.remove(&at);
                return;
            }
            1 => {
                Self::put_client_secret(world, who);
                let key = "value".to_owned();
                ClientCredential::Secret(ClientSecretRef { secret_name, key })
            }
            2 => {
                put_anew(world, &at, TLS_TYPE, &["tls.crt", "tls.key"]);
                ClientCredential::Certificate(ClientCertificateRef { secret_name })
            }
            _ => ClientCredential::WorkloadIdentity(WorkloadIdentityRef {
                service_account_name: who.name.to_string(),
            }),
        };
        world.changes_answers(who);
        world.api.edit_credential(who, |r| {
            let given_up = r.spec.client_credential.as_ref() == Some(&credential);
            r.spec.client_credential = (!given_up).then_some(credential);
        });
    }

    /// A person puts all specs in order and removes what is in the way.
    pub fn repair(&mut self, world: &mut World) {
        world.note(|| "REPAIR".to_owned());
        world.api.let_all_go();
        world.api.terminating_since = None;
        world.excuse(PATIENCE);
        self.let_go(world);
        self.return_credentials(world);
        for who in self.keys.clone() {
            world.changes_answers(&who);
            world.api.edit_credential(&who, |r| {
                r.spec.suspend = false;
                r.spec.authority = None;
                r.spec.client_credential = None;
                r.spec.client_id = "client-1".to_owned();
                r.spec.tenant = Some("contoso.example".to_owned());
                r.spec.login.secret_name = format!("{}-login", who.name);
            });
            self.clear_the_way(world, &who);
        }
        world.trouble();
    }

    /// A person logs in again where that is needed.
    pub fn log_in(&mut self, world: &mut World) {
        world.note(|| "LOG IN".to_owned());
        world.excuse(PATIENCE);
        let lacking: Vec<_> = self
            .keys
            .iter()
            .filter(|who| !world.is_obtainable(who))
            .cloned()
            .collect();
        for user in lacking
            .iter()
            .map(|who| format!("user-{}", who.name))
            .collect::<BTreeSet<_>>()
        {
            self.new_password(world, &user);
        }
        for who in &lacking {
            Self::log_in_one(world, who);
        }
        world.trouble();
    }

    fn log_in_one(world: &mut World, who: &Key) {
        Self::put_login_anew(world, who, &format!("user-{}", who.name), true);
    }

    fn clear_the_way(&mut self, world: &mut World, who: &Key) {
        let Some(resource) = world.api.credentials.get(who).cloned() else {
            return;
        };
        let mut names: Vec<_> = resource
            .spec
            .tokens
            .iter()
            .map(|t| who.sibling(&*t.secret_name))
            .collect();
        names.push(session_key(who));
        let blocks = |w: &World, k: &Key| {
            w.api.secrets.get(k).is_some_and(|o| {
                let proven = o.controller.is_none() && o.annotations.contains_key(annotation::OWNER);
                let of_ours = |c: &Controller| c.ours;
                o.immutable || !(proven || o.controller.as_ref().is_some_and(of_ours))
            })
        };
        for at in names {
            if blocks(world, &at) {
                world.collect(&at);
            }
        }
    }
}

/// Whether a Secret's name begins as its credential's does.
fn is_of(credential: &Key, secret: &Key) -> bool {
    secret.namespace == credential.namespace && secret.name.starts_with(&*credential.name)
}

fn allow(login: &mut Object) {
    let leave = ANNOTATION_ALLOW_IDENTITY_CHANGE.to_owned();
    login.annotations.insert(leave, "true".to_owned());
}

fn allows(login: &Object) -> bool {
    login.annotations.contains_key(ANNOTATION_ALLOW_IDENTITY_CHANGE)
}

impl World {
    /// Whether a credential names that login Secret.
    fn names_login(&self, credential: &Key, login: &Key) -> bool {
        let resource = self.api.credentials.get(credential);
        resource.is_some_and(|r| credential.sibling(&*r.spec.login.secret_name) == *login)
    }

    /// A person changes something that decides how a login is answered: that sends what was kept.
    pub fn changes_answers(&mut self, credential: &Key) {
        self.book.changed_at.insert(credential.clone(), self.now());
    }

    /// A Secret is removed by somebody else than the operator.
    pub fn collect(&mut self, at: &Key) {
        let now = self.now();
        if let Some(credential) = super::book::credential_of(at) {
            self.book.reset(&credential, now);
        }
        self.note(|| format!("{} is collected", at.name));
        self.api.remove(at);
    }
}

fn orphan(world: &mut World, uid: &Uid) {
    let theirs: Vec<_> = world
        .api
        .secrets
        .iter()
        .filter(|(_, o)| {
            o.controller.as_ref().is_some_and(|c| c.uid == *uid) || o.goes_with.as_ref() == Some(uid)
        })
        .map(|(k, _)| k.clone())
        .collect();
    for key in theirs {
        world.api.edit(&key, |o| {
            o.controller = None;
            o.goes_with = None;
        });
    }
}

fn toggle_scope(spec: &mut EntraCredentialSpec, which: usize) {
    let at = which % spec.tokens.len();
    let scope = &mut spec.tokens[at].scopes[0];
    *scope = match scope.strip_suffix(".default") {
        Some(api) => format!("{api}read"),
        None => scope.replace("/read", "/.default"),
    };
}

fn toggle_entry(spec: &mut EntraCredentialSpec, name: &str, which: usize) {
    let letter = ['a', 'b', 'c'][which];
    let secret = format!("{name}-{letter}");
    match spec.tokens.iter().position(|t| t.secret_name == secret) {
        Some(at) if spec.tokens.len() > 1 => drop(spec.tokens.remove(at)),
        Some(_) => {}
        None => spec
            .tokens
            .push(entry(name, letter, &[&format!("api-{letter}/.default")])),
    }
}

fn toggle_label(spec: &mut EntraCredentialSpec, which: usize) {
    let at = which % spec.tokens.len();
    let labels = &mut spec.tokens[at].labels;
    *labels = if labels.is_empty() {
        team()
    } else {
        BTreeMap::new()
    };
}

fn team() -> BTreeMap<String, String> {
    BTreeMap::from([("team".to_owned(), "etl".to_owned())])
}
