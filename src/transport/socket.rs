//! The options of sockets: accepted ones have those of their listener.

use std::io;
use std::time::Duration;

use socket2::{SockRef, Socket};
use tokio::net::TcpStream;

/// Half of what the kernel keeps of an answer that its client does not read. Linux doubles it, for its own needs.
const SEND_BUFFER: usize = 128 * 1024;

/// The same for bytes of a client that the node does not read.
const RECEIVE_BUFFER: usize = 32 * 1024;

/// The kernel gives up a connection that is stuck for so long, and tells its client nothing. This bounds the answers that the
/// node is done with.
const GIVE_UP_AFTER: Duration = Duration::from_secs(15);

/// The same while the node itself waits for the client. The kernel counts a client with a small window as stuck though that
/// client reads. So this is longer than any answer of `phase` may last.
const LEAVE_TO_NODE: Duration = Duration::from_secs(120);

/// Bounds the memory and the patience of the kernel. Must happen before connections come.
pub fn prepare_listener(socket: &Socket) -> io::Result<()> {
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(GIVE_UP_AFTER))?;
    Ok(())
}

/// The node waits for the client, with clocks of its own.
pub fn is_blocked(stream: &TcpStream) {
    give_up_after(stream, LEAVE_TO_NODE);
}

/// The node is done with an answer that kept it waiting for so long. The kernel counts from the beginning of this time.
pub fn is_done(stream: &TcpStream, waited: Duration) {
    give_up_after(stream, (waited + GIVE_UP_AFTER).min(LEAVE_TO_NODE));
}

#[cfg(target_os = "linux")]
fn give_up_after(stream: &TcpStream, time: Duration) {
    let _ = SockRef::from(stream).set_tcp_user_timeout(Some(time));
}

#[cfg(not(target_os = "linux"))]
fn give_up_after(_: &TcpStream, _: Duration) {}

/// The end of the connection drops all that the client has not read, and tells the client at once.
pub fn reset_at_end(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use socket2::{Domain, Type};

    use super::*;

    #[test]
    fn an_accepted_socket_has_the_bounds_of_its_listener() {
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let (listener, client) = (socket(), socket());
        prepare_listener(&listener).expect("bounds");
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
        listener.listen(1).expect("it listens");
        client.connect(&listener.local_addr().expect("an address")).expect("it listens");
        let (accepted, _) = listener.accept().expect("a client");
        assert_eq!(accepted.tcp_user_timeout().expect("known"), Some(GIVE_UP_AFTER));
        assert_eq!(accepted.send_buffer_size().expect("known"), 2 * SEND_BUFFER);
        assert_eq!(accepted.recv_buffer_size().expect("known"), 2 * RECEIVE_BUFFER);
    }
}
