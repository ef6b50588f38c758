//! Reads the largest answer of a node again and again, as fast as it comes.

use std::io;

use super::client::Client;

/// The script of the documentation's page, about 1.5 MB; there with `API_DOCS=public`.
pub const LARGEST_FILE: &str = "/docs/swagger-ui-bundle.js";

pub async fn attack(client: &Client) -> io::Result<()> {
    client.hammer(&format!("GET {LARGEST_FILE} HTTP/1.1\r\nHost: x\r\n\r\n")).await
}
