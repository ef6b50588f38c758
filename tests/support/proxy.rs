//! A TCP proxy in front of Redis that can hold back what a gateway sends, and let it go later.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

pub struct Proxy {
    port: u16,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    /// Connections accepted before this many are held.
    held: Mutex<usize>,
    opened: Condvar,
    accepted: AtomicUsize,
    /// Connections accepted before this many are black holes.
    swallowed: AtomicUsize,
}

impl Gate {
    fn pass(&self, number: usize) {
        let held = self.held.lock().unwrap();
        drop(self.opened.wait_while(held, |held| number < *held).unwrap());
    }

    fn hold(&self, below: usize) {
        *self.held.lock().unwrap() = below;
        self.opened.notify_all();
    }

    fn swallows(&self, number: usize) -> bool {
        number < self.swallowed.load(Ordering::SeqCst)
    }
}

impl Proxy {
    pub fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let own = listener.local_addr().expect("bound").port();
        let gate = Arc::new(Gate::default());
        let shared = gate.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let back = (server.try_clone().expect("a clone"), client.try_clone().expect("a clone"));
                let gate = shared.clone();
                let number = gate.accepted.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || pump(client, server, &gate, number));
                std::thread::spawn(move || pump(back.0, back.1, &Gate::default(), number));
            }
        });
        Self { port: own, gate }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// From now on nothing reaches Redis; what is sent waits here, even when its sender has given up.
    pub fn hold(&self) {
        self.gate.hold(usize::MAX);
    }

    /// The same for the connections there are; new ones work.
    pub fn hold_existing(&self) {
        self.gate.hold(self.gate.accepted.load(Ordering::SeqCst));
    }

    /// Makes a black hole of every connection there is: open, and silent for ever. New ones work.
    pub fn swallow(&self) {
        self.gate.swallowed.store(self.gate.accepted.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    pub fn release(&self) {
        self.gate.hold(0);
    }
}

/// Copies until the sender is done, then hands the end on.
fn pump(mut from: TcpStream, mut to: TcpStream, gate: &Gate, number: usize) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        gate.pass(number);
        if gate.swallows(number) {
            continue;
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    gate.pass(number);
    let _ = to.shutdown(Shutdown::Write);
}
