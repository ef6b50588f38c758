//! Servers for tests, on free loopback ports. A test starts them by itself, and stops them by process id.
//!
//! Tests tell the path of the gateway by a [`Binary`](gateway::Binary).

pub mod api;
pub mod balancer;
pub mod chain;
pub mod cluster;
pub mod disk;
pub mod gateway;
pub mod hostile;
pub mod imitation;
pub mod keys;
pub mod nginx;
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

/// Lets this process open more files, as far as the system allows it: a crowd of clients needs many.
pub fn raise_descriptor_limit(descriptors: u32) {
    let (id, limit) = (std::process::id().to_string(), format!("--nofile={descriptors}:"));
    let _ = Command::new("prlimit").args(["--pid", &id, &limit]).status();
}

/// Sends a signal to a process of the test.
pub fn signal(signal: &str, id: u32) {
    assert!(Command::new("kill").args([signal, &id.to_string()]).status().expect("kill runs").success());
}

/// Stops a process as a paused machine would. Its threads run on for moments after the signal, so this waits for them.
pub fn freeze(id: u32) {
    signal("-STOP", id);
    wait_for("all threads have stopped", Duration::from_secs(10), || {
        thread_states(id).iter().all(|state| *state == 'T').then_some(())
    });
}

/// A letter for each thread, as Linux has it in `/proc`; none on other systems.
fn thread_states(id: u32) -> Vec<char> {
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let stats = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
    stats.filter_map(|stat| stat.rsplit_once(") ")?.1.chars().next()).collect()
}
