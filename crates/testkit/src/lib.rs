//! Servers for tests, on free loopback ports. A test starts them by itself, and stops them by process id.
//!
//! Tests tell the path of the gateway by a [`Binary`](gateway::Binary).

pub mod api;
pub mod balancer;
pub mod chain;
pub mod cluster;
pub mod disk;
pub mod gateway;
pub mod keys;
pub mod proxy;
pub mod redis;
pub mod sentinel;
pub mod service_key;
pub mod tls;
pub mod users;

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

/// A port free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}

/// Polls until `ready` gives something; fails the test after `limit`.
pub fn wait_for<T>(what: &str, limit: Duration, mut ready: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(began.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The same for a future.
pub async fn eventually<T>(what: &str, limit: Duration, mut ready: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = ready().await {
            return found;
        }
        assert!(began.elapsed() < limit, "{what}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Sends a signal to a process of the test.
pub fn signal(signal: &str, id: u32) {
    assert!(Command::new("kill").args([signal, &id.to_string()]).status().expect("kill runs").success());
}
