//! What the administrator's policy does not allow is neither sent nor renewed, and nothing of it is lost.

use entra_plan::answer::Effect;
use entra_plan::policy::{Permission, Permissions};
use entra_plan::reason::Reason;
use entra_plan::record::Record;
use entra_plan::snapshot::{Claim, Login, LoginSecret, Opened, Session, Snapshot};
use entra_plan::{Step, Time};

use super::super::build::*;
use super::super::check;
use super::{decide, rests, shows, shows_at, step};

fn denied() -> Permission {
    Permission::Denied("not here; ask for it".to_owned())
}

fn target(target: Permission, s: Snapshot) -> Snapshot {
    let permissions = Permissions {
        target,
        ..Permissions::default()
    };
    Snapshot { permissions, ..s }
}

fn account_denied(s: Snapshot) -> Snapshot {
    let permissions = Permissions {
        account: denied(),
        ..Permissions::default()
    };
    Snapshot { permissions, ..s }
}

fn due() -> Snapshot {
    Snapshot {
        tokens: vec![published_token("graph", -3000)],
        ..healthy()
    }
}

fn unread(s: Snapshot) -> Snapshot {
    Snapshot {
        session: Session {
            opened: Opened::Unread,
            ..s.session
        },
        ..s
    }
}

fn free_login() -> Snapshot {
    Snapshot {
        login: Login::Present(LoginSecret {
            claim: Claim::Free,
            ..login("A")
        }),
        ..first_sight()
    }
}

#[test]
fn what_a_policy_takes_away_stays_ready_until_it_expires() {
    let s = target(denied(), healthy());
    assert_eq!(rests(&s), (Step::Blocked, Reason::NotAllowed, Some(1560)));
    assert_eq!(decide(&s).message, "not here; ask for it");
    assert_eq!(shows(&s), ["Ready", "LoggedIn", "Published"]);
    let expired: Time = NOW.plus(3000);
    assert_eq!(shows_at(&s, expired), ["LoggedIn", "Published", "Stalled"]);
    assert_eq!(
        rests(&target(denied(), unread(due()))).0,
        Step::Blocked,
        "nothing is read for it"
    );
}

#[test]
fn what_is_allowed_again_is_renewed_without_a_login() {
    assert_eq!(rests(&target(denied(), due())).1, Reason::NotAllowed);
    assert_eq!(step(&due()), Step::Redeem(names(&["graph"])));
}

#[test]
fn a_login_that_a_policy_does_not_allow_is_neither_claimed_nor_sent() {
    for s in [free_login(), with_login(Record::default())] {
        assert_eq!(
            rests(&target(denied(), s)),
            (Step::Blocked, Reason::NotAllowed, None)
        );
    }
}

#[test]
fn nothing_of_a_login_is_claimed_before_the_tenant_is_known() {
    for s in [free_login(), with_login(Record::default())] {
        assert_ne!(step(&s), Step::Resolve);
        assert_eq!(step(&target(Permission::Unresolved, s.clone())), Step::Resolve);
        let failed = Snapshot {
            failure: Some(failure(
                Effect::Transient,
                Reason::ServiceUnavailable,
                Some(NOW.plus(20)),
            )),
            ..target(Permission::Unresolved, s)
        };
        assert_eq!(decide(&failed).wake, Some(NOW.plus(20)));
        assert_eq!(check::decide(&failed, NOW.plus(20)).step, Step::Resolve);
    }
}

/// The seal says which tenant it was. Only where it does not, the tenant is asked for.
#[test]
fn a_renewal_looks_into_the_seal_before_it_asks_for_the_tenant() {
    let s = |s| target(Permission::Unresolved, s);
    assert_eq!(step(&s(unread(due()))), Step::ReadToRenew(name("graph")));
    assert_eq!(step(&s(due())), Step::Resolve);
    assert_eq!(rests(&s(healthy())).1, Reason::Fresh, "what is not due waits");
}

#[test]
fn a_renewal_for_a_user_who_is_not_allowed_is_not_made_and_is_told_once_it_is_due() {
    assert_eq!(rests(&account_denied(healthy())).1, Reason::Fresh);
    let s = account_denied(due());
    assert_eq!(rests(&s), (Step::Blocked, Reason::NotAllowed, Some(600)));
    assert_eq!(shows(&s), ["Ready", "LoggedIn", "Published"]);
    let asked = Snapshot {
        object: entra_plan::snapshot::Object {
            said: said(-1),
            ..healthy().object
        },
        ..account_denied(healthy())
    };
    assert_eq!(
        rests(&asked).1,
        Reason::NotAllowed,
        "a person's word does not lift it"
    );
}

/// Another user may sign in where the one who did may not go on.
#[test]
fn a_login_is_begun_beside_a_user_who_is_not_allowed() {
    let s = Snapshot {
        login: free_login().login,
        ..account_denied(due())
    };
    assert_eq!(step(&s), Step::ClaimLogin);
}
