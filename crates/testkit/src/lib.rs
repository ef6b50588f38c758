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
use std::ops::Range;
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// A port free a moment ago. The system hands out none of this range, and a second call gets another one. So a server or
/// connection of another test does not come upon it, even where nobody listens for long.
pub fn free_port() -> u16 {
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(fastrand::u16(..)));
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    wait_for("loopback has a free port", Duration::from_secs(10), || {
        let port = FREE_PORTS.start + NEXT.fetch_add(1, Ordering::Relaxed) % FREE_PORTS.len() as u16;
        is_free(port).then_some(port)
    })
}

/// Below the ports of the system (32768 and more on Linux), and above those of Clusters and their buses.
const FREE_PORTS: Range<u16> = 26_000..32_000;

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
