//! A client's stream as the dispatcher sees it: one request at a time, and nothing while its answer is not read.
//!
//! The dispatcher reads, decodes, serves and writes in one go, and flushes at the end: a round. It reads again until nothing
//! comes, so a round has a bound here.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::connection::Connection;
use super::connections::Connections;
use super::head_end::empty_lines;
use super::raw_answers::{SLOW_HEAD, refusal_with_nosniff, stopping};
use super::reporting::Reports;
use super::socket;
use crate::telemetry::metrics::Closed;

/// Bytes that are handed on in a round, and bytes that wait here. The dispatcher's own buffer has this size.
const PIECE: usize = 8 * 1024;

/// The bytes written before other connections have their turn. A client that reads as fast as it can would else make the
/// worker late.
const TURN: usize = 16 * 1024;

/// The stream of an admitted client.
pub struct GuardedStream {
    socket: TcpStream,
    connections: Rc<Connections>,
    key: u64,
    connection: Rc<Connection>,
    /// Bytes of the client that are not handed on yet.
    held: Vec<u8>,
    /// Bytes handed on in this round.
    passed: usize,
    /// The client sends no more than what is held.
    has_ended: bool,
    /// The client accepts bytes again.
    moves: bool,
    /// Bytes written since other connections had their turn.
    written: usize,
    /// The client has let the present answer wait since then.
    waits: Option<Instant>,
}

impl GuardedStream {
    /// Gives the socket back where the worker has no place for it.
    pub fn admitted(socket: TcpStream, connections: Rc<Connections>) -> Result<Self, TcpStream> {
        match connections.admit() {
            Some((key, connection)) => Ok(Self {
                socket,
                connections,
                key,
                connection,
                held: Vec::new(),
                passed: 0,
                has_ended: false,
                moves: false,
                written: 0,
                waits: None,
            }),
            None => Err(socket),
        }
    }

    /// For the requests of this connection.
    pub fn reports(&self) -> Reports {
        (self.connection.clone(), self.connections.clone())
    }

    /// An error once the connection is closed by its worker.
    fn check(&self) -> io::Result<()> {
        let Some(cause) = self.connection.closed() else { return Ok(()) };
        match cause {
            Closed::Head if !self.connection.is_blocked() => drop(self.socket.try_write(SLOW_HEAD)),
            Closed::Body if self.connection.is_serving() => {
                drop(self.socket.try_write(stopping().as_bytes()))
            }
            Closed::NoProgress | Closed::Answer => socket::reset_at_end(&self.socket),
            _ => {}
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, cause.text()))
    }

    fn wait_for_client(&mut self) {
        self.connection.write_blocks(self.connections.now());
        if self.waits.is_none() {
            self.waits = Some(Instant::now());
            socket::is_blocked(&self.socket);
        }
    }

    /// Counts a connection that the kernel has given up: see `socket`.
    fn note(&self, error: &io::Error) {
        if error.kind() == io::ErrorKind::TimedOut {
            self.connections.metrics.closed(Closed::NoProgress);
        }
    }

    /// Hands on bytes that were held, as far as they may be. Returns whether there were any.
    fn pass_held(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        self.drop_empty_lines();
        let length = self.held.len().min(buf.remaining());
        let passed = self.connection.pass(&self.held[..length], self.connections.now());
        buf.put_slice(&self.held[..passed]);
        self.held.drain(..passed);
        self.passed += passed;
        if self.held.is_empty() {
            self.held = Vec::new();
        }
        passed > 0
    }

    fn drop_empty_lines(&mut self) {
        if self.connection.is_idle() {
            self.held.drain(..empty_lines(&self.held));
        }
    }

    /// Reads from the socket into the dispatcher's buffer, and holds back the surplus.
    fn read_piece(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(poll_read_at_most(&mut self.socket, PIECE, cx, buf))?;
        let fresh = &buf.filled()[before..];
        let begins_empty = self.connection.is_idle() && empty_lines(fresh) > 0;
        let passed = if begins_empty { 0 } else { self.connection.pass(fresh, self.connections.now()) };
        self.passed += passed;
        if passed < fresh.len() {
            self.held.extend_from_slice(&fresh[passed..]);
            buf.set_filled(before + passed);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads ahead, to notice at once that the client hangs up. Only that ends it. A client that closes only its sending side
    /// gets what is served in one go, and all of an answer that has begun.
    fn look_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.held.len() < PIECE && !self.has_ended {
            ready!(self.socket.poll_read_ready(cx))?;
            let mut room = [0; 1024];
            let mut ahead = ReadBuf::new(&mut room);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut ahead))?;
            self.has_ended = ahead.filled().is_empty();
            self.held.extend_from_slice(ahead.filled());
        }
        let is_done = self.has_ended && self.connection.ends_with_client(self.passed > 0);
        if is_done { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// The dispatcher's own refusals lack a header that all answers have.
    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let refusal = self.connection.is_in_head().then(|| refusal_with_nosniff(bytes)).flatten();
        let sent = Pin::new(&mut self.socket).poll_write(cx, refusal.as_deref().unwrap_or(bytes));
        sent.map_ok(|length| length.min(bytes.len()))
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            if !self.connection.is_open() {
                return self.look_ahead(cx);
            }
            if self.passed >= PIECE {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if !self.held.is_empty() && self.pass_held(buf) {
                return Poll::Ready(Ok(()));
            }
            if self.held.is_empty() {
                let before = buf.filled().len();
                ready!(self.read_piece(cx, buf))?;
                if buf.filled().len() > before || self.held.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        stream.check()?;
        stream.connection.wakes(cx.waker());
        let read = stream.poll_piece(cx, buf);
        if let Poll::Ready(Err(error)) = &read {
            stream.note(error);
        }
        read
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        stream.check()?;
        if stream.written >= TURN {
            stream.written = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let written = stream.poll_send(cx, bytes);
        match written {
            Poll::Ready(Ok(bytes)) => stream.written += bytes,
            Poll::Pending | Poll::Ready(Err(_)) => stream.written = 0,
        }
        match written {
            Poll::Pending => stream.wait_for_client(),
            Poll::Ready(Err(ref error)) => stream.note(error),
            Poll::Ready(Ok(_)) => stream.moves |= stream.connection.write_moves(),
        }
        written
    }

    /// The end of a round.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        stream.check()?;
        if let Some(since) = stream.waits.take() {
            socket::is_done(&stream.socket, since.elapsed());
        }
        let goes_on = stream.connection.flushed(stream.connections.now());
        stream.drop_empty_lines(); // they need no round
        let changes = goes_on || stream.moves || stream.passed > 0;
        let has_more = changes && !stream.held.is_empty() && stream.connection.is_open();
        let has_ended = stream.has_ended && (goes_on || stream.connection.ends_with_client(false));
        if has_more || has_ended {
            cx.waker().wake_by_ref();
        }
        (stream.passed, stream.moves) = (0, false);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

impl Drop for GuardedStream {
    fn drop(&mut self) {
        self.connections.ended(self.key);
    }
}

/// The dispatcher's buffer may have more room than a round may fill.
fn poll_read_at_most(
    socket: &mut TcpStream,
    most: usize,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    if buf.remaining() <= most {
        return Pin::new(socket).poll_read(cx, buf);
    }
    let mut piece = ReadBuf::new(buf.initialize_unfilled_to(most));
    ready!(Pin::new(socket).poll_read(cx, &mut piece))?;
    let length = piece.filled().len();
    buf.advance(length);
    Poll::Ready(Ok(()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use socket2::SockRef;
    use tokio::net::TcpListener;

    use super::*;
    use crate::telemetry::metrics::Metrics;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A stream whose kernel takes many turns at once, and its client.
    async fn roomy() -> (GuardedStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let client =
            TcpStream::connect(listener.local_addr().expect("an address")).await.expect("it listens");
        let (socket, _) = listener.accept().await.expect("a client");
        SockRef::from(&socket).set_send_buffer_size(1 << 18).expect("a large buffer");
        socket.writable().await.expect("room");
        let connections = Rc::new(Connections::new(1, Metrics::new().connections.clone()));
        (GuardedStream::admitted(socket, connections).expect("a place"), client)
    }

    #[tokio::test]
    async fn after_a_turn_a_writer_waits_although_its_socket_has_room_and_is_woken() {
        let (mut stream, _client) = roomy().await;
        let wakes = Arc::new(Counter::default());
        let waker = Waker::from(wakes.clone());
        let mut cx = Context::from_waker(&waker);
        let mut write = || Pin::new(&mut stream).poll_write(&mut cx, &[0; 4096]);
        for _ in 0..4 {
            assert!(matches!(write(), Poll::Ready(Ok(4096))));
        }
        assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
        assert!(write().is_pending(), "others have their turn");
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert!(matches!(write(), Poll::Ready(Ok(4096))), "the next turn");
    }
}
