//! Sends one request, then the first byte of another.

use std::io;

use super::client::Client;

pub async fn attack(client: &Client) -> io::Result<()> {
    let mut wire = client.connect().await?;
    wire.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await?;
    wire.answer().await?;
    wire.send(b"G").await?;
    wire.answers().await
}
