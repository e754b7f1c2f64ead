//! What a set renders, as objects.

use std::sync::OnceLock;

use entra_lab::chart::helm::Helm;
use entra_lab::chart::sets::{MANIFESTS, SETS};
use entra_lab::chart::written::KUBERNETES;
use serde_json::Value;

/// The objects of a set.
pub(crate) type Objects = Vec<Value>;

/// All sets with their objects; rendered once.
pub(crate) fn all() -> &'static [(&'static str, Objects)] {
    static ALL: OnceLock<Vec<(&str, Objects)>> = OnceLock::new();
    ALL.get_or_init(|| {
        let objects = SETS.iter().map(|set| {
            let rendered = set.rendered(Helm::V4, KUBERNETES).unwrap();
            let parsed = rendered
                .iter()
                .flat_map(|object| object.text.split("\n---\n"))
                .map(|text| serde_saphyr::from_str(text).unwrap())
                .collect();
            (set.name, parsed)
        });
        objects.collect()
    })
}

/// The sets that render whatever the operator reads at its start.
pub(crate) fn with_config() -> impl Iterator<Item = &'static (&'static str, Objects)> {
    all().iter().filter(|(name, _)| *name != MANIFESTS)
}

pub(crate) fn set(name: &str) -> &'static Objects {
    let found = all().iter().find(|(set, _)| *set == name);
    &found.unwrap_or_else(|| panic!("no set {name}")).1
}

pub(crate) fn of_kind<'a>(objects: &'a Objects, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

/// The only object of a kind.
pub(crate) fn only<'a>(objects: &'a Objects, kind: &'a str) -> &'a Value {
    let found: Vec<_> = of_kind(objects, kind).collect();
    assert_eq!(found.len(), 1, "{kind}: {found:#?}");
    found[0]
}

pub(crate) fn deployment(objects: &Objects) -> &Value {
    only(objects, "Deployment")
}

pub(crate) fn pod(objects: &Objects) -> &Value {
    &deployment(objects)["spec"]["template"]["spec"]
}

pub(crate) fn container(objects: &Objects) -> &Value {
    &pod(objects)["containers"][0]
}

/// The value of a variable of the container.
pub(crate) fn variable<'a>(objects: &'a Objects, name: &str) -> Option<&'a str> {
    let mut variables = container(objects)["env"].as_array().into_iter().flatten();
    variables.find(|variable| variable["name"] == name)?["value"].as_str()
}
