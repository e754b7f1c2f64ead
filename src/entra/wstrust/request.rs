//! The request for a token (RST): a SOAP 1.2 envelope with user name and password.

use std::fmt;
use std::io;

use quick_xml::Writer;
use quick_xml::events::BytesText;
use zeroize::Zeroizing;

use super::Version;
use super::namespace::Namespace::{Addressing, Policy, Security, Soap, Utility};
use crate::plan::Time;

/// Life of the message in seconds, as in every MSAL.
const VALID_FOR: i64 = 600;

/// Room for the largest envelope, so that the buffer does not grow and leave copies behind: two texts of 256
/// characters and two of [`TEXT_MAX`](super::super::federation::TEXT_MAX) bytes, each byte escaped with up to six.
const CAPACITY: usize = 48 * 1024;

/// WS-Addressing 1.0 §2.1: the answer comes back on the same connection.
const ANONYMOUS: &str = "http://www.w3.org/2005/08/addressing/anonymous";

/// A text holds a character that XML 1.0 cannot express (§2.2). Names nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a character cannot be written in XML")]
pub(in crate::entra) struct Unwritable;

/// What an envelope says. `Debug` prints nothing of it.
pub(in crate::entra) struct Envelope<'a> {
    pub(in crate::entra) version: Version,
    /// Where it goes.
    pub(in crate::entra) to: &'a str,
    /// For whom the token is: `cloud_audience_urn`.
    pub(in crate::entra) audience: &'a str,
    /// GUID of the message.
    pub(in crate::entra) id: &'a str,
    /// Now, by the server's clock if it is known.
    pub(in crate::entra) created: Time,
    pub(in crate::entra) username: &'a str,
    pub(in crate::entra) password: &'a str,
}

impl fmt::Debug for Envelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Envelope([redacted])")
    }
}

type Output<'b> = Writer<&'b mut Vec<u8>>;

impl Envelope<'_> {
    /// Its bytes.
    pub(in crate::entra) fn write(&self) -> Result<Zeroizing<Vec<u8>>, Unwritable> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(CAPACITY));
        let mut output = Writer::new(&mut *bytes);
        self.envelope(&mut output).map_err(|_| Unwritable)?;
        Ok(bytes)
    }

    fn envelope(&self, out: &mut Output<'_>) -> io::Result<()> {
        out.create_element("s:Envelope")
            .with_attributes([
                ("xmlns:s", Soap.uri()),
                ("xmlns:wsa", Addressing.uri()),
                ("xmlns:wsse", Security.uri()),
                ("xmlns:wsu", Utility.uri()),
                ("xmlns:wsp", Policy.uri()),
                ("xmlns:wst", self.version.namespace().uri()),
            ])
            .write_inner_content(|out| {
                nest(out, "s:Header", |out| self.header(out))?;
                nest(out, "s:Body", |out| self.body(out))
            })?;
        Ok(())
    }

    fn header(&self, out: &mut Output<'_>) -> io::Result<()> {
        understood(out, "wsa:Action", |out| text(out, self.version.action()))?;
        leaf(out, "wsa:MessageID", &format!("urn:uuid:{}", self.id))?;
        nest(out, "wsa:ReplyTo", |out| leaf(out, "wsa:Address", ANONYMOUS))?;
        understood(out, "wsa:To", |out| text(out, self.to))?;
        understood(out, "wsse:Security", |out| self.security(out))
    }

    fn security(&self, out: &mut Output<'_>) -> io::Result<()> {
        nest(out, "wsu:Timestamp", |out| {
            leaf(out, "wsu:Created", &timestamp(self.created)?)?;
            leaf(out, "wsu:Expires", &timestamp(self.created.plus(VALID_FOR))?)
        })?;
        nest(out, "wsse:UsernameToken", |out| {
            leaf(out, "wsse:Username", self.username)?;
            leaf(out, "wsse:Password", self.password)
        })
    }

    fn body(&self, out: &mut Output<'_>) -> io::Result<()> {
        nest(out, "wst:RequestSecurityToken", |out| {
            nest(out, "wsp:AppliesTo", |out| {
                nest(out, "wsa:EndpointReference", |out| {
                    leaf(out, "wsa:Address", self.audience)
                })
            })?;
            leaf(out, "wst:KeyType", self.version.key_type())?;
            leaf(out, "wst:RequestType", self.version.request_type())
        })
    }
}

/// An element around what `inside` writes.
fn nest(
    out: &mut Output<'_>,
    name: &str,
    inside: impl FnOnce(&mut Output<'_>) -> io::Result<()>,
) -> io::Result<()> {
    out.create_element(name).write_inner_content(inside)?;
    Ok(())
}

/// The same, for a header that the receiver must understand (SOAP 1.2 part 1 §5.2.3).
fn understood(
    out: &mut Output<'_>,
    name: &str,
    inside: impl FnOnce(&mut Output<'_>) -> io::Result<()>,
) -> io::Result<()> {
    out.create_element(name)
        .with_attribute(("s:mustUnderstand", "1"))
        .write_inner_content(inside)?;
    Ok(())
}

/// An element with a text.
fn leaf(out: &mut Output<'_>, name: &str, content: &str) -> io::Result<()> {
    nest(out, name, |out| text(out, content))
}

fn text(out: &mut Output<'_>, content: &str) -> io::Result<()> {
    let escaped = escape(content).ok_or(io::ErrorKind::InvalidInput)?;
    out.write_event(quick_xml::events::Event::Text(BytesText::from_escaped(
        escaped.as_str(),
    )))
}

/// The text with references for what XML would read otherwise, in a buffer that is wiped; `None` if it holds a
/// character that XML 1.0 §2.2 forbids. The library's own `escape` leaves an unwiped copy behind.
fn escape(content: &str) -> Option<Zeroizing<String>> {
    let mut escaped = Zeroizing::new(String::with_capacity(content.len().saturating_mul(6)));
    for character in content.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // A reader turns a bare one into a line feed (§2.11).
            '\r' => escaped.push_str("&#13;"),
            '\t' | '\n' | ' '..='\u{fffd}' | '\u{10000}'.. => escaped.push(character),
            _ => return None,
        }
    }
    Some(escaped)
}

/// Seconds of UTC, as `xs:dateTime`.
fn timestamp(time: Time) -> io::Result<String> {
    jiff::Timestamp::from_second(time.0)
        .map(|moment| moment.to_string())
        .map_err(|_| io::ErrorKind::InvalidInput.into())
}

#[cfg(test)]
mod tests;
