//! A real gateway process, as `token-gateway serve` starts it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;

use super::api::Api;
use super::redis::Redis;
use super::service_key::{ISSUE_ONLY, WEB};
use super::{freeze, signal, wait_for};

pub const ISSUER: &str = "https://auth.example.test";
pub const SIGNING_SECRET: &str = "signing-secret-of-the-tests-0123456789";
pub const REFRESH_SECRET: &str = "refresh-secret-of-the-tests-0123456789";

/// For tests that read the documentation of the API over the public address.
pub const PUBLIC_DOCS: (&str, &str) = ("API_DOCS", "public");

/// The gateway's binary. Cargo tells its path only to the tests of the package that builds it.
#[derive(Debug, Clone, Copy)]
pub struct Binary(pub &'static str);

/// A limit of a process's file descriptors.
#[derive(Debug, Clone, Copy)]
pub enum Descriptors {
    AtMost(u64),
    /// A process may raise it.
    AtFirst(u64),
}

impl Binary {
    pub fn start(self, redis: &Redis) -> Gateway {
        self.start_with(redis, &[])
    }

    pub fn start_with(self, redis: &Redis, settings: &[(&str, &str)]) -> Gateway {
        let url = redis.url();
        let mut all = vec![("REDIS_URL", url.as_str())];
        all.extend_from_slice(settings);
        self.spawn(&all)
    }

    /// On the store that a URL leads to.
    pub fn on(self, url: &str, settings: &[(&str, &str)]) -> Gateway {
        let mut all = vec![("REDIS_URL", url)];
        all.extend_from_slice(settings);
        self.spawn(&all)
    }

    pub fn embedded(self) -> Gateway {
        self.spawn(&[("STORE", "embedded")])
    }

    /// Without Redis, with `settings`.
    pub fn embedded_with(self, settings: &[(&str, &str)]) -> Gateway {
        let mut all = vec![("STORE", "embedded")];
        all.extend_from_slice(settings);
        self.spawn(&all)
    }

    /// On the store that a URL leads to, with a limit of file descriptors.
    pub fn with_descriptors(self, limit: Descriptors, url: &str, settings: &[(&str, &str)]) -> Gateway {
        let mut node = self.command("serve", settings);
        node.env("REDIS_URL", url);
        let (kind, descriptors) = match limit {
            Descriptors::AtMost(descriptors) => ("-n", descriptors),
            Descriptors::AtFirst(descriptors) => ("-Sn", descriptors),
        };
        let mut shell = Command::new("sh");
        shell.args(["-c", r#"ulimit "$0" "$1" && shift && exec "$@""#, kind, &descriptors.to_string()]);
        shell.arg(node.get_program()).args(node.get_args()).env_clear();
        shell.envs(node.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Gateway::run(shell)
    }

    fn spawn(self, settings: &[(&str, &str)]) -> Gateway {
        Gateway::run(self.command("serve", settings))
    }

    /// The binary with a clean environment, good settings, and `settings` on top.
    pub fn command(self, subcommand: &str, settings: &[(&str, &str)]) -> Command {
        let mut command = Command::new(self.0);
        command
            .arg(subcommand)
            .env_clear()
            .env("BIND_ADDR", "127.0.0.1:0")
            .env("WORKERS", "2")
            .env("ISSUER", ISSUER)
            .env("SIGNING_SECRET", SIGNING_SECRET)
            .env("REFRESH_SECRET", REFRESH_SECRET)
            .env("SERVICE_KEYS", format!("{},{}", WEB.entry, ISSUE_ONLY.entry))
            .envs(settings.iter().copied());
        command
    }
}

pub struct Gateway {
    child: Child,
    address: String,
    log: Arc<Mutex<String>>,
}

impl Gateway {
    /// Runs a command that becomes a gateway.
    pub fn run(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the gateway starts");
        let log = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let sink = log.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut log = sink.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let address = wait_for("the gateway listens", Duration::from_secs(10), || {
            named(&log.lock().unwrap(), "listening on")
        });
        Self { child, address, log }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn api(&self) -> Api {
        Api::new(&self.address)
    }

    /// The address for `/metrics`, from its log line; the test has set `ADMIN_ADDR`.
    pub fn admin(&self) -> String {
        wait_for("the admin address", Duration::from_secs(5), || named(&self.log(), "admin listening on"))
    }

    /// The answer to `/metrics`; the test has set `ADMIN_ADDR`.
    pub async fn metrics(&self) -> String {
        let admin = Api::new(&self.admin());
        admin.send(admin.request(Method::GET, "/metrics")).await.text
    }

    /// The whole log so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn terminate(&self) {
        signal("-TERM", self.id());
    }

    /// Stops the process as a paused machine would.
    pub fn freeze(&self) {
        freeze(self.id());
    }

    pub fn thaw(&self) {
        signal("-CONT", self.id());
    }

    pub fn wait(&mut self) -> ExitStatus {
        wait_for("the gateway ends", Duration::from_secs(30), || {
            self.child.try_wait().expect("it can be asked")
        })
    }

    /// Sends bytes as they are, on a connection of their own; returns the answer until the connection closes, or
    /// breaks.
    pub fn say(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        let _ = stream.write_all(bytes); // a refusal may come before the request's end
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).expect("text")
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The highest resident memory so far.
    pub fn most_resident(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux tells");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address after these words in a log, whether its lines are text or JSON.
fn named(log: &str, words: &str) -> Option<String> {
    let (text, json) = (format!("startup {words} http://"), format!("\"message\":\"{words} http://"));
    let (_, rest) = log.split_once(&text).or_else(|| log.split_once(&json))?;
    Some(rest.split_once(['\n', '"'])?.0.to_owned())
}
