//! A request body that asks for leave at the last moment, and a door that grants or refuses it.
//!
//! # Guarantees
//!
//! - Not one byte of the body leaves before [`Door::open`] was called with `true`; the question comes when the
//!   connection is there and the body is about to be written.
//! - If the waiting side is dropped (deadline, cancelled pass), the body refuses by itself.
//! - The length is known beforehand, so the request carries `Content-Length` and is never chunked.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// The body was not allowed to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request body was withheld")]
pub(super) struct Withheld;

/// What a POST carries. `Debug` prints only the type; the bytes are wiped when dropped.
pub(super) struct Payload {
    /// `Content-Type`.
    pub(super) content_type: &'static str,
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Payload").field(&self.content_type).finish()
    }
}

/// Body and door of one request.
pub(super) fn guarded(bytes: Zeroizing<Vec<u8>>) -> (GuardedBody, Door) {
    let (ask, asked) = oneshot::channel();
    let (answer, leave) = oneshot::channel();
    let body = GuardedBody {
        length: bytes.len() as u64,
        bytes: Some(Bytes::from_owner(bytes)),
        ask: Some(ask),
        leave,
    };
    (body, Door { asked, answer })
}

/// The body: whole or not at all.
pub(super) struct GuardedBody {
    length: u64,
    bytes: Option<Bytes>,
    ask: Option<oneshot::Sender<()>>,
    leave: oneshot::Receiver<bool>,
}

impl Body for GuardedBody {
    type Data = Bytes;
    type Error = Withheld;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Withheld>>> {
        if self.bytes.is_none() {
            return Poll::Ready(None);
        }
        if let Some(ask) = self.ask.take() {
            ask.send(()).ok();
        }
        let granted = ready!(Pin::new(&mut self.leave).poll(cx)).unwrap_or(false);
        let bytes = self.bytes.take().filter(|_| granted).ok_or(Withheld);
        Poll::Ready(Some(bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |_| self.length))
    }
}

/// The other side of a [`GuardedBody`].
pub(super) struct Door {
    asked: oneshot::Receiver<()>,
    answer: oneshot::Sender<bool>,
}

impl Door {
    /// Waits for the question; for ever, if the body was dropped without asking.
    pub(super) async fn knock(&mut self) {
        if (&mut self.asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Answers it.
    pub(super) fn open(self, leave: bool) {
        self.answer.send(leave).ok();
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn body() -> (GuardedBody, Door) {
        guarded(Zeroizing::new(b"secret".to_vec()))
    }

    #[tokio::test]
    async fn leaves_whole_when_allowed() {
        let (mut body, mut door) = body();
        assert_eq!(body.size_hint().exact(), Some(6));
        let (frame, ()) = tokio::join!(body.frame(), async {
            door.knock().await;
            door.open(true);
        });
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), "secret");
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn stays_when_refused() {
        let (mut body, door) = body();
        door.open(false);
        assert_eq!(body.frame().await.unwrap().unwrap_err(), Withheld);
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn stays_when_the_waiting_side_is_gone() {
        let (mut body, door) = body();
        drop(door);
        assert_eq!(body.frame().await.unwrap().unwrap_err(), Withheld);
    }
}
