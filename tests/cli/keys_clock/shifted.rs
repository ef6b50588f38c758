//! A Redis whose clock differs from this machine's.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use regex::{Captures, Regex};

/// The URL of the server on this port, as if its clock were so many seconds ahead of this machine's.
pub fn shifted(port: u16, seconds: i64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let own = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(("127.0.0.1", port)).expect("it runs");
            let (from, to) = (client.try_clone().expect("a handle"), server.try_clone().expect("a handle"));
            std::thread::spawn(move || pass(from, to, |bytes| bytes.to_vec()));
            std::thread::spawn(move || pass(server, client, |bytes| shift(bytes, seconds)));
        }
    });
    format!("redis://127.0.0.1:{own}")
}

/// Passes on what comes, until one side closes.
fn pass(mut from: TcpStream, mut to: TcpStream, change: impl Fn(&[u8]) -> Vec<u8>) {
    let mut bytes = [0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        if to.write_all(&change(&bytes[..length])).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// Moves the time in an answer to `TIME`.
fn shift(bytes: &[u8], seconds: i64) -> Vec<u8> {
    let time = Regex::new(r"\*2\r\n\$10\r\n(\d{10})\r\n(\$\d\r\n\d+\r\n)").expect("a pattern");
    let text = String::from_utf8_lossy(bytes);
    let moved = time.replace_all(&text, |found: &Captures| {
        let at: i64 = found[1].parse().expect("digits");
        format!("*2\r\n$10\r\n{}\r\n{}", at + seconds, &found[2])
    });
    moved.into_owned().into_bytes()
}
