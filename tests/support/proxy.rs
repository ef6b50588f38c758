//! A TCP proxy in front of a redis-server that understands RESP: it can hold back what a gateway sends and let it go
//! later, and let calls of scripts meet faults, by hand or by plan. Replication and Sentinels, which may share its
//! address, pass through it untouched.

mod frame;
mod plan;

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use self::plan::Fates;
pub use self::plan::{Fault, Plan};

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
    fates: Fates,
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
                Link::open(client, server, shared.clone());
            }
        });
        Self { port: own, gate }
    }

    pub fn port(&self) -> u16 {
        self.port
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

    /// The `nth` call of a script from now on meets this fault.
    pub fn strike(&self, fault: Fault, nth: u64) {
        self.gate.fates.order(fault, nth);
    }

    /// Calls of scripts meet faults from now on.
    pub fn disturb(&self, plan: Plan) {
        self.gate.fates.follow(Some(plan));
    }

    pub fn calm(&self) {
        self.gate.fates.follow(None);
    }

    /// How many calls of scripts there were.
    pub fn calls(&self) -> u64 {
        self.gate.fates.calls()
    }

    /// How often each fault has struck.
    pub fn struck(&self) -> BTreeMap<&'static str, u64> {
        self.gate.fates.struck()
    }
}

/// A client's connection, and its counterpart to the server.
struct Link {
    client: TcpStream,
    server: TcpStream,
    gate: Arc<Gate>,
    number: usize,
    /// What is to become of the replies to come; nothing special where none is noted.
    replies: Mutex<VecDeque<Option<Fault>>>,
    /// Replication, or a subscription: no commands and replies in turn.
    raw: AtomicBool,
    hole: AtomicBool,
}

impl Link {
    fn open(client: TcpStream, server: TcpStream, gate: Arc<Gate>) {
        let number = gate.accepted.fetch_add(1, Ordering::SeqCst);
        for socket in [&client, &server] {
            let _ = socket.set_nodelay(true);
        }
        let link = Arc::new(Self {
            client,
            server,
            gate,
            number,
            replies: Mutex::default(),
            raw: AtomicBool::new(false),
            hole: AtomicBool::new(false),
        });
        let other = link.clone();
        std::thread::spawn(move || link.carry_commands());
        std::thread::spawn(move || other.carry_replies());
    }

    /// Until the client is done; then the end is handed on.
    fn carry_commands(&self) {
        let (mut buffer, mut chunk) = (Vec::new(), [0; 64 * 1024]);
        while let Ok(read @ 1..) = (&self.client).read(&mut chunk) {
            self.gate.pass(self.number);
            if self.is_hole() {
                continue;
            }
            buffer.extend_from_slice(&chunk[..read]);
            if self.forward(&mut buffer).is_none() {
                return self.close();
            }
        }
        self.gate.pass(self.number);
        let _ = self.server.shutdown(Shutdown::Write);
        if self.is_hole() {
            self.close();
        }
    }

    fn is_hole(&self) -> bool {
        self.hole.load(Ordering::SeqCst) || self.number < self.gate.swallowed.load(Ordering::SeqCst)
    }

    /// Sends whole commands on, each to its fate; `None` where the connection ends.
    fn forward(&self, buffer: &mut Vec<u8>) -> Option<()> {
        let (mut out, mut done) = (Vec::new(), 0);
        while !self.raw.load(Ordering::SeqCst) {
            let Some(length) = frame::length(&buffer[done..]).filter(|_| done < buffer.len()) else { break };
            let command = &buffer[done..done + length];
            done += length;
            match self.fate(command) {
                Some(Fault::CloseBefore) => {
                    let _ = (&self.server).write_all(&out);
                    return None;
                }
                Some(Fault::BlackHole) => {
                    self.hole.store(true, Ordering::SeqCst);
                    break;
                }
                Some(Fault::CloseAfter) => {
                    out.extend_from_slice(command);
                    let _ = (&self.server).write_all(&out);
                    return None;
                }
                fate => {
                    self.expect(fate.filter(|fault| *fault != Fault::Double));
                    out.extend_from_slice(command);
                    if fate == Some(Fault::Double) {
                        self.expect(Some(Fault::Double));
                        out.extend_from_slice(command);
                    }
                }
            }
        }
        if self.raw.load(Ordering::SeqCst) {
            done = 0;
            out.clear();
            out.append(buffer);
        }
        buffer.drain(..done.min(buffer.len()));
        (&self.server).write_all(&out).ok()
    }

    fn fate(&self, command: &[u8]) -> Option<Fault> {
        match frame::command(command).as_str() {
            "EVALSHA" | "EVAL" => self.gate.fates.next(),
            "REPLCONF" | "PSYNC" | "SUBSCRIBE" | "PSUBSCRIBE" | "MONITOR" => {
                self.raw.store(true, Ordering::SeqCst);
                None
            }
            _ => None,
        }
    }

    fn expect(&self, fate: Option<Fault>) {
        self.replies.lock().unwrap().push_back(fate);
    }

    fn carry_replies(&self) {
        let (mut buffer, mut chunk) = (Vec::new(), [0; 64 * 1024]);
        while let Ok(read @ 1..) = (&self.server).read(&mut chunk) {
            if self.is_hole() {
                continue;
            }
            buffer.extend_from_slice(&chunk[..read]);
            if self.deliver(&mut buffer).is_none() {
                break;
            }
        }
        self.close();
    }

    fn deliver(&self, buffer: &mut Vec<u8>) -> Option<()> {
        let (mut out, mut done, mut last) = (Vec::new(), 0, false);
        while !last && !self.raw.load(Ordering::SeqCst) {
            let Some(length) = frame::length(&buffer[done..]).filter(|_| done < buffer.len()) else { break };
            let reply = &buffer[done..done + length];
            done += length;
            let fate = self.replies.lock().unwrap().pop_front().flatten();
            match fate {
                Some(Fault::Double) => {} // the reply to the second copy
                Some(Fault::SwallowReply) => last = true,
                Some(Fault::CutReply) => {
                    out.extend_from_slice(&reply[..length / 2]);
                    last = true;
                }
                Some(fault @ Fault::Delay(_)) => {
                    (&self.client).write_all(&std::mem::take(&mut out)).ok()?;
                    std::thread::sleep(fault.pause());
                    out.extend_from_slice(reply);
                }
                _ => out.extend_from_slice(reply),
            }
        }
        if self.raw.load(Ordering::SeqCst) {
            out.extend_from_slice(&buffer[done..]);
            done = buffer.len();
        }
        buffer.drain(..done);
        (&self.client).write_all(&out).ok()?;
        (!last).then_some(())
    }

    fn close(&self) {
        for socket in [&self.client, &self.server] {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}
