//! Login Secrets that still are there, and their claims.

use entra_operator::api::LOGIN_TYPE;
use entra_operator::plan::metadata::Uid;
use entra_operator::reconcile::annotations;
use entra_operator::reconcile::ports::{Owner, Vault};
use kube::ResourceExt as _;

use crate::form::each;

#[test]
fn a_login_is_read_and_belongs_to_whom_it_belonged() {
    let mut logins = 0;
    each(|form, known, credential| {
        let Some(secret) = form.secret(&credential.spec.login.secret_name) else {
            return;
        };
        assert_eq!(secret.kind, LOGIN_TYPE);
        let typed = known.contents.last().unwrap();
        let login = form.vault().read_login(&known.name, &secret.data).unwrap();
        assert_eq!(
            (login.username.expose(), login.password.expose()),
            (&*typed.username, &*typed.password)
        );
        let owner = Owner {
            name: known.name.clone(),
            uid: Uid(credential.uid().unwrap()),
        };
        assert_eq!(
            annotations::claimant(&secret.meta),
            Some(owner),
            "{} {}",
            form.name,
            known.name
        );
        let told = annotations::last_login(&form.session(&known.name).meta).unwrap();
        assert_eq!(told.login_uid.as_ref(), Some(&secret.meta.uid));
        logins += 1;
    });
    assert!(logins >= 8, "{logins}");
}
