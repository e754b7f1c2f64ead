//! The bounds, the names and the spans of the reader.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use Namespace::{Policy, Soap};

const ROOT: &str = "<p:r xmlns:p=\"http://schemas.xmlsoap.org/ws/2004/09/policy\" xmlns=\"http://www.w3.org/2003/05/soap-envelope\">";

fn is_read(text: &str) -> bool {
    Document::parse(text.as_bytes()).is_ok()
}

/// Attributes with these names and a number.
fn numbered(n: usize, name: &str) -> String {
    (0..n).fold(String::new(), |all, i| all + name + &i.to_string() + "='u'")
}

#[test]
fn elements_are_known_by_namespace_and_local_name() {
    let text = format!("{ROOT}<a/><p:a i=\"1\" q:Id='x&#65;'>&lt;t&gt; </p:a><b><p:c/></b></p:r>");
    let document = Document::parse(text.as_bytes()).unwrap();
    let root = document.root();
    assert!(root.is(Policy, "r") && !root.is(Soap, "r"));
    assert_eq!(root.children().count(), 3);
    let of_policy = root.named(Policy, "a").next().unwrap();
    assert_eq!(of_policy.attribute("Id").as_deref(), Some("xA"));
    assert_eq!(of_policy.text().as_deref(), Some("<t>"));
    assert_eq!(
        of_policy.verbatim(),
        Some("<p:a i=\"1\" q:Id='x&#65;'>&lt;t&gt; </p:a>")
    );
    assert_eq!(root.named(Soap, "a").next().unwrap().verbatim(), Some("<a/>"));
    assert!(root.descend(&[(Soap, "b"), (Policy, "c")]).is_some());
    assert!(root.descend(&[(Soap, "b"), (Soap, "c")]).is_none());
    assert_eq!(root.text(), None, "it holds elements");
}

#[test]
fn what_could_expand_or_instruct_is_refused() {
    for bad in [
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><a>&e;</a>",
        "<a>&e;</a>",
        "<a>&#0;</a>",
        "<a>&#xFFFFFFFF;</a>",
        "<?target?><a/>",
        "<a/><b/>",
        "<a>",
        "</a>",
        "<a></b>",
        "<a x=\"1\" x=\"2\"/>",
        "<a x=1/>",
        "text",
    ] {
        assert!(!is_read(bad), "{bad}");
    }
    assert!(is_read(
        "<?xml version=\"1.0\"?><!-- c --><a>&amp;&#65;<![CDATA[<x>]]></a>\n"
    ));
}

#[test]
fn depth_elements_and_attributes_are_bounded() {
    let nested = |n: usize| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n));
    assert!(is_read(&nested(DEPTH_MAX)) && !is_read(&nested(DEPTH_MAX + 1)));
    let many = |n: usize| format!("<r>{}</r>", "<a/>".repeat(n - 1));
    assert!(is_read(&many(ELEMENTS_MAX)) && !is_read(&many(ELEMENTS_MAX + 1)));
    let wide = |n: usize| format!("<a{}/>", numbered(n, " a"));
    assert!(is_read(&wide(ATTRIBUTES_MAX)) && !is_read(&wide(ATTRIBUTES_MAX + 1)));
}

/// The worst that 64 KiB can hold of elements, attributes and declarations.
#[test]
#[expect(clippy::disallowed_methods, reason = "a real clock shows that nothing hangs")]
fn hostile_documents_are_read_at_once() {
    let start = Instant::now();
    let attributes = numbered(60, " a");
    let declarations = numbered(60, " xmlns:p");
    for part in [
        "<a/>",
        "<a></a>",
        "<!---->",
        "&amp;",
        &format!("<a{attributes}/>"),
        &format!("<a{declarations}/>"),
    ] {
        let text = format!("<r>{}</r>", part.repeat(64 * 1024 / part.len()));
        if let Ok(document) = Document::parse(text.as_bytes()) {
            assert_eq!(document.root().named(Soap, "a").count(), 0);
        }
    }
    assert!(!is_read(&"<a>".repeat(20_000)));
    assert!(!is_read(&"<".repeat(64 * 1024)));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

proptest! {
    #[test]
    fn walks_end_and_spans_hold(text in "(<[ab]( x='[a&;]{0,3}')?/?>|</[ab]>|[t&; ]{0,3}){0,30}") {
        let Ok(document) = Document::parse(text.as_bytes()) else { return Ok(()) };
        for node in document.root().family() {
            let whole = node.verbatim().unwrap();
            prop_assert!(whole.starts_with('<') && whole.ends_with('>'));
            prop_assert!(node.children().count() < 30);
            let _seen = (node.text(), node.attribute("x"), node.declared_around().count());
        }
    }
}
