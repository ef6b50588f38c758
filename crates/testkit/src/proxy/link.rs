//! One connection through the proxy: a thread for questions, and one for answers.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::frame::{self, Foreign, Kind};
use super::plan::Fault;
use super::shared::Shared;

/// Takes the place of a call withheld from Redis, to keep the order of the replies.
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

pub struct Link {
    number: usize,
    client: TcpStream,
    server: TcpStream,
    shared: Arc<Shared>,
    /// The fates of the replies to come, in their order.
    replies: Mutex<VecDeque<Reply>>,
    /// A gateway's: it has sent a script or read the feed. Faults spare all others.
    is_gateway: AtomicBool,
    /// A replica's: only being parted concerns it.
    is_replication: AtomicBool,
    /// Bytes pass as they come: replication, listening Sentinels, TLS.
    is_stream: AtomicBool,
    /// Nothing passes any more.
    is_silent: AtomicBool,
}

enum Reply {
    Pass,
    /// The reply to the second delivery of a doubled call.
    Drop,
    Meets(Fault),
}

/// The fate of a connection after a batch.
enum Then {
    GoOn,
    /// Both sides are lost at once.
    Close,
    /// The client's side is lost; Redis carries out the calls it has.
    Leave,
}

impl Link {
    /// Returns when the client is done.
    pub fn run(number: usize, client: TcpStream, server: TcpStream, shared: Arc<Shared>) {
        let line = Arc::new(Self {
            number,
            client,
            server,
            shared,
            replies: Mutex::default(),
            is_gateway: AtomicBool::new(false),
            is_replication: AtomicBool::new(false),
            is_stream: AtomicBool::new(false),
            is_silent: AtomicBool::new(false),
        });
        let other = line.clone();
        std::thread::spawn(move || other.answer());
        line.ask();
    }

    fn is_hole(&self) -> bool {
        let by_hand = self.is(&self.is_gateway) && self.shared.gate.swallows(self.number);
        let parted = self.is(&self.is_replication) && self.shared.gate.is_parted();
        by_hand || parted || self.is(&self.is_silent)
    }

    fn is(&self, what: &AtomicBool) -> bool {
        what.load(Ordering::SeqCst)
    }

    /// Carries commands until the client is done, then hands the end on.
    fn ask(&self) {
        self.carry(&self.client, |arrived| {
            let mut out = Vec::new();
            let then = self.frames(arrived, &mut out, |command, out| Ok(self.command(command, out)))?;
            (&self.server).write_all(&out)?;
            Ok(then)
        });
        self.pass_gate();
        let _ = self.server.shutdown(Shutdown::Write);
    }

    /// Carries replies until Redis is done.
    fn answer(&self) {
        self.carry(&self.server, |arrived| {
            let mut out = Vec::new();
            let then = self.frames(arrived, &mut out, |reply, out| self.reply(reply, out))?;
            self.hand_over(&mut out)?;
            Ok(then)
        });
        if !self.is_hole() {
            let _ = self.client.shutdown(Shutdown::Both);
        }
    }

    /// Reads until the end; `batch` takes the whole frames from the front of the arrived bytes.
    fn carry(&self, mut from: &TcpStream, batch: impl Fn(&mut Vec<u8>) -> io::Result<Then>) {
        let (mut buffer, mut arrived) = (vec![0; 64 * 1024], Vec::new());
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if self.is_hole() {
                continue;
            }
            arrived.extend_from_slice(&buffer[..read]);
            match batch(&mut arrived) {
                Ok(Then::GoOn) => {}
                Ok(Then::Leave) => return self.leave(),
                Ok(Then::Close) | Err(_) => return self.close(),
            }
        }
    }

    /// Hands each whole frame to `each`, which puts the outgoing bytes into `out`; a stream goes on as it is.
    fn frames(
        &self,
        arrived: &mut Vec<u8>,
        out: &mut Vec<u8>,
        mut each: impl FnMut(&[u8], &mut Vec<u8>) -> io::Result<Then>,
    ) -> io::Result<Then> {
        let (mut at, mut then) = (0, Then::GoOn);
        while !self.is(&self.is_stream) && matches!(then, Then::GoOn) {
            match frame::length(&arrived[at..]) {
                Ok(Some(length)) => {
                    then = each(&arrived[at..at + length], out)?;
                    at += length;
                }
                Ok(None) => break,
                Err(Foreign) => self.is_stream.store(true, Ordering::SeqCst),
            }
        }
        if self.is(&self.is_stream) {
            out.extend_from_slice(&arrived[at..]);
            at = arrived.len();
        }
        arrived.drain(..at);
        Ok(then)
    }

    fn close(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }

    /// Replies are still read, into nothing: a reset that met Redis too early would undo the sent calls.
    fn leave(&self) {
        self.is_silent.store(true, Ordering::SeqCst);
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Write);
    }

    fn pass_gate(&self) {
        if self.is(&self.is_gateway) && !self.is(&self.is_stream) {
            self.shared.gate.pass(self.number);
        }
    }

    /// Puts a command among the outgoing bytes, or does not; held back by hand, it waits here.
    fn command(&self, command: &[u8], out: &mut Vec<u8>) -> Then {
        let kind = frame::kind(command);
        match kind {
            Kind::Script | Kind::Feed => self.is_gateway.store(true, Ordering::SeqCst),
            Kind::Replication => {
                self.is_replication.store(true, Ordering::SeqCst);
                self.is_stream.store(true, Ordering::SeqCst);
            }
            Kind::Stream => self.is_stream.store(true, Ordering::SeqCst),
            Kind::Other => {}
        }
        self.pass_gate();
        if self.is_hole() {
            return Then::GoOn;
        }
        match self.shared.fates.next(kind) {
            None => self.send(command, Reply::Pass, out),
            Some(fault) => self.strike(fault, command, out),
        }
    }

    fn strike(&self, fault: Fault, command: &[u8], out: &mut Vec<u8>) -> Then {
        match fault {
            Fault::SwallowReply | Fault::CutReply | Fault::Delay(_) => {
                return self.send(command, Reply::Meets(fault), out);
            }
            Fault::Double => {
                self.send(command, Reply::Pass, out);
                self.send(command, Reply::Drop, out);
            }
            Fault::CloseAfter => {
                self.send(command, Reply::Drop, out);
            }
            Fault::Refuse(_) => return self.send(PING, Reply::Meets(fault), out),
            Fault::BlackHole => self.is_silent.store(true, Ordering::SeqCst),
            Fault::CloseBefore => {}
        }
        self.struck(fault);
        if matches!(fault, Fault::CloseBefore | Fault::CloseAfter) { Then::Leave } else { Then::GoOn }
    }

    fn send(&self, command: &[u8], reply: Reply, out: &mut Vec<u8>) -> Then {
        self.replies.lock().unwrap().push_back(reply);
        out.extend_from_slice(command);
        Then::GoOn
    }

    fn struck(&self, fault: Fault) {
        self.shared.fates.strikes(fault);
    }

    fn reply(&self, reply: &[u8], out: &mut Vec<u8>) -> io::Result<Then> {
        // An unasked message of a server belongs to no command.
        let meets = if reply[0] == b'>' { None } else { self.replies.lock().unwrap().pop_front() };
        let Some(Reply::Meets(fault)) = meets else {
            if !matches!(meets, Some(Reply::Drop)) {
                out.extend_from_slice(reply);
            }
            return Ok(Then::GoOn);
        };
        self.struck(fault);
        match fault {
            Fault::Delay(by) => self.delay(Duration::from_millis(by), reply, out),
            Fault::Refuse(code) => {
                out.extend_from_slice(format!("-{code} as the test wants it\r\n").as_bytes());
                Ok(Then::GoOn)
            }
            Fault::CutReply => {
                out.extend_from_slice(&reply[..reply.len() / 2]);
                Ok(Then::Close)
            }
            _ => Ok(Then::Close),
        }
    }

    /// Replies before it are not delayed.
    fn delay(&self, by: Duration, reply: &[u8], out: &mut Vec<u8>) -> io::Result<Then> {
        self.hand_over(out)?;
        std::thread::sleep(by);
        out.extend_from_slice(reply);
        Ok(Then::GoOn)
    }

    fn hand_over(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let nothing = out.is_empty() || self.is_hole();
        let handed = if nothing { Ok(()) } else { (&self.client).write_all(out) };
        out.clear();
        handed
    }
}
