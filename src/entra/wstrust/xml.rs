//! A small read-only view of an XML document from elsewhere: elements in document order, and where their bytes are.
//!
//! # Guarantees
//!
//! - No DTD, no processing instruction, no entity beyond the five of XML 1.0 §4.6: nothing expands, nothing is fetched.
//! - At most [`DEPTH_MAX`] levels, [`ELEMENTS_MAX`] elements and [`ATTRIBUTES_MAX`] attributes of one element. Nothing
//!   recurses, and no text is copied before it is asked for.

use std::borrow::Cow;
use std::ops::Range;

use quick_xml::NsReader;
use quick_xml::escape::{resolve_xml_entity, unescape};
use quick_xml::events::attributes::{Attribute, Attributes};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;

use super::namespace::Namespace;

/// Most levels: the policies in AD FS's metadata nest some ten, a signed assertion in its envelope some fifteen.
const DEPTH_MAX: usize = 64;

/// Most elements: the metadata of AD FS, 52 kB in all, has some hundreds.
const ELEMENTS_MAX: usize = 8192;

/// Most attributes of one element, declarations of namespaces included: the root of AD FS's metadata has 19.
const ATTRIBUTES_MAX: usize = 64;

/// A document that is not well-formed, or goes beyond the bounds. Names nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the document is not XML that can be read")]
pub(super) struct Malformed;

/// A well-formed document within the bounds.
#[derive(Default)]
pub(super) struct Document<'t> {
    text: &'t str,
    elements: Vec<Element<'t>>,
}

/// One element. Its descendants follow it, up to `next`.
struct Element<'t> {
    namespace: Option<Namespace>,
    /// What the start tag holds: name and attributes.
    tag: &'t str,
    name_length: usize,
    /// From `<` of the start tag to `>` of the end tag.
    whole: Range<usize>,
    /// Between the tags.
    inner: Range<usize>,
    next: usize,
}

impl<'t> Document<'t> {
    /// Reads bytes that must be UTF-8; a byte order mark is skipped.
    pub(super) fn parse(bytes: &'t [u8]) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(bytes).map_err(|_| Malformed)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reading = Reading {
            document: Document {
                text,
                elements: Vec::new(),
            },
            open: Vec::new(),
        };
        reading.run()?;
        Ok(reading.document)
    }

    /// The outermost element.
    pub(super) const fn root(&self) -> Node<'_, 't> {
        Node {
            document: self,
            at: 0,
        }
    }
}

/// A document that is being read, and the elements that are open.
struct Reading<'t> {
    document: Document<'t>,
    open: Vec<usize>,
}

impl Reading<'_> {
    fn run(&mut self) -> Result<(), Malformed> {
        let mut reader = NsReader::from_str(self.document.text);
        loop {
            let start = offset(reader.buffer_position())?;
            let (namespace, event) = read(&mut reader)?;
            let end = offset(reader.buffer_position())?;
            match event {
                Event::Start(tag) => self.begin(namespace, &tag, start..end)?,
                Event::Empty(tag) => {
                    self.begin(namespace, &tag, start..end)?;
                    self.end(end..end)?;
                }
                Event::End(_) => self.end(start..end)?,
                Event::GeneralRef(reference) => check_reference(&reference)?,
                Event::Text(_) | Event::CData(_) | Event::Comment(_) | Event::Decl(_) => {}
                Event::PI(_) | Event::DocType(_) => return Err(Malformed),
                Event::Eof => return self.finish(),
            }
        }
    }

    fn begin(
        &mut self,
        namespace: Option<Namespace>,
        tag: &BytesStart<'_>,
        span: Range<usize>,
    ) -> Result<(), Malformed> {
        let second_root = self.open.is_empty() && !self.document.elements.is_empty();
        if second_root || self.open.len() >= DEPTH_MAX || self.document.elements.len() >= ELEMENTS_MAX {
            return Err(Malformed);
        }
        check_attributes(tag)?;
        let inside = span.start.saturating_add(1);
        let content = inside..inside.saturating_add(tag.len());
        self.open.push(self.document.elements.len());
        self.document.elements.push(Element {
            namespace,
            tag: self.document.text.get(content).ok_or(Malformed)?,
            name_length: tag.name().into_inner().len(),
            inner: span.end..span.end,
            whole: span,
            next: 0,
        });
        Ok(())
    }

    fn end(&mut self, span: Range<usize>) -> Result<(), Malformed> {
        let next = self.document.elements.len();
        let at = self.open.pop().ok_or(Malformed)?;
        let element = self.document.elements.get_mut(at).ok_or(Malformed)?;
        element.inner.end = span.start;
        element.whole.end = span.end;
        element.next = next;
        Ok(())
    }

    fn finish(&self) -> Result<(), Malformed> {
        if self.open.is_empty() && !self.document.elements.is_empty() {
            Ok(())
        } else {
            Err(Malformed)
        }
    }
}

/// The next event, and the namespace of its element if that is one of ours.
fn read<'t>(reader: &mut NsReader<&'t [u8]>) -> Result<(Option<Namespace>, Event<'t>), Malformed> {
    let (resolved, event) = reader.read_resolved_event().map_err(|_| Malformed)?;
    let namespace = match resolved {
        ResolveResult::Bound(namespace) => Namespace::of(namespace.into_inner()),
        ResolveResult::Unbound | ResolveResult::Unknown(_) => None,
    };
    Ok((namespace, event))
}

fn offset(position: u64) -> Result<usize, Malformed> {
    usize::try_from(position).map_err(|_| Malformed)
}

fn check_attributes(tag: &BytesStart<'_>) -> Result<(), Malformed> {
    let mut count = 0_usize;
    for attribute in tag.attributes() {
        attribute.map_err(|_| Malformed)?;
        count = count.saturating_add(1);
        if count > ATTRIBUTES_MAX {
            return Err(Malformed);
        }
    }
    Ok(())
}

fn check_reference(reference: &BytesRef<'_>) -> Result<(), Malformed> {
    let known = if reference.is_char_ref() {
        matches!(reference.resolve_char_ref(), Ok(Some(_)))
    } else {
        resolve_xml_entity(reference).is_some()
    };
    if known { Ok(()) } else { Err(Malformed) }
}

/// An element of a document.
#[derive(Clone, Copy)]
pub(super) struct Node<'d, 't> {
    document: &'d Document<'t>,
    at: usize,
}

impl<'d, 't> Node<'d, 't> {
    /// Whether it has this name.
    pub(super) fn is(self, namespace: Namespace, name: &str) -> bool {
        self.element()
            .is_some_and(|element| element.namespace == Some(namespace) && element.local_name() == name)
    }

    /// Its name without the prefix.
    pub(super) fn local_name(self) -> Option<&'t str> {
        self.element().map(Element::local_name)
    }

    /// Its child elements.
    pub(super) fn children(self) -> impl Iterator<Item = Self> + use<'d, 't> {
        let end = self.next();
        let first = Some(self.at.saturating_add(1));
        let siblings = std::iter::successors(first, move |at| Some(self.sibling(*at).next()));
        siblings
            .take_while(move |at| *at < end)
            .map(move |at| self.sibling(at))
    }

    /// Its child elements of this name.
    pub(super) fn named<'n>(
        self,
        namespace: Namespace,
        name: &'n str,
    ) -> impl Iterator<Item = Self> + use<'d, 't, 'n> {
        self.children().filter(move |child| child.is(namespace, name))
    }

    /// The first descendant on this path of names.
    pub(super) fn descend(self, path: &[(Namespace, &str)]) -> Option<Self> {
        path.iter().try_fold(self, |node, (namespace, name)| {
            node.named(*namespace, name).next()
        })
    }

    /// Value of the attribute with this local name, whatever its prefix.
    pub(super) fn attribute(self, name: &str) -> Option<String> {
        let mut attributes = self.element()?.attributes();
        let found = attributes.find(|attribute| attribute.key.local_name().into_inner() == name)?;
        unescape(&found.value).ok().map(Cow::into_owned)
    }

    /// Its text without white space around it; `None` if it holds anything but text.
    pub(super) fn text(self) -> Option<String> {
        let inner = self.document.text.get(self.element()?.inner.clone())?;
        if inner.contains('<') {
            return None;
        }
        unescape(inner.trim()).ok().map(Cow::into_owned)
    }

    /// Its bytes, tags included, exactly as they came.
    pub(super) fn verbatim(self) -> Option<&'t str> {
        self.document.text.get(self.element()?.whole.clone())
    }

    /// The name as written, with its prefix.
    pub(super) fn qualified_name(self) -> Option<&'t str> {
        let element = self.element()?;
        element.tag.get(..element.name_length)
    }

    /// The declarations of namespaces around it, the nearest first: prefix (empty: the default) and value as written.
    pub(super) fn declared_around(self) -> impl Iterator<Item = (&'t str, Cow<'t, str>)> + use<'d, 't> {
        let around = self.document.elements.get(..self.at).unwrap_or_default();
        let ancestors = around.iter().rev().filter(move |other| other.next > self.at);
        ancestors.flat_map(Element::declarations)
    }

    /// Whether its own start tag declares this prefix.
    pub(super) fn declares(self, prefix: &str) -> bool {
        self.element()
            .is_some_and(|element| element.declarations().any(|(own, _)| own == prefix))
    }

    /// It and everything below it.
    pub(super) fn family(self) -> impl Iterator<Item = Self> + use<'d, 't> {
        (self.at..self.next()).map(move |at| self.sibling(at))
    }

    fn element(self) -> Option<&'d Element<'t>> {
        self.document.elements.get(self.at)
    }

    /// Index after its last descendant; always further on, so that a walk ends.
    fn next(self) -> usize {
        let next = self.element().map_or(0, |element| element.next);
        next.max(self.at.saturating_add(1))
    }

    const fn sibling(self, at: usize) -> Self {
        Self {
            document: self.document,
            at,
        }
    }
}

impl<'t> Element<'t> {
    fn local_name(&self) -> &'t str {
        let name = self.tag.get(..self.name_length).unwrap_or_default();
        name.split_once(':').map_or(name, |(_, local)| local)
    }

    fn attributes(&self) -> impl Iterator<Item = Attribute<'t>> + use<'t> {
        Attributes::new(self.tag, self.name_length).flatten()
    }

    fn declarations(&self) -> impl Iterator<Item = (&'t str, Cow<'t, str>)> + use<'t> {
        self.attributes().filter_map(declaration)
    }
}

/// Prefix and value of an attribute that declares a namespace.
fn declaration(attribute: Attribute<'_>) -> Option<(&str, Cow<'_, str>)> {
    let prefix = match attribute.key.into_inner() {
        "xmlns" => "",
        key => key.strip_prefix("xmlns:")?,
    };
    Some((prefix, attribute.value))
}

#[cfg(test)]
mod tests;
