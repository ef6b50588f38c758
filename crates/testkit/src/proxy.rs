//! A TCP proxy in front of a redis-server; it understands RESP. It can hold back a gateway's calls and release them
//! later, and let calls of scripts meet faults, by hand or by plan. It concerns only connections on which a script was
//! sent or the feed was read. Replication, Sentinels and operators pass untouched, though they may share its address.
//! It can part replicas from their primary.

pub mod frame;
mod gate;
mod link;
mod plan;
mod shared;

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use self::link::Link;
pub use self::plan::{Fault, Plan};
use self::shared::Shared;

pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// In front of the server on this port, which need not run yet.
    pub fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let own = listener.local_addr().expect("bound").port();
        let shared = Arc::new(Shared::default());
        let proxy = Self { port: own, shared: shared.clone() };
        std::thread::spawn(move || accept(&shared, &listener, port));
        proxy
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// From now on nothing of a gateway reaches Redis. Calls wait here, even if their sender has given up.
    pub fn hold(&self) {
        self.shared.gate.hold_all();
    }

    /// The same for the present connections; new ones work.
    pub fn hold_existing(&self) {
        self.shared.gate.hold_existing();
    }

    /// Makes a black hole of every present connection: open, and silent for ever. New ones work.
    pub fn swallow(&self) {
        self.shared.gate.swallow_existing();
    }

    /// As when the network between the server and its replicas is gone, for good: connections stay open, but nothing
    /// comes through, on present and on new ones.
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

    /// The number of calls of scripts so far.
    pub fn calls(&self) -> u64 {
        self.shared.fates.calls()
    }

    /// The number of strikes of each fault.
    pub fn struck(&self) -> BTreeMap<&'static str, u64> {
        self.shared.fates.struck()
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

fn accept(shared: &Arc<Shared>, listener: &TcpListener, port: u16) {
    for client in listener.incoming().map_while(Result::ok) {
        if shared.closed.load(Ordering::SeqCst) {
            return;
        }
        let (number, shared) = (shared.gate.accept(), shared.clone());
        // A frozen server may not accept for a while; others must not wait for it.
        std::thread::spawn(move || {
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { return };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            Link::run(number, client, server, shared);
        });
    }
}
