//! A TCP proxy in front of a redis-server that understands RESP: it can hold back what a gateway sends and let it go
//! later, and let calls of scripts meet faults, by hand or by plan. Replication, Sentinels and operators, who may share
//! its address, pass untouched: all this concerns connections on which a script was sent or the feed was read. Replicas
//! can be parted from their master.

pub mod frame;
mod gate;
mod link;
mod plan;

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use self::gate::Gate;
use self::link::Link;
use self::plan::Fates;
pub use self::plan::{Fault, Plan};

pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

/// What all connections of a proxy have in common.
#[derive(Default)]
struct Shared {
    gate: Gate,
    fates: Fates,
    closed: AtomicBool,
}

impl Proxy {
    /// In front of the server on this port, which need not run yet.
    pub fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let own = listener.local_addr().expect("bound").port();
        let shared = Arc::new(Shared::default());
        let proxy = Self { port: own, shared: shared.clone() };
        std::thread::spawn(move || shared.accept(&listener, port));
        proxy
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// From now on nothing of a gateway reaches Redis; what is sent waits here, even when its sender has given up.
    pub fn hold(&self) {
        self.shared.gate.hold_all();
    }

    /// The same for the connections there are; new ones work.
    pub fn hold_existing(&self) {
        self.shared.gate.hold_existing();
    }

    /// Makes a black hole of every connection there is: open, and silent for ever. New ones work.
    pub fn swallow(&self) {
        self.shared.gate.swallow_existing();
    }

    /// As when the network between the server and its replicas is gone, for good: connections stay open, and nothing
    /// comes through, neither on those there are nor on new ones.
    pub fn part(&self) {
        self.shared.gate.part();
    }

    pub fn release(&self) {
        self.shared.gate.release();
    }

    /// The `nth` call of a script from now on meets this fault.
    pub fn strike(&self, fault: Fault, nth: u64) {
        self.shared.fates.order(fault, nth);
    }

    /// Calls of scripts and readers of the feed meet faults from now on.
    pub fn disturb(&self, plan: Plan) {
        self.shared.fates.follow(Some(plan));
    }

    pub fn calm(&self) {
        self.shared.fates.follow(None);
    }

    /// How many calls of scripts there were.
    pub fn calls(&self) -> u64 {
        self.shared.fates.calls()
    }

    /// How often each fault has struck.
    pub fn struck(&self) -> BTreeMap<&'static str, u64> {
        self.shared.fates.struck()
    }
}

impl Shared {
    fn accept(self: Arc<Self>, listener: &TcpListener, port: u16) {
        for client in listener.incoming().map_while(Result::ok) {
            if self.closed.load(Ordering::SeqCst) {
                return;
            }
            let (number, shared) = (self.gate.accept(), self.clone());
            // A server that is frozen may not accept for a while; others must not wait for that.
            std::thread::spawn(move || {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { return };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                Link::run(number, client, server, shared);
            });
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.release();
        // The listener waits for somebody.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}
