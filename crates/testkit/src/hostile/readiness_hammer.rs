//! Asks whether the node is ready, again and again.

use std::io;

use super::client::Client;

pub async fn attack(client: &Client) -> io::Result<()> {
    client.hammer("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await
}
