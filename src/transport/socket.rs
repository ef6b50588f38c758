//! The options of sockets: accepted ones have those of their listener.

use std::io;
use std::time::Duration;

use socket2::{SockRef, Socket};
use tokio::net::TcpStream;

/// Half of what the kernel keeps of an answer that its client does not read. Linux doubles it, for its own needs.
const SEND_BUFFER: usize = 128 * 1024;

/// The same for bytes of a client that the node does not read.
const RECEIVE_BUFFER: usize = 32 * 1024;

/// The kernel closes a connection whose client acknowledges nothing for so long.
const ACKNOWLEDGEMENT_TIMEOUT: Duration = Duration::from_secs(15);

/// Bounds the memory and the patience of the kernel. Must happen before connections come.
pub fn prepare_listener(socket: &Socket) -> io::Result<()> {
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(ACKNOWLEDGEMENT_TIMEOUT))?;
    Ok(())
}

/// The end of the connection drops all that the client has not read.
pub fn reset_at_end(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
