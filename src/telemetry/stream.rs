//! A text that is sent while it is written: what it costs in memory does not grow with it.

use std::fmt;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::stream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Bytes of a piece.
const PIECE: usize = 64 * 1024;

/// Pieces that wait for the reader.
const PIECES: usize = 2;

/// How long a reader may take none: others wait for their turn.
const PATIENCE: Duration = Duration::from_secs(1);

type Piece = Result<Bytes, io::Error>;

/// Where the text is written to; [`Writer::end`] sends the rest. For a thread that may block, within a runtime.
#[derive(Debug)]
pub(super) struct Writer {
    piece: String,
    pieces: mpsc::Sender<Piece>,
    runtime: Handle,
}

/// A body, and what writes it.
pub(super) fn body() -> (Writer, Body) {
    let (sender, receiver) = mpsc::channel(PIECES);
    let pieces = stream::unfold(receiver, |mut receiver| async {
        let piece: Piece = receiver.recv().await?;
        Some((piece, receiver))
    });
    let writer = Writer {
        piece: String::with_capacity(PIECE),
        pieces: sender,
        runtime: Handle::current(),
    };
    (writer, Body::from_stream(pieces))
}

impl Writer {
    /// Sends what is left of a text that was `written` whole; the reader of another one is told that it is cut.
    pub(super) fn end(mut self, written: fmt::Result) {
        let rest = match written {
            Ok(()) => Ok(Bytes::from(std::mem::take(&mut self.piece))),
            Err(_) => Err(io::Error::other("the text was cut")),
        };
        // Who does not read any more needs no end.
        _ = self.send(rest);
    }

    fn send(&self, piece: Piece) -> fmt::Result {
        let sent = self
            .runtime
            .block_on(tokio::time::timeout(PATIENCE, self.pieces.send(piece)));
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(fmt::Error),
        }
    }
}

impl fmt::Write for Writer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.piece.push_str(text);
        if self.piece.len() < PIECE {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, String::with_capacity(PIECE));
        self.send(Ok(Bytes::from(piece)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::fmt::Write as _;

    use super::*;

    async fn read(
        written: impl FnOnce(&mut Writer) -> fmt::Result + Send + 'static,
    ) -> Result<Bytes, axum::Error> {
        let (mut writer, body) = body();
        tokio::task::spawn_blocking(move || {
            let written = written(&mut writer);
            writer.end(written);
        });
        axum::body::to_bytes(body, usize::MAX).await
    }

    #[tokio::test]
    async fn a_text_of_many_pieces_arrives_whole() {
        let text = read(|out| (0..100_000).try_for_each(|i| writeln!(out, "{i}"))).await;
        let lines: Vec<_> = (0..100_000).map(|i| format!("{i}\n")).collect();
        assert_eq!(text.unwrap(), lines.concat());
    }

    #[tokio::test]
    async fn a_text_that_could_not_be_written_is_not_taken_for_a_whole_one() {
        let cut = read(|out| out.write_str("half").and(Err(fmt::Error))).await;
        assert!(cut.is_err());
    }

    #[tokio::test]
    async fn who_does_not_read_is_left() {
        let (mut writer, _body) = body();
        let piece = "x".repeat(PIECE);
        let written =
            tokio::task::spawn_blocking(move || (0..=PIECES).try_for_each(|_| writer.write_str(&piece)));
        assert!(written.await.unwrap().is_err());
    }
}
