//! The parts of the stack as docker-compose.yml starts them, on loopback: Redis with its configuration and users, gateways
//! with their environment, and all together.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::{Connection, FromRedisValue, IntoConnectionInfo, RedisResult};
use reqwest::Method;
use tempfile::TempDir;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::service_key::{ISSUE_ONLY, WEB};
use token_gateway_testkit::{eventually, free_port, freeze, signal, wait_for};

use super::config::{Checkout, service, texts};
use crate::interop::foreign::valkey_server;
use token_gateway_testkit::nginx::{Nginx, Rates};

/// A supported server: the server of docker-compose.yml, and Debian's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Valkey,
    Redis,
}

impl Server {
    pub const BOTH: [Self; 2] = [Self::Valkey, Self::Redis];

    fn command(self) -> Command {
        match self {
            Self::Valkey => Command::new(valkey_server()),
            Self::Redis => Command::new("redis-server"),
        }
    }
}

/// Redis as the container starts it.
pub struct Store {
    server: Server,
    child: Option<Child>,
    pub checkout: Checkout,
    volume: TempDir,
    port: u16,
}

impl Store {
    /// The server of docker-compose.yml.
    pub fn start() -> Self {
        Self::start_as(Server::Valkey)
    }

    pub fn start_as(server: Server) -> Self {
        let mut store = Self::prepare(server);
        store.run();
        store
    }

    /// Ready to run, with an empty volume.
    pub fn prepare(server: Server) -> Self {
        let (checkout, port) = (Checkout::new(), free_port());
        for url in ["secrets/redis_url", "secrets/redis_operator_url"] {
            checkout.rewrite(url, |text| text.replace("redis:6379", &format!("127.0.0.1:{port}")));
        }
        checkout.rewrite("secrets/service_keys", |_| format!("{},{}\n", WEB.entry, ISSUE_ONLY.entry));
        Self { server, child: None, checkout, volume: tempfile::tempdir().expect("a folder"), port }
    }

    /// The folder of its volume.
    pub fn volume(&self) -> &std::path::Path {
        self.volume.path()
    }

    /// Another server takes the volume over.
    pub fn become_a(&mut self, server: Server) {
        self.server = server;
    }

    /// Starts the server with the data in its volume.
    pub fn run(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let words = texts(&service("redis")["entrypoint"]);
        assert_eq!(words[0], "valkey-server");
        let mut command = self.server.command();
        for word in &words[1..] {
            match *word {
                "/data" => command.arg(self.volume.path()),
                path if path.starts_with('/') => command.arg(self.checkout.place("redis", path)),
                word => command.arg(word),
            };
        }
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"]).stdout(Stdio::null());
        self.child = Some(command.spawn().expect("scripts/test installs it"));
        wait_for("Redis answers its operator", Duration::from_secs(20), || {
            let mut connection = connect(&self.operator_url()).ok()?;
            redis::cmd("PING").query::<String>(&mut connection).ok()
        });
        assert!(self.volume.path().join("appendonlydir").is_dir(), "the data is where the volume is");
    }

    /// Ends the server as `docker compose stop` does.
    pub fn stop(&mut self) {
        signal("-TERM", self.id());
        self.child.take().expect("it runs").wait().expect("it has ended");
    }

    /// Ends the server by SIGKILL.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("it can be killed");
        child.wait().expect("it has ended");
    }

    /// Has the append-only file rewritten, and waits for the end of it.
    pub fn rewrite_file(&self) {
        self.ask::<String>("BGREWRITEAOF");
        wait_for("the file is written anew", Duration::from_secs(20), || {
            let told = |name, value| self.info("persistence", name).as_deref() == Some(value);
            let is_over = told("aof_rewrite_in_progress", "0") && told("aof_rewrite_scheduled", "0");
            (is_over && told("aof_last_bgrewrite_status", "ok")).then_some(())
        });
    }

    pub fn info(&self, section: &str, name: &str) -> Option<String> {
        let info: String = self.ask(&format!("INFO {section}"));
        info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::to_owned))
    }

    fn id(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn freeze(&self) {
        freeze(self.id());
    }

    pub fn thaw(&self) {
        signal("-CONT", self.id());
    }

    /// The gateways' `REDIS_URL`.
    pub fn url(&self) -> String {
        self.checkout.text("secrets/redis_url").trim_end().to_owned()
    }

    fn operator_url(&self) -> String {
        self.checkout.text("secrets/redis_operator_url").trim_end().to_owned()
    }

    pub fn anonymous_url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// As an operator would type it into redis-cli.
    pub fn ask<T: FromRedisValue>(&self, line: &str) -> T {
        ask(&self.operator_url(), line).expect("Redis carries the command out")
    }

    /// The same as the gateways' user.
    pub fn ask_as_gateway<T: FromRedisValue>(&self, line: &str) -> RedisResult<T> {
        ask(&self.url(), line)
    }

    /// The refusals to users in Redis's own log: user and command or key.
    pub fn refused(&self) -> Vec<(String, String)> {
        let entries: Vec<std::collections::HashMap<String, redis::Value>> = self.ask("ACL LOG");
        let text = |value: &redis::Value| redis::from_redis_value_ref::<String>(value).expect("text");
        entries.iter().map(|entry| (text(&entry["username"]), text(&entry["object"]))).collect()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Without the library's name, which Redis 7.0 takes for an error: so all counted errors are the gateway's.
fn connect(url: &str) -> RedisResult<Connection> {
    let server = url.into_connection_info()?;
    let quiet = server.redis_settings().clone().set_skip_set_lib_name();
    let client = redis::Client::open(server.set_redis_settings(quiet))?;
    client.get_connection_with_timeout(Duration::from_secs(1))
}

/// One command, split at blanks.
pub fn ask<T: FromRedisValue>(url: &str, line: &str) -> RedisResult<T> {
    let mut command = redis::Cmd::new();
    for word in line.split(' ') {
        command.arg(word);
    }
    command.query(&mut connect(url)?)
}

/// nginx, two gateways, Redis.
pub struct Stack {
    pub nginx: Nginx,
    gateways: [Option<Gateway>; 2],
    addresses: [String; 2],
    pub store: Store,
}

impl Stack {
    pub fn start() -> Self {
        Self::start_with(Rates::NONE)
    }

    pub fn start_with(rates: Rates<'_>) -> Self {
        let store = Store::start();
        let gateways = [(); 2].map(|()| gateway(&store, "127.0.0.1:0"));
        let addresses = gateways.each_ref().map(|gateway| gateway.address().to_owned());
        let nginx = Nginx::before(addresses.each_ref().map(String::as_str), rates);
        Self { nginx, gateways: gateways.map(Some), addresses, store }
    }

    pub fn gateway(&self, node: usize) -> &Gateway {
        self.gateways[node].as_ref().expect("it runs")
    }

    /// How often a node has met this route, by its own log.
    pub fn met(&self, node: usize, route: &str) -> usize {
        self.gateway(node).log().matches(route).count()
    }

    /// Ends a node by SIGKILL.
    pub fn kill(&mut self, node: usize) {
        drop(self.gateways[node].take().expect("it runs"));
    }

    pub fn start_again(&mut self, node: usize) {
        self.gateways[node] = Some(gateway(&self.store, &self.addresses[node]));
    }

    /// Stops a node by SIGTERM; returns the time it took.
    pub fn stop(&mut self, node: usize) -> Duration {
        let mut gateway = self.gateways[node].take().expect("it runs");
        let told = Instant::now();
        gateway.terminate();
        assert_eq!(gateway.wait().code(), Some(0));
        told.elapsed()
    }

    /// As `docker compose up --no-deps --wait` puts a new container in an old one's place, with the same address.
    pub async fn exchange(&mut self, node: usize) {
        self.stop(node);
        self.start_again(node);
        let api = self.gateway(node).api();
        eventually("the node is ready", Duration::from_secs(20), async || {
            (api.send(api.request(Method::GET, "/readyz")).await.status == 200).then_some(())
        })
        .await;
    }
}

/// A gateway with the environment of docker-compose.yml, at another address.
pub fn gateway(store: &Store, address: &str) -> Gateway {
    gateway_with(store, address, &[])
}

/// The same with other settings on top.
pub fn gateway_with(store: &Store, address: &str, settings: &[(&str, &str)]) -> Gateway {
    let mut command = Command::new(env!("CARGO_BIN_EXE_token-gateway"));
    command.arg("serve").env_clear().envs(store.checkout.environment("gateway-1"));
    command.envs([("BIND_ADDR", address), ("ADMIN_ADDR", "127.0.0.1:0"), ("WORKERS", "2")]);
    Gateway::run({
        command.envs(settings.iter().copied());
        command
    })
}
