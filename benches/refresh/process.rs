//! The measured processes: started on free loopback ports, stopped by process id.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use token_gateway::gateway::service_keys::NewServiceKey;

/// HTTP worker threads of every node.
pub const WORKERS: &str = "2";

pub struct Process {
    child: Child,
    pub address: String,
    _folder: Option<TempDir>,
}

impl Process {
    /// Starts Redis with the configuration of the stack.
    pub fn redis() -> Result<Self> {
        let (folder, address) = (tempfile::tempdir()?, free_address()?);
        let port = address.rsplit(':').next().unwrap_or_default();
        let child = Command::new("redis-server")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/ops/redis/redis.conf"))
            .args(["--port", port, "--bind", "127.0.0.1", "--dir"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .context("redis-server is needed; scripts/test installs it")?;
        let process = Self { child, address, _folder: Some(folder) };
        let client = redis::Client::open(process.redis_url())?;
        let began = Instant::now();
        while client.get_connection().and_then(|mut it| redis::cmd("PING").exec(&mut it)).is_err() {
            if began.elapsed() > Duration::from_secs(10) {
                bail!("redis-server does not answer");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(process)
    }

    /// Starts a node, and reads its address from its standard error.
    pub fn node(command: &mut Command) -> Result<Self> {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (before, address) = line.split_once("listening on http://")?;
            (!before.ends_with("admin ")).then(|| address.to_owned())
        });
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let address = address.context("the node did not start")?;
        Ok(Self { child, address, _folder: None })
    }

    /// Starts a process without reading its output.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let child = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn()?;
        Ok(Self { child, address: String::new(), _folder: None })
    }

    pub fn redis_url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// The version in this server's `INFO`.
    pub fn version(&self) -> Result<String> {
        let mut connection = redis::Client::open(self.redis_url())?.get_connection()?;
        let info: redis::InfoDict = redis::cmd("INFO").arg("server").query(&mut connection)?;
        info.get("redis_version").context("INFO names the version")
    }

    /// Time on a processor so far, of all living threads.
    pub fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten();
        let nanos = tasks.filter_map(|task| {
            let times = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            times.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The settings of every node.
pub fn environment(redis: &Process, key: &NewServiceKey) -> [(&'static str, String); 9] {
    [
        ("BIND_ADDR", "127.0.0.1:0".to_owned()),
        ("WORKERS", WORKERS.to_owned()),
        ("REDIS_URL", redis.redis_url()),
        ("ISSUER", "https://auth.example.test".to_owned()),
        ("SIGNING_SECRET", "signing-secret-of-the-benchmark-0123456789".to_owned()),
        ("REFRESH_SECRET", "refresh-secret-of-the-benchmark-0123456789".to_owned()),
        ("SERVICE_KEYS", key.entry.clone()),
        ("API_DOCS", "public".to_owned()),
        ("RUST_LOG", "info".to_owned()),
    ]
}

/// Time on a processor so far, of this thread. It drives the load.
pub fn own_cpu() -> Duration {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(times.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

/// A loopback address, free a moment ago.
pub fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
