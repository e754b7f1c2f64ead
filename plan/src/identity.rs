//! Whose a session is: the pin, and whether an answer is for somebody else.
//!
//! # Guarantees
//!
//! - A pin is never empty: it holds the user name that was sent.
//! - Identifiers are compared kind by kind: `uid.utid` (MSAL's account key), `tid` with `oid` (Entra's id_token), `iss` with
//!   `sub` (OpenID Connect Core 1.0 §2). An answer that shares no kind with the pin names nobody.
//! - Completing a pin changes no account: the tag, by which published tokens are told, stays.

use crate::answer::Account;

/// The account that a stored session belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pin {
    /// User name that was sent, in lower case.
    pub user: String,
    /// What answers named so far.
    pub account: Account,
    /// Keyed hash that stands for the account on published tokens. Given at the login, kept while the account is the same.
    pub tag: AccountTag,
}

/// Keyed hash of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountTag(pub String);

/// What an answer says of a pinned account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// It is the same.
    Same,
    /// It is another one.
    Another,
    /// The answer shares no kind of identifier with the pin.
    Nobody,
}

impl Pin {
    /// Whom `answered` names, seen from this pin.
    pub fn names(&self, answered: Option<&Account>) -> Names {
        let Some(answered) = answered else {
            return Names::Nobody;
        };
        let kinds = shared(&self.account, answered);
        if kinds.contains(&Some(false)) {
            Names::Another
        } else if kinds.contains(&Some(true)) {
            Names::Same
        } else {
            Names::Nobody
        }
    }

    /// Whether a sign-in of `user` that was answered so belongs to another account: an answer that names nobody is taken
    /// only under the pinned user name.
    pub fn is_another_login(&self, user: &str, answered: Option<&Account>) -> bool {
        match self.names(answered) {
            Names::Same => false,
            Names::Another => true,
            Names::Nobody => self.user != user,
        }
    }

    /// The pin of an accepted login of `user`, after the one `before`: where the account is the same it keeps its tag, so
    /// that nothing becomes due by it. `tag` makes the tag of another account.
    pub fn of_login(
        before: Option<&Self>,
        user: &str,
        answered: Option<&Account>,
        tag: impl FnOnce(&Account) -> AccountTag,
    ) -> Self {
        let user = user.to_owned();
        if let Some(pin) = before.filter(|pin| !pin.is_another_login(&user, answered)) {
            return Self {
                user,
                ..pin.completed(answered)
            };
        }
        let account = answered.cloned().unwrap_or_default();
        Self {
            tag: tag(&account),
            user,
            account,
        }
    }

    /// The pin with what `answered` adds to it.
    #[must_use]
    pub fn completed(&self, answered: Option<&Account>) -> Self {
        let mut pin = self.clone();
        let Some(answered) = answered else { return pin };
        let own = &mut pin.account;
        if own.home_account_id.is_empty() {
            own.home_account_id.clone_from(&answered.home_account_id);
        }
        if own.object_id.is_empty() {
            own.object_id.clone_from(&answered.object_id);
            own.tenant_id.clone_from(&answered.tenant_id);
        }
        if own.subject.is_empty() {
            own.subject.clone_from(&answered.subject);
            own.issuer.clone_from(&answered.issuer);
        }
        if own.username.is_empty() {
            own.username.clone_from(&answered.username);
        }
        pin
    }
}

/// One name for an account: the first kind of identifier that is known of it, without any the user name that was sent.
///
/// In the first form of a session one kind stood in for another in this way. Nobody is compared by it.
pub fn one_name(account: &Account, user: &str) -> String {
    let (home, object, tenant) = (
        account.home_account_id.as_str(),
        account.object_id.as_str(),
        account.tenant_id.as_str(),
    );
    match (home, object, tenant, account.subject.as_str()) {
        ("", "", _, "") => user.to_owned(),
        ("", "", _, subject) => subject.to_owned(),
        ("", object, "", _) => object.to_owned(),
        ("", object, tenant, _) => format!("{object}.{tenant}"),
        (home, ..) => home.to_owned(),
    }
}

/// For each kind of identifier that both have: whether it is the same.
fn shared(a: &Account, b: &Account) -> [Option<bool>; 3] {
    [
        both(&a.home_account_id, &b.home_account_id).then(|| same(&a.home_account_id, &b.home_account_id)),
        both(&a.object_id, &b.object_id)
            .then(|| same(&a.object_id, &b.object_id) && alike(&a.tenant_id, &b.tenant_id)),
        both(&a.subject, &b.subject).then(|| a.subject == b.subject && alike(&a.issuer, &b.issuer)),
    ]
}

const fn both(a: &str, b: &str) -> bool {
    !a.is_empty() && !b.is_empty()
}

fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Equal as far as both are known.
fn alike(a: &str, b: &str) -> bool {
    !both(a, b) || same(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(home: &str, object: &str, tenant: &str, subject: &str) -> Account {
        Account {
            home_account_id: home.to_owned(),
            object_id: object.to_owned(),
            tenant_id: tenant.to_owned(),
            subject: subject.to_owned(),
            ..Account::default()
        }
    }

    fn pin(account: Account) -> Pin {
        Pin {
            user: "svc@contoso.example".to_owned(),
            account,
            tag: AccountTag("tag".to_owned()),
        }
    }

    #[test]
    fn an_account_is_called_by_the_first_kind_of_identifier_that_is_known() {
        let called = |home, object, tenant, subject| one_name(&account(home, object, tenant, subject), "svc");
        assert_eq!(called("h.t", "o", "t", "s"), "h.t");
        assert_eq!(called("", "o", "t", "s"), "o.t");
        assert_eq!(called("", "o", "", "s"), "o");
        assert_eq!(called("", "", "t", "s"), "s");
        assert_eq!(called("", "", "t", ""), "svc");
    }

    #[test]
    fn identifiers_are_compared_kind_by_kind() {
        let pinned = pin(account("u.t", "o", "t", "s"));
        for same in [
            account("u.t", "", "", ""),
            account("U.T", "", "", ""),
            account("", "o", "T", ""),
            account("", "o", "", ""),
            account("", "", "", "s"),
        ] {
            assert_eq!(pinned.names(Some(&same)), Names::Same, "{same:?}");
        }
        for other in [
            account("v.t", "", "", ""),
            account("u.t", "o", "t2", ""),
            account("", "o2", "t", ""),
            account("", "", "", "S"),
        ] {
            assert_eq!(pinned.names(Some(&other)), Names::Another, "{other:?}");
        }
    }

    #[test]
    fn who_shares_no_kind_is_nobody() {
        let pinned = pin(account("", "", "", "s"));
        assert_eq!(pinned.names(Some(&account("u.t", "o", "t", ""))), Names::Nobody);
        assert_eq!(pinned.names(None), Names::Nobody);
    }

    #[test]
    fn a_login_that_names_nobody_counts_under_its_user_name_only() {
        let pinned = pin(Account::default());
        assert!(!pinned.is_another_login("svc@contoso.example", None));
        assert!(pinned.is_another_login("other@contoso.example", None));
        assert!(
            !pin(account("u.t", "", "", "")).is_another_login("renamed", Some(&account("u.t", "", "", "")))
        );
    }

    #[test]
    fn a_completed_pin_keeps_its_tag_and_what_it_had() {
        let pinned = pin(account("", "", "", "s"));
        let completed = pinned.completed(Some(&account("u.t", "o", "t", "other")));
        assert_eq!(completed.account, account("u.t", "o", "t", "s"));
        assert_eq!(completed.tag, pinned.tag);
        assert_eq!(completed.user, pinned.user);
    }
}
