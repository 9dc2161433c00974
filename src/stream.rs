//! Byte streams under HTTP/2: what one turn of a connection writes leaves in one system call.
//!
//! h2 flushes after every DATA frame of at most 16 KiB, which costs a system call each. A corked stream collects what
//! is written and leaves it to [`Uncork::poll_out`], which the connection's task calls at the end of each turn.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A byte stream of either kind: plain or TLS.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The half that HTTP/2 reads and writes.
pub struct Corked(Arc<Mutex<Inner>>);

/// The half that really writes.
pub struct Uncork(Arc<Mutex<Inner>>);

struct Inner {
    stream: Box<dyn Stream>,
    out: BytesMut, // at most OUT_BYTES_MAX plus one write
}

/// Wraps a stream.
pub fn cork(stream: Box<dyn Stream>) -> (Corked, Uncork) {
    let inner = Arc::new(Mutex::new(Inner { stream, out: BytesMut::new() }));
    (Corked(Arc::clone(&inner)), Uncork(inner))
}

impl Uncork {
    /// Writes what has been collected. An error is kept for the connection, which meets it at its next write.
    pub fn poll_out(&self, cx: &mut Context<'_>) {
        let _ = self.0.lock().poll_drain(cx);
    }
}

impl Inner {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.advance(written);
        }
        if self.out.capacity() > OUT_BYTES_KEPT {
            self.out = BytesMut::new();
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

impl AsyncRead for Corked {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.lock().stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Corked {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut inner = self.0.lock();
        if inner.out.len() >= OUT_BYTES_MAX {
            ready!(inner.poll_drain(cx))?;
        }
        inner.out.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.0.lock();
        if inner.out.len() >= OUT_BYTES_MAX {
            ready!(inner.poll_drain(cx))?;
        }
        let before = inner.out.len();
        for part in parts {
            inner.out.extend_from_slice(part);
        }
        Poll::Ready(Ok(inner.out.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // the end of the turn flushes
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.lock();
        ready!(inner.poll_drain(cx))?;
        Pin::new(&mut inner.stream).poll_shutdown(cx)
    }
}

/// Collected bytes from which on a write waits for the socket: about a socket buffer.
const OUT_BYTES_MAX: usize = 256 << 10;
/// A buffer that grew beyond this is given back once it is empty.
const OUT_BYTES_KEPT: usize = 512 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn what_is_written_leaves_at_the_end_of_the_turn() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let (mut corked, uncork) = cork(Box::new(near));
        corked.write_all(b"one ").await.unwrap();
        corked.write_all(b"two").await.unwrap();
        corked.flush().await.unwrap();
        let mut seen = [0; 7];
        assert!(futures_util::FutureExt::now_or_never(far.read(&mut seen)).is_none());
        poll_fn(|cx| {
            uncork.poll_out(cx);
            Poll::Ready(())
        })
        .await;
        far.read_exact(&mut seen).await.unwrap();
        assert_eq!(&seen, b"one two");
    }

    #[tokio::test]
    async fn a_full_cork_waits_for_the_socket() {
        let (near, mut far) = tokio::io::duplex(1024);
        let (mut corked, _uncork) = cork(Box::new(near));
        corked.write_all(&vec![7; OUT_BYTES_MAX]).await.unwrap();
        assert!(futures_util::FutureExt::now_or_never(corked.write(b"x")).is_none());
        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.map(|_| all.len())
        });
        corked.write_all(b"x").await.unwrap();
        corked.shutdown().await.unwrap();
        drop(corked);
        drop(_uncork);
        assert_eq!(reader.await.unwrap().unwrap(), OUT_BYTES_MAX + 1);
    }
}
