//! A login service logs one subject in, again and again.

use std::io;

use super::client::Client;
use crate::service_key::ISSUE_ONLY;

pub async fn attack(client: &Client) -> io::Result<()> {
    client.hammer(&login(&format!(r#"{{"sub":"{}"}}"#, client.subject()))).await
}

pub fn login(body: &str) -> String {
    format!(
        "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        ISSUE_ONLY.key,
        body.len()
    )
}
