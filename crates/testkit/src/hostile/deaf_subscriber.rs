//! Asks for the revocation feed, and reads none of it.

use std::io;

use super::client::Client;
use crate::service_key::WEB;

pub async fn attack(client: &Client) -> io::Result<()> {
    let mut wire = client.connect().await?;
    let key = WEB.key;
    let head = format!("GET /v1/revocations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n");
    wire.send(head.as_bytes()).await?;
    wire.hold().await
}
