//! A connection without the manners of an HTTP library.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep;

use super::tally::Tally;

/// How often a client that never reads looks whether it was closed.
const LOOK: Duration = Duration::from_millis(500);

const PIECE: usize = 64 * 1024;

pub struct Wire {
    stream: TcpStream,
    tally: Arc<Tally>,
    /// Bytes behind the last answer.
    read: Vec<u8>,
}

impl Wire {
    pub async fn open(node: &str, source: Option<IpAddr>, tally: Arc<Tally>) -> io::Result<Self> {
        let node: SocketAddr = node.parse().map_err(io::Error::other)?;
        let socket = if node.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if let Some(source) = source {
            socket.bind((source, 0).into())?;
        }
        let stream = socket.connect(node).await?;
        tally.connected();
        Ok(Self { stream, tally, read: Vec::new() })
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Reads one answer to its end, and counts it.
    pub async fn answer(&mut self) -> io::Result<u16> {
        let end = loop {
            match self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => self.more().await?,
            }
        };
        let head = String::from_utf8_lossy(&self.read[..end]).to_ascii_lowercase();
        self.read.drain(..end);
        let status = head.get(9..12).and_then(|text| text.parse().ok()).ok_or(ErrorKind::InvalidData)?;
        self.tally.answered(status);
        self.skip(length(&head)).await?;
        Ok(status)
    }

    /// Reads whatever comes, until the connection is closed.
    pub async fn answers(&mut self) -> io::Result<()> {
        loop {
            self.answer().await?;
        }
    }

    /// Keeps the connection open and reads nothing, until it breaks.
    pub async fn hold(&mut self) -> io::Result<()> {
        loop {
            sleep(LOOK).await;
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
        }
    }

    async fn skip(&mut self, mut left: usize) -> io::Result<()> {
        while left > self.read.len() {
            left -= self.read.len();
            self.read.clear();
            self.more().await?;
        }
        self.read.drain(..left);
        Ok(())
    }

    async fn more(&mut self) -> io::Result<()> {
        self.read.reserve(PIECE);
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            bytes => {
                self.tally.read(bytes);
                Ok(())
            }
        }
    }
}

/// The length of the body behind a head in small letters.
fn length(head: &str) -> usize {
    let value = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}
