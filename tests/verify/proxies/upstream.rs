//! An API with the received request as its answer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, HttpRequest, HttpServer, web};
use serde::{Deserialize, Serialize};

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
    pub body: String,
    headers: BTreeMap<String, String>,
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

impl Told {
    /// Subject, session, client and scope.
    pub fn identity(&self) -> [Option<&str>; 4] {
        ["subject", "session", "client", "scope"]
            .map(|name| self.headers.get(&format!("x-auth-{name}")).map(String::as_str))
    }
}

fn serve(counter: Arc<AtomicU64>) -> (String, Server) {
    let server = HttpServer::new(move || {
        let counter = counter.clone();
        App::new().default_service(web::to(move |http: HttpRequest, body: String| {
            counter.fetch_add(1, Ordering::SeqCst);
            async move { web::Json(tell(&http, body)) }
        }))
    });
    let server = server.workers(1).disable_signals().bind("127.0.0.1:0").expect("a free port");
    (server.addrs()[0].to_string(), server.run())
}

fn tell(http: &HttpRequest, body: String) -> Told {
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in http.headers() {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let all = headers.entry(as_frameworks_read(name.as_str()));
        all.and_modify(|it| *it += &format!(", {value}")).or_insert(value);
    }
    Told { method: http.method().to_string(), target: http.uri().to_string(), body, headers }
}

/// Names from CGI variables have one character in place of everything but letters and digits.
fn as_frameworks_read(name: &str) -> String {
    name.replace(|it: char| !it.is_ascii_alphanumeric(), "-").to_lowercase()
}
