//! The assertions that were issued, and how the cloud knows one again.
//!
//! One counts as signed if it says, name by name and text by text, what was issued. As with a real signature over
//! canonical XML, namespace declarations may move and attributes may change places, and nothing else.

use std::collections::HashMap;

use jiff::Timestamp;
use roxmltree::{Document, Node};

use super::super::journal::hex;
use super::super::signing::any_base64;
use super::saml::{Saml, Statement};

/// An assertion that the cloud trusts.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    pub(super) text: String,
    pub(crate) user: String,
    pub(crate) saml: Saml,
    pub(crate) until: Timestamp,
}

impl Issued {
    pub(super) fn new(statement: &Statement, saml: Saml) -> Self {
        Self {
            text: statement.text(saml),
            user: statement.upn.to_lowercase(),
            saml,
            until: statement.until,
        }
    }
}

/// All assertions of the federation server, by what they say.
#[derive(Debug, Default)]
pub(crate) struct Assertions {
    issued: HashMap<String, Issued>,
}

impl Assertions {
    pub(super) fn remember(&mut self, issued: Issued) {
        if let Some(meaning) = meaning(&issued.text) {
            self.issued.insert(meaning, issued);
        }
    }

    /// The assertion behind a form parameter, in base64 of either alphabet, padded or not.
    pub(crate) fn find(&self, parameter: &str) -> Option<&Issued> {
        let text = String::from_utf8(any_base64(parameter)?).ok()?;
        self.issued.get(&meaning(&text)?)
    }
}

/// A digest of resolved names, attributes and texts; `None` unless it is well-formed with all prefixes declared.
fn meaning(text: &str) -> Option<String> {
    let document = Document::parse(text).ok()?;
    let mut said = String::new();
    say(document.root(), &mut said);
    Some(hex(&said))
}

fn say(node: Node<'_, '_>, said: &mut String) {
    let name = node.tag_name();
    said.extend(["<", name.namespace().unwrap_or_default(), " ", name.name()]);
    let mut attributes: Vec<_> = node
        .attributes()
        .map(|attribute| (attribute.namespace(), attribute.name(), attribute.value()))
        .collect();
    attributes.sort_unstable();
    for (namespace, name, value) in attributes {
        said.extend(["\n", namespace.unwrap_or_default(), " ", name, "=", value]);
    }
    said.push('>');
    for child in node.children() {
        match child.text() {
            Some(text) if child.is_text() => said.push_str(text),
            _ => say(child, said),
        }
    }
    said.push_str("</>");
}
