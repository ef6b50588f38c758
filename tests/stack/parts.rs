//! Redis with the stack's configuration and users, and all parts together.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::{Connection, FromRedisValue, IntoConnectionInfo, RedisResult};
use tempfile::TempDir;

use super::nginx::Nginx;
use super::{repository, text_of};
use crate::support::gateway::{Gateway, command};
use crate::support::{free_port, signal, wait_for};

const GATEWAY_PASSWORD: &str = "gateway-password-of-the-tests";
const OPERATOR_PASSWORD: &str = "operator-password-of-the-tests";

/// Redis as the container starts it.
pub struct Store {
    child: Child,
    dir: TempDir,
    port: u16,
}

/// How docker-compose.yml starts Redis.
fn entrypoint() -> Vec<String> {
    let file: serde_json::Value = yaml_serde::from_str(&text_of("docker-compose.yml")).expect("YAML");
    let words = file["services"]["redis"]["entrypoint"].as_array().expect("an entrypoint").clone();
    words.iter().map(|word| word.as_str().expect("text").to_owned()).collect()
}

impl Store {
    pub fn start() -> Self {
        let (dir, port) = (tempfile::tempdir().expect("a folder"), free_port());
        let start = repository("ops/redis/start");
        let (script, folder) = (start.to_str().expect("text"), dir.path().to_str().expect("text"));
        let words = entrypoint();
        let words = words.iter().map(|word| match word.as_str() {
            "/etc/redis/start" => script,
            "/data" => folder,
            word => word,
        });
        let words: Vec<&str> = words.collect();
        assert!(words.contains(&script) && words.contains(&folder), "{words:?}");
        let child = Command::new(words[0])
            .args(&words[1..])
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .env("REDIS_PASSWORD", GATEWAY_PASSWORD)
            .env("REDISCLI_AUTH", OPERATOR_PASSWORD)
            .env("TMPDIR", dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("sh starts");
        let store = Self { child, dir, port };
        wait_for("Redis answers its operator", Duration::from_secs(10), || {
            let mut connection = connect(&store.operator_url()).ok()?;
            redis::cmd("PING").query::<String>(&mut connection).ok()
        });
        assert!(store.dir.path().join("appendonlydir").is_dir(), "the data is where the volume is");
        store
    }

    pub fn freeze(&self) {
        signal("-STOP", self.child.id());
    }

    pub fn thaw(&self) {
        signal("-CONT", self.child.id());
    }

    /// For `REDIS_URL`, as docker-compose.yml writes it.
    pub fn url(&self) -> String {
        format!("redis://gateway:{GATEWAY_PASSWORD}@127.0.0.1:{}", self.port)
    }

    fn operator_url(&self) -> String {
        format!("redis://operator:{OPERATOR_PASSWORD}@127.0.0.1:{}", self.port)
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

    /// What users were refused, as Redis has noted it: user and command or key.
    pub fn refused(&self) -> Vec<(String, String)> {
        let entries: Vec<std::collections::HashMap<String, redis::Value>> = self.ask("ACL LOG");
        let text = |value: &redis::Value| redis::from_redis_value_ref::<String>(value).expect("text");
        entries.iter().map(|entry| (text(&entry["username"]), text(&entry["object"]))).collect()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Without the library's name, which Redis 7.0 takes for an error, so that the errors it counts are the gateway's.
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
        Self::start_with("100000r/s")
    }

    /// `rate` is how often one address may refresh.
    pub fn start_with(rate: &str) -> Self {
        let store = Store::start();
        let gateways = [(); 2].map(|()| gateway(&store, "127.0.0.1:0"));
        let addresses = gateways.each_ref().map(|gateway| gateway.address().to_owned());
        let nginx = Nginx::before(addresses.each_ref().map(String::as_str), rate);
        Self { nginx, gateways: gateways.map(Some), addresses, store }
    }

    /// How often a node has met this route, by its own log.
    pub fn met(&self, node: usize, route: &str) -> usize {
        self.gateways[node].as_ref().expect("it runs").log().matches(route).count()
    }

    /// Ends a node by SIGKILL.
    pub fn kill(&mut self, node: usize) {
        drop(self.gateways[node].take().expect("it runs"));
    }

    pub fn start_again(&mut self, node: usize) {
        self.gateways[node] = Some(gateway(&self.store, &self.addresses[node]));
    }
}

/// A gateway that knows Redis as the stack's gateways do.
pub fn gateway(store: &Store, address: &str) -> Gateway {
    Gateway::run(command("serve", &[("REDIS_URL", &store.url()), ("BIND_ADDR", address)]))
}
