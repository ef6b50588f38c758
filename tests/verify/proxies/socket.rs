//! A client of WebSockets.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use token_gateway_testkit::eventually;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, Request};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::edge::Header;
use super::upstream::{SOCKET, Told};

const LIMIT: Duration = Duration::from_secs(20);

pub struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Asks for a WebSocket; returns the status of an answer that refuses it.
    pub async fn open(address: &str, headers: &[Header]) -> Result<Self, u16> {
        let stream = TcpStream::connect(address).await.expect("it listens");
        let opened = timeout(LIMIT, client_async(request(address, headers), stream)).await;
        match opened.expect("it answers") {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{address}: {error}"),
        }
    }

    /// Repeats it while the answer is 503, which says nothing: a busy machine may be late with a verdict.
    pub async fn decided(address: &str, headers: &[Header]) -> Result<Self, u16> {
        eventually("a verdict on a handshake", LIMIT, async || {
            let opened = Self::open(address, headers).await;
            if let Err(503) = opened { None } else { Some(opened) }
        })
        .await
    }

    pub async fn send(&mut self, message: Message) {
        self.0.send(message).await.expect("it can be sent");
    }

    pub async fn next(&mut self) -> Option<Message> {
        let message = timeout(LIMIT, self.0.next()).await.expect("it answers");
        message.map(|message| message.expect("a message"))
    }

    /// The handshake as the API saw it: the API's first message.
    pub async fn told(&mut self) -> Told {
        let first = self.next().await.expect("the API speaks first");
        serde_json::from_str(first.to_text().expect("text")).expect("its own form")
    }
}

fn request(address: &str, headers: &[Header]) -> Request<()> {
    let mut request = format!("ws://{address}{SOCKET}").into_client_request().expect("a URL");
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        request.headers_mut().append(name, HeaderValue::from_str(value).expect("a value"));
    }
    request
}
