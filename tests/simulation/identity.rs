//! Who an answer says that it is for: of three kinds of identifiers any, and sometimes none.

use entra_operator::plan::answer::Account;
use entra_operator::plan::identity::Pin;

use super::rng::Rng;

/// Prefix of what stands for an account in a tenant.
const OBJECT: &str = "oid-";

/// Prefix of what stands for an account at an issuer.
const SUBJECT: &str = "sub-";

/// Of a thousand answers so many lack a given kind.
const LACKING: u32 = 300;

/// All identifiers of an account in a tenant.
pub fn all(account: &str, tenant: &str) -> Account {
    Account {
        home_account_id: format!("{account}.{tenant}"),
        object_id: format!("{OBJECT}{account}"),
        tenant_id: tenant.to_owned(),
        issuer: format!("https://{tenant}.example"),
        subject: format!("{SUBJECT}{account}"),
        username: account.to_owned(),
    }
}

/// What an answer says of them.
pub fn some(rng: &mut Rng, account: &str, tenant: &str) -> Option<Account> {
    let mut named = all(account, tenant);
    if rng.chance(LACKING) {
        named.home_account_id.clear();
    }
    if rng.chance(LACKING) {
        named.object_id.clear();
        named.tenant_id.clear();
    }
    if rng.chance(LACKING) {
        named.subject.clear();
        named.issuer.clear();
    }
    let says = !rng.chance(LACKING / 4);
    says.then_some(named)
}

/// Whether a pin names an account, and not only a user.
pub fn is_named(pin: &Pin) -> bool {
    let a = &pin.account;
    !(a.home_account_id.is_empty() && a.object_id.is_empty() && a.subject.is_empty())
}

/// The account that a pin stands for: by any of its identifiers, else by the user name.
pub fn account_of(pin: &Pin) -> String {
    let a = &pin.account;
    let home = a.home_account_id.split('.').next().filter(|id| !id.is_empty());
    let object = a.object_id.strip_prefix(OBJECT);
    let subject = a.subject.strip_prefix(SUBJECT);
    home.or(object)
        .or(subject)
        .map_or_else(|| format!("id-{}", pin.user), str::to_owned)
}
