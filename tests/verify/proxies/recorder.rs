//! A server in the gateway's place, or in the API's. It keeps the head of each request, and answers 200 before it has
//! read a body.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Auth-Subject: alice\r\nX-Auth-Session: 1\r\nX-Auth-Client: web\r\n\r\n";

pub struct Recorder {
    address: String,
    heads: Arc<Mutex<Vec<Head>>>,
}

/// The head of a request. The names of its headers are in small letters, in the order of the alphabet.
#[derive(Debug, Clone)]
pub struct Head {
    pub line: String,
    pub headers: Vec<(String, String)>,
    /// The bytes after the head.
    pub rest: Vec<u8>,
}

impl Recorder {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = heads.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = kept.clone();
                std::thread::spawn(move || record(stream, &kept));
            }
        });
        Self { address, heads }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// The heads since the last call.
    pub fn take(&self) -> Vec<Head> {
        std::mem::take(&mut self.heads.lock().expect("nobody panics"))
    }
}

impl Head {
    fn read(bytes: &[u8], rest: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.lines().map(str::to_owned);
        let line = lines.next().expect("a request line");
        let mut headers: Vec<_> = lines
            .map(|line| {
                line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            })
            .map(|header| header.expect("a header"))
            .collect();
        headers.sort();
        Self { line, headers, rest: rest.to_vec() }
    }

    pub fn names(&self) -> Vec<&str> {
        self.headers.iter().map(|(name, _)| name.as_str()).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.0 == name).map(|(_, value)| value.as_str())
    }
}

/// Serves one connection to its end.
fn record(mut stream: TcpStream, heads: &Mutex<Vec<Head>>) {
    let (mut read, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    while let Ok(size @ 1..) = stream.read(&mut buffer) {
        read.extend_from_slice(&buffer[..size]);
        let Some(end) = read.windows(4).position(|it| it == b"\r\n\r\n") else { continue };
        heads.lock().expect("nobody panics").push(Head::read(&read[..end], &read[end + 4..]));
        read.clear();
        if stream.write_all(ANSWER).is_err() {
            return;
        }
    }
}
