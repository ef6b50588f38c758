//! Asks for the list of the own sessions, again and again.

use std::io;

use super::client::Client;

pub async fn attack(client: &Client) -> io::Result<()> {
    let access = client.access();
    let head = format!("GET /v1/me/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {access}\r\n\r\n");
    client.hammer(&head).await
}
