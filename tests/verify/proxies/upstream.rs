//! A real API on actix-web. It answers with the request that it received, and echoes the messages of a WebSocket.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use actix_web::dev::{Server, ServerHandle};
use actix_web::web::{Data, Json, Payload};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use actix_ws::{Closed, Message, MessageStream, Session};
use aws_lc_rs::digest::{Context, SHA256, digest};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

/// The path of its WebSocket.
pub const SOCKET: &str = "/socket";

pub struct Upstream {
    address: String,
    asked: Arc<AtomicU64>,
    handle: ServerHandle,
}

/// A request as it came.
#[derive(Debug, Serialize, Deserialize)]
pub struct Told {
    pub method: String,
    pub target: String,
    pub body: Body,
    headers: BTreeMap<String, String>,
}

/// The size of a body in bytes, and its SHA-256 in hexadecimal digits.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Body {
    size: usize,
    sha256: String,
}

impl Upstream {
    pub fn start() -> Self {
        let (asked, (told, heard)) = (Arc::new(AtomicU64::new(0)), mpsc::channel());
        let counter = asked.clone();
        std::thread::spawn(move || {
            let serving = async move {
                let (address, server) = serve(counter);
                told.send((address, server.handle())).expect("somebody waits");
                server.await
            };
            actix_web::rt::System::new().block_on(serving).expect("it serves");
        });
        let (address, handle) = heard.recv().expect("it starts");
        Self { address, asked, handle }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// The number of requests so far.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

impl Body {
    pub fn of(bytes: &[u8]) -> Self {
        Self { size: bytes.len(), sha256: hexadecimal(digest(&SHA256, bytes).as_ref()) }
    }
}

impl Told {
    fn of(http: &HttpRequest, body: Body) -> Self {
        let mut headers = BTreeMap::<String, String>::new();
        for (name, value) in http.headers() {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            let all = headers.entry(as_frameworks_read(name.as_str()));
            all.and_modify(|it| *it += &format!(", {value}")).or_insert(value);
        }
        Self { method: http.method().to_string(), target: http.uri().to_string(), body, headers }
    }

    /// Subject, session, client and scope.
    pub fn identity(&self) -> [Option<&str>; 4] {
        ["x-auth-subject", "x-auth-session", "x-auth-client", "x-auth-scope"].map(|name| self.header(name))
    }

    /// All values of a header, its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

fn serve(counter: Arc<AtomicU64>) -> (String, Server) {
    let server = HttpServer::new(move || {
        let app = App::new().app_data(Data::from(counter.clone()));
        app.route(SOCKET, web::get().to(socket)).default_service(web::to(tell))
    });
    let server = server.workers(1).disable_signals().bind("127.0.0.1:0").expect("a free port");
    (server.addrs()[0].to_string(), server.run())
}

async fn tell(http: HttpRequest, payload: Payload, asked: Data<AtomicU64>) -> actix_web::Result<Json<Told>> {
    asked.fetch_add(1, Ordering::SeqCst);
    Ok(Json(Told::of(&http, read(payload).await?)))
}

async fn read(mut payload: Payload) -> actix_web::Result<Body> {
    let (mut hash, mut size) = (Context::new(&SHA256), 0);
    while let Some(bytes) = payload.next().await {
        let bytes = bytes?;
        hash.update(&bytes);
        size += bytes.len();
    }
    Ok(Body { size, sha256: hexadecimal(hash.finish().as_ref()) })
}

/// The first message is the request of the handshake.
async fn socket(
    http: HttpRequest,
    payload: Payload,
    asked: Data<AtomicU64>,
) -> actix_web::Result<HttpResponse> {
    asked.fetch_add(1, Ordering::SeqCst);
    let (answer, session, messages) = actix_ws::handle(&http, payload)?;
    let told = serde_json::to_string(&Told::of(&http, Body::of(b"")))?;
    actix_web::rt::spawn(echo(session, messages.max_frame_size(1 << 20), told));
    Ok(answer)
}

async fn echo(mut session: Session, mut messages: MessageStream, first: String) -> Result<(), Closed> {
    session.text(first).await?;
    while let Some(Ok(message)) = messages.recv().await {
        match message {
            Message::Text(text) => session.text(text).await?,
            Message::Binary(bytes) => session.binary(bytes).await?,
            Message::Ping(bytes) => session.pong(&bytes).await?,
            Message::Close(reason) => return session.close(reason).await,
            Message::Pong(_) | Message::Continuation(_) | Message::Nop => {}
        }
    }
    Ok(())
}

/// Names from CGI variables have one character in place of everything but letters and digits.
fn as_frameworks_read(name: &str) -> String {
    name.replace(|it: char| !it.is_ascii_alphanumeric(), "-").to_lowercase()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
