//! Asks for the largest answer of a node four times, and reads none of it.

use std::io;

use super::client::Client;
use super::file_flood::LARGEST_FILE;

pub async fn attack(client: &Client) -> io::Result<()> {
    let request = format!("GET {LARGEST_FILE} HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut wire = client.connect().await?;
    wire.send(request.repeat(4).as_bytes()).await?;
    wire.hold().await
}
