//! Connections that say exactly what a test wants.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use token_gateway_testkit::gateway::Gateway;

/// One connection.
pub struct RawClient(pub TcpStream);

impl RawClient {
    pub fn to(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        Self(stream)
    }

    pub fn of(gateway: &Gateway) -> Self {
        Self::to(gateway.address())
    }

    pub fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).expect("it reads");
    }

    /// Sends `text` again and again until nothing is taken for so long. Returns the bytes that were taken.
    pub fn say_until_blocked(&mut self, text: &str, most: usize, patience: Duration) -> usize {
        self.0.set_write_timeout(Some(patience)).expect("a timeout");
        let mut sent = 0;
        while sent < most {
            match self.0.write(text.as_bytes()) {
                Ok(length) => sent += length,
                Err(_) => break,
            }
        }
        sent
    }

    /// The next answer: its status, and its body of a declared length.
    pub fn answer(&mut self) -> (u16, String) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).expect("an answer");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("text").to_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        self.0.read_exact(&mut body).expect("the whole answer");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, String::from_utf8(body).expect("text"))
    }

    /// The rest of what comes until the connection ends, and the time until then.
    pub fn rest(&mut self) -> (String, Duration) {
        let began = Instant::now();
        let mut rest = Vec::new();
        let mut piece = [0; 4096];
        loop {
            match self.0.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => rest.extend_from_slice(&piece[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    panic!("still open after {:?}", began.elapsed())
                }
                Err(_) => break,
            }
        }
        (String::from_utf8_lossy(&rest).into_owned(), began.elapsed())
    }
}
