//! Begins a body, and never ends it.

use std::io;

use super::client::Client;

pub async fn attack(client: &Client) -> io::Result<()> {
    let mut wire = client.connect().await?;
    wire.send(b"POST /verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n").await?;
    wire.answers().await
}
