//! Shows that actix-http decodes pipelined requests without a bound: docs/upstream/actix-http-pipelining.md.
//!
//! ```sh
//! cargo run --release --example pipelined-requests -- 2 20    # connections, seconds
//! ```

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use actix_web::{App, HttpServer, web};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// Sends pipelined requests for as long as the server takes them, and reads nothing.
fn flood(mut socket: TcpStream, until: Instant) -> u64 {
    let requests = REQUEST.repeat(2000);
    let (mut sent, mut at) = (0, 0);
    while Instant::now() < until {
        match socket.write(&requests[at..]) {
            Ok(length) => (sent, at) = (sent + length as u64, (at + length) % requests.len()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(1))
            }
            Err(_) => break,
        }
    }
    sent
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Hundredths of a second of processor time.
fn processor() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let number = |at| std::env::args().nth(at).map(|text| text.parse::<u64>().unwrap());
    let (clients, seconds) = (number(1).unwrap_or(2), number(2).unwrap_or(20));
    let app = || App::new().route("/", web::get().to(|| async { "alive" }));
    let server = HttpServer::new(app).workers(1).bind("127.0.0.1:0")?;
    let address = server.addrs()[0];
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        let (before, until) = (resident(), Instant::now() + Duration::from_secs(seconds));
        let floods: Vec<_> = (0..clients)
            .map(|_| {
                let socket = TcpStream::connect(address).unwrap();
                socket.set_nonblocking(true).unwrap();
                std::thread::spawn(move || flood(socket, until))
            })
            .collect();
        for second in 1..=seconds {
            let busy = processor();
            std::thread::sleep(Duration::from_secs(1));
            let busy = processor() - busy;
            println!(
                "{second:2} s: {} KiB a connection, {busy}% of a processor",
                resident().saturating_sub(before) / clients
            );
        }
        let sent: Vec<_> = floods.into_iter().map(|flood| flood.join().unwrap()).collect();
        println!("taken from the clients: {sent:?} bytes");
        std::process::exit(0);
    });
    server.run().await
}
