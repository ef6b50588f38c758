//! A real Redis Cluster of three primaries, with a password, empty.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use redis::{FromRedisValue, ToRedisArgs};
use tempfile::TempDir;

use super::wait_for;

const PASSWORD: &str = "password-of-the-tests";

pub struct Cluster {
    nodes: Vec<Node>,
}

struct Node {
    child: Child,
    port: u16,
    _dir: TempDir,
}

impl Cluster {
    pub fn start() -> Self {
        let cluster = Self { nodes: (0..3).map(|_| Node::start()).collect() };
        let addresses = cluster.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port));
        let created = Command::new("redis-cli")
            .args(["-a", PASSWORD, "--no-auth-warning", "--cluster", "create"])
            .args(addresses)
            .arg("--cluster-yes")
            .output()
            .expect("redis-cli is installed with redis-server");
        assert!(created.status.success(), "{created:?}");
        wait_for("every node knows the cluster", Duration::from_secs(30), || {
            let knows = |node: &Node| {
                node.ask::<String>(&["CLUSTER", "INFO"]).is_some_and(|it| it.contains("cluster_state:ok"))
            };
            cluster.nodes.iter().all(knows).then_some(())
        });
        cluster
    }

    pub fn url(&self) -> String {
        self.nodes[0].url()
    }

    /// How many keys each primary holds.
    pub fn sizes(&self) -> Vec<u64> {
        self.nodes.iter().map(|node| node.ask(&["DBSIZE"]).expect("it answers")).collect()
    }

    /// Ends the last primary, by its process id; its slots are nobody's then.
    pub fn lose_one(&mut self) {
        self.nodes.pop();
    }
}

impl Node {
    fn start() -> Self {
        let (dir, port) = (tempfile::tempdir().expect("a temporary folder"), free_port_with_bus());
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--cluster-enabled", "yes", "--requirepass", PASSWORD, "--masterauth", PASSWORD])
            .args(["--hash-max-listpack-value", "2048", "--dir"])
            .arg(dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed; scripts/test installs it");
        let node = Self { child, port, _dir: dir };
        wait_for("redis-server answers", Duration::from_secs(10), || node.ask::<String>(&["PING"]));
        node
    }

    fn url(&self) -> String {
        format!("redis://:{PASSWORD}@127.0.0.1:{}", self.port)
    }

    fn ask<T: FromRedisValue>(&self, command: &[impl ToRedisArgs]) -> Option<T> {
        let client = redis::Client::open(self.url()).expect("a valid URL");
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(1)).ok()?;
        let mut cmd = redis::Cmd::new();
        cmd.arg(command);
        cmd.query(&mut connection).ok()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago, and so was the one for the cluster's bus, 10,000 above. Both lie below
/// those that the system hands out, so nobody else comes upon them.
fn free_port_with_bus() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 11_000 + (std::process::id() % 900) as u16 * 10;
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    wait_for("a port and its bus port are free", Duration::from_secs(10), || {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed) % 1_000;
        (is_free(port) && is_free(port + 10_000)).then_some(port)
    })
}
