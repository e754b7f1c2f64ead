//! Scopes of a request: the reserved ones, and those of exactly one resource.
//!
//! `resource/.default` stands for everything consented; a bare name belongs to Microsoft Graph.

use super::directory::Directory;
use super::error::Refusal;
use super::world::{Application, GRAPH, Resource};

const RESERVED: &[&str] = &["openid", "profile", "email", "offline_access"];

/// A checked scope parameter.
#[derive(Debug, Clone)]
pub(crate) struct Scopes {
    pub(crate) resource: Resource,
    /// Scope names without the resource, as granted.
    pub(crate) names: Vec<String>,
    /// The scopes of the resource as the client spelled them.
    asked: Vec<String>,
    pub(crate) openid: bool,
    pub(crate) offline: bool,
}

impl Scopes {
    /// Checks a scope parameter for `application`.
    pub(crate) fn check(
        text: &str,
        application: &Application,
        directory: &Directory,
    ) -> Result<Self, Refusal> {
        let (reserved, asked): (Vec<&str>, Vec<&str>) = text.split_whitespace().partition(is_reserved);
        let parts = asked
            .iter()
            .map(|scope| split(scope))
            .collect::<Result<Vec<_>, _>>()?;
        let resource = one_resource(&parts, application, directory)?;
        let names = granted(&parts, resource)?;
        Ok(Self {
            names,
            asked: asked.into_iter().map(str::to_owned).collect(),
            ..Self::reserved(&reserved, resource.clone())
        })
    }

    /// Scopes at a B2C policy, where the client id stands for an access token for the application itself.
    pub(crate) fn of_b2c(
        text: &str,
        application: &Application,
        directory: &Directory,
    ) -> Result<Self, Refusal> {
        let own = |scope: &&str| scope.eq_ignore_ascii_case(&application.client_id);
        let (asked, others): (Vec<&str>, Vec<&str>) = text.split_whitespace().partition(own);
        if asked.is_empty() && !others.iter().all(is_reserved) {
            return Self::check(text, application, directory);
        }
        let resource = Resource {
            app_id: application.client_id.clone(),
            ..Resource::new(&application.client_id, &[])
        };
        Ok(Self::reserved(&others, resource))
    }

    /// Scopes at an issuer that takes any: all are granted for one API, which has the name of the issuer.
    pub(crate) fn free(text: &str, issuer: &str) -> Self {
        let (reserved, asked): (Vec<&str>, Vec<&str>) = text.split_whitespace().partition(is_reserved);
        let resource = Resource {
            app_id: issuer.to_owned(),
            ..Resource::new(issuer, &asked)
        };
        let asked: Vec<String> = asked.into_iter().map(str::to_owned).collect();
        Self {
            names: asked.clone(),
            asked,
            ..Self::reserved(&reserved, resource)
        }
    }

    fn reserved(words: &[&str], resource: Resource) -> Self {
        let has = |wanted: &str| words.iter().any(|word| word.eq_ignore_ascii_case(wanted));
        Self {
            resource,
            names: Vec::new(),
            asked: Vec::new(),
            openid: has("openid"),
            offline: has("offline_access"),
        }
    }

    /// What the answer says was granted; `offline_access` is never repeated.
    pub(crate) fn echo(&self) -> String {
        let mut words: Vec<String> = self.names.iter().map(|name| self.spelled(name)).collect();
        for asked in &self.asked {
            if !words.iter().any(|word| word.eq_ignore_ascii_case(asked)) {
                words.push(asked.clone());
            }
        }
        if self.openid {
            words.extend(["email", "openid", "profile"].map(str::to_owned));
        }
        words.join(" ")
    }

    /// Scopes of Graph come back bare if they were asked for so.
    fn spelled(&self, name: &str) -> String {
        if self.asked.iter().any(|asked| asked.eq_ignore_ascii_case(name)) {
            name.to_owned()
        } else {
            format!("{}/{name}", self.resource.id.trim_end_matches('/'))
        }
    }
}

fn is_reserved(scope: &&str) -> bool {
    RESERVED
        .iter()
        .any(|reserved| reserved.eq_ignore_ascii_case(scope))
}

/// Resource and name of one scope.
fn split(scope: &str) -> Result<(&str, &str), Refusal> {
    let legal = scope
        .chars()
        .all(|char| char.is_ascii_graphic() && !"\"\\<>{}".contains(char));
    let (resource, name) = scope.rsplit_once('/').unwrap_or((GRAPH, scope));
    if legal && !name.is_empty() && !resource.ends_with(':') && !resource.ends_with(":/") {
        Ok((resource, name))
    } else {
        Err(invalid(scope))
    }
}

fn invalid(scope: &str) -> Refusal {
    let text = format!(
        "The provided request must include a 'scope' input parameter. The provided value for the input \
         parameter 'scope' is not valid. The scope {scope} is not valid."
    );
    Refusal::of(70011).text(&text)
}

fn one_resource<'d>(
    parts: &[(&str, &str)],
    application: &Application,
    directory: &'d Directory,
) -> Result<&'d Resource, Refusal> {
    let first = parts.first().map_or(GRAPH, |(resource, _)| *resource);
    let same = |other: &str| {
        other
            .trim_end_matches('/')
            .eq_ignore_ascii_case(first.trim_end_matches('/'))
    };
    if !parts.iter().all(|(resource, _)| same(resource)) {
        return Err(Refusal::of(28000));
    }
    let unknown =
        || Refusal::of(500011).text(&format!("The resource principal named {first} was not found."));
    let resource = directory.resource(first).ok_or_else(unknown)?;
    if !resource.enabled {
        return Err(Refusal::of(500014));
    }
    if application.may_ask_for(&resource.id) {
        Ok(resource)
    } else {
        Err(Refusal::of(650057))
    }
}

fn granted(parts: &[(&str, &str)], resource: &Resource) -> Result<Vec<String>, Refusal> {
    let default = parts.iter().filter(|(_, name)| *name == ".default").count();
    if default > 0 && default < parts.len() {
        return Err(invalid("with .default and named scopes of the same resource"));
    }
    if default > 0 {
        return Ok(resource.scopes.clone());
    }
    parts.iter().map(|(_, name)| published(resource, name)).collect()
}

fn published(resource: &Resource, name: &str) -> Result<String, Refusal> {
    let found = resource
        .scopes
        .iter()
        .find(|scope| scope.eq_ignore_ascii_case(name));
    found.cloned().ok_or_else(|| invalid(name))
}
