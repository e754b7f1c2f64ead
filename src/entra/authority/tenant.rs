//! Which tenants an authority takes; what the password grant cannot use is refused.

use super::kind::Tenancy;
use super::misconfigured;
use crate::reconcile::ports::AuthorityRefused;

/// Longest tenant text: a DNS name (RFC 1035 §2.3.4).
const TENANT_MAX: usize = 253;

/// Tenant of personal Microsoft accounts, which cannot use the password grant.
const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// The tenant itself if the authority takes it; empty where there is none.
pub(super) fn check(tenancy: Tenancy, tenant: Option<&str>) -> Result<&str, AuthorityRefused> {
    match (tenancy, tenant) {
        (Tenancy::Absent, None) => Ok(""),
        (Tenancy::Absent, Some(_)) => Err(misconfigured(
            "this authority has no tenants: remove spec.tenant".to_owned(),
        )),
        (_, None) => Err(misconfigured(
            "this authority needs a tenant: set spec.tenant to the tenant's GUID or domain".to_owned(),
        )),
        (Tenancy::Organizations, Some(tenant)) => usable(tenant),
        (Tenancy::Named, Some(tenant)) => named(usable(tenant)?),
    }
}

fn named(tenant: &str) -> Result<&str, AuthorityRefused> {
    if tenant.eq_ignore_ascii_case("organizations") {
        return Err(misconfigured(
            "this authority does not know organizations: set spec.tenant to the tenant's GUID or domain"
                .to_owned(),
        ));
    }
    Ok(tenant)
}

/// A GUID, a DNS name or `organizations`.
fn usable(tenant: &str) -> Result<&str, AuthorityRefused> {
    if !is_well_formed(tenant) {
        return Err(misconfigured(
            "tenant must be a GUID, a domain or organizations".to_owned(),
        ));
    }
    if ["common", "consumers", CONSUMERS]
        .iter()
        .any(|t| tenant.eq_ignore_ascii_case(t))
    {
        return Err(misconfigured(
            "user name and password sign-in works for work and school accounts only: write the tenant's GUID, its \
             domain, or organizations"
                .to_owned(),
        ));
    }
    Ok(tenant)
}

/// One path segment that needs no escaping and is none of `.` and `..`.
fn is_well_formed(tenant: &str) -> bool {
    (1..=TENANT_MAX).contains(&tenant.len())
        && tenant.split('.').all(|label| !label.is_empty())
        && tenant
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(tenancy: Tenancy, tenant: Option<&str>) -> String {
        check(tenancy, tenant).unwrap_err().message
    }

    #[test]
    fn nothing_can_be_injected_through_the_tenant() {
        for bad in [
            "", ".", "..", "a/b", "a?b", "a#b", "a%2fb", "a@b", "a:b", "a b", "ä", "a..b",
        ] {
            for tenancy in [Tenancy::Organizations, Tenancy::Named] {
                assert!(check(tenancy, Some(bad)).is_err(), "{bad}");
            }
        }
    }

    #[test]
    fn tenants_of_personal_accounts_are_refused() {
        for bad in ["common", "Consumers", "9188040D-6C67-4C5B-B112-36A304B66DAD"] {
            for tenancy in [Tenancy::Organizations, Tenancy::Named] {
                assert!(
                    refusal(tenancy, Some(bad)).contains("work and school accounts"),
                    "{bad}"
                );
            }
        }
    }

    #[test]
    fn organizations_is_known_where_the_user_name_finds_the_tenant() {
        assert_eq!(
            check(Tenancy::Organizations, Some("organizations")),
            Ok("organizations")
        );
        assert!(refusal(Tenancy::Named, Some("Organizations")).contains("GUID or domain"));
    }

    #[test]
    fn a_tenant_too_much_or_too_few_says_what_to_write() {
        assert_eq!(check(Tenancy::Absent, None), Ok(""));
        assert!(refusal(Tenancy::Absent, Some("contoso.example")).contains("remove spec.tenant"));
        for tenancy in [Tenancy::Organizations, Tenancy::Named] {
            assert!(refusal(tenancy, None).contains("set spec.tenant"));
            assert_eq!(check(tenancy, Some("contoso.example")), Ok("contoso.example"));
        }
    }
}
