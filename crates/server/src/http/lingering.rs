//! A stream that is closed so that its last answer arrives: what its client was still sending is
//! read and thrown away for a while. Closed with anything unread, the kernel would break it off, and
//! a client in the middle of a head that is too large would see that, and not the answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// The client may go on for so long.
const LINGER_MAX: Duration = Duration::from_secs(1);
/// And with so many bytes.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes that are thrown away at once.
const PIECE: usize = 16 * 1024;

/// A stream that lingers.
pub(super) struct Lingering<S> {
    stream: S,
    /// Once our side is closed: until when it lingers, and for how many bytes.
    closed: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> Lingering<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, closed: None }
    }
}

impl<S: AsyncRead + Unpin> Lingering<S> {
    /// Throws away what comes until the client closes its side as well, or has gone on for too long.
    fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some((until, left)) = &mut self.closed else { return Poll::Ready(()) };
        let mut piece = [0; PIECE];
        while *left > 0 && until.as_mut().poll(cx).is_pending() {
            let mut into = ReadBuf::new(&mut piece);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut into));
            if read.is_err() || into.filled().is_empty() {
                break;
            }
            *left = left.saturating_sub(into.filled().len());
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closed.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.closed = Some((Box::pin(sleep(LINGER_MAX)), BYTES_MAX));
        }
        self.poll_drained(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_a_client_still_sends_is_thrown_away_for_a_while() {
        let (near, mut far) = duplex(64);
        let mut stream = Lingering::new(near);
        let closing = tokio::spawn(async move {
            stream.write_all(b"431").await.expect("there is room");
            stream.shutdown().await
        });
        far.write_all(&vec![0; 100_000]).await.expect("it is taken to the end");
        let mut answer = Vec::new();
        far.read_to_end(&mut answer).await.expect("the answer");
        assert_eq!(answer, b"431");
        drop(far);
        closing.await.expect("it ends").expect("and well");

        let (near, _silent) = duplex(64);
        let began = Instant::now();
        Lingering::new(near).shutdown().await.expect("it ends by itself");
        assert_eq!(began.elapsed(), LINGER_MAX);
    }
}
