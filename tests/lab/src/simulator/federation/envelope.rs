//! Reads the SOAP envelope of a token request into its texts; judging them is the server's business.
//!
//! Absent parts are empty. The two spellings of `MessageID` are those that MSAL libraries send.

use std::collections::BTreeSet;

use roxmltree::{Document, Node};

use super::super::form::Form;

pub(super) const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
pub(super) const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
pub(super) const POLICY: &str = "http://schemas.xmlsoap.org/ws/2004/09/policy";
pub(super) const SECURITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
pub(super) const UTILITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";

/// What a request for a token says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Envelope {
    pub(super) action: String,
    pub(super) message_id: String,
    pub(super) to: String,
    pub(super) created: String,
    pub(super) expires: String,
    pub(super) username: String,
    pub(super) password: String,
    /// Namespace of the request element.
    pub(super) trust: String,
    pub(super) key_type: String,
    pub(super) request_type: String,
    pub(super) applies_to: String,
    /// Names of all elements, sorted, each once.
    elements: String,
}

impl Envelope {
    /// `None` unless it is well-formed SOAP 1.2.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let document = Document::parse(std::str::from_utf8(body).ok()?).ok()?;
        let root = document.root_element();
        if !root.has_tag_name((SOAP, "Envelope")) {
            return None;
        }
        let header = child(root, SOAP, "Header")?;
        let request = child(root, SOAP, "Body")?.first_element_child()?;
        Some(
            Self {
                action: text(header, &[(ADDRESSING, "Action")]),
                message_id: ["MessageID", "messageID"]
                    .map(|name| text(header, &[(ADDRESSING, name)]))
                    .concat(),
                to: text(header, &[(ADDRESSING, "To")]),
                elements: elements(root),
                ..Self::default()
            }
            .with_security(header)
            .with_request(request),
        )
    }

    fn with_security(self, header: Node<'_, '_>) -> Self {
        let security = (SECURITY, "Security");
        let stamp = |name| text(header, &[security, (UTILITY, "Timestamp"), (UTILITY, name)]);
        let token = |name| text(header, &[security, (SECURITY, "UsernameToken"), (SECURITY, name)]);
        Self {
            created: stamp("Created"),
            expires: stamp("Expires"),
            username: token("Username"),
            password: token("Password"),
            ..self
        }
    }

    fn with_request(self, request: Node<'_, '_>) -> Self {
        let trust = request.tag_name().namespace().unwrap_or_default();
        let applies_to = [
            (POLICY, "AppliesTo"),
            (ADDRESSING, "EndpointReference"),
            (ADDRESSING, "Address"),
        ];
        Self {
            trust: trust.to_owned(),
            key_type: text(request, &[(trust, "KeyType")]),
            request_type: text(request, &[(trust, "RequestType")]),
            applies_to: text(request, &applies_to),
            ..self
        }
    }

    /// What the journal and the fault rules see of it.
    pub(crate) fn summary(&self) -> Form {
        Form::of([
            ("action", &self.action),
            ("to", &self.to),
            ("appliesTo", &self.applies_to),
            ("keyType", &self.key_type),
            ("requestType", &self.request_type),
            ("elements", &self.elements),
            ("username", &self.username),
            ("password", &self.password),
        ])
    }
}

fn elements(root: Node<'_, '_>) -> String {
    let elements = root.descendants().filter(Node::is_element);
    let names: BTreeSet<_> = elements.map(|element| element.tag_name().name()).collect();
    names.into_iter().collect::<Vec<_>>().join(" ")
}

fn child<'a, 'input>(parent: Node<'a, 'input>, namespace: &str, name: &str) -> Option<Node<'a, 'input>> {
    parent
        .children()
        .find(|node| node.has_tag_name((namespace, name)))
}

/// The text at the end of a path of (namespace, name), empty if there is none.
fn text(start: Node<'_, '_>, path: &[(&str, &str)]) -> String {
    let step = |node, (namespace, name): &(&str, &str)| child(node, namespace, name);
    let end = path.iter().try_fold(start, step);
    end.and_then(|node| node.text()).unwrap_or_default().to_owned()
}
