//! A real redis-server, empty, with its data in a folder of its own.

mod memory;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::{Connection, FromRedisValue, ToRedisArgs};
use tempfile::TempDir;

use super::disk::Disk;
use super::proxy::Proxy;
use super::tls::Certificates;
use super::{free_port, freeze, signal, users, wait_for};

/// The way into a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    Anybody,
    Password(&'static str),
    /// The users of `ops/redis/users.acl`.
    Users,
}

impl Login {
    /// The credentials of other servers, and of redis-cli; none for a server open to anybody.
    pub fn of_servers(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Anybody => None,
            Self::Password(password) => Some(("default", password)),
            Self::Users => Some(users::OPERATOR),
        }
    }

    /// The beginning of a URL for gateways, after its scheme.
    pub fn of_gateways(self) -> String {
        match self {
            Self::Anybody => String::new(),
            Self::Password(password) => format!(":{password}@"),
            Self::Users => users::login(users::GATEWAY),
        }
    }
}

pub struct Redis {
    child: Option<Child>,
    port: u16,
    dir: TempDir,
    extra: Vec<String>,
    login: Login,
    /// In front of the server, which gives the proxy's port as its own.
    proxy: Option<Proxy>,
    /// The server's address for others over TLS.
    tls_port: Option<u16>,
    /// With a record of everything synced.
    disk: Option<Disk>,
}

impl Redis {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// `extra` are arguments such as `--maxmemory 3mb`.
    pub fn start_with(extra: &[&str]) -> Self {
        Self::start_on(free_port(), Login::Anybody, extra)
    }

    pub fn start_on(port: u16, login: Login, extra: &[&str]) -> Self {
        Self::start_all(port, login, None, extra)
    }

    /// With a record of its syncs.
    pub fn start_watched(login: Login, extra: &[&str]) -> Self {
        Self::start_all(free_port(), login, Some(Disk::make()), extra)
    }

    fn start_all(port: u16, login: Login, disk: Option<Disk>, extra: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut extra: Vec<_> = extra.iter().map(|&arg| arg.to_owned()).collect();
        match login {
            Login::Anybody => {}
            Login::Password(password) => {
                extra.extend(["--requirepass", password, "--masterauth", password].map(str::to_owned));
            }
            Login::Users => {
                let (path, (name, password)) = (dir.path().join("users.acl"), users::OPERATOR);
                std::fs::write(&path, users::file()).expect("a file");
                let path = path.to_str().expect("text");
                let options = ["--aclfile", path, "--masteruser", name, "--masterauth", password];
                extra.extend(options.map(str::to_owned));
            }
        }
        let mut redis = Self { child: None, port, dir, extra, login, proxy: None, tls_port: None, disk };
        redis.run();
        redis
    }

    /// Behind a proxy; the options in `announce` make the server give the proxy's port as its own.
    pub fn start_behind(
        proxy: Proxy,
        port: u16,
        login: Login,
        extra: &[&str],
        announce: impl Fn(u16) -> Vec<String>,
    ) -> Self {
        let announced = announce(proxy.port());
        let mut all = extra.to_vec();
        all.extend(announced.iter().map(String::as_str));
        let mut redis = Self::start_on(port, login, &all);
        redis.proxy = Some(proxy);
        redis
    }

    /// With a TLS port besides, under which others know it; tests look at it through the plain one.
    pub fn start_over_tls(tls_port: u16, certificates: &Certificates, extra: &[&str]) -> Self {
        let options = certificates.server_options(tls_port);
        let all: Vec<_> = options.iter().map(String::as_str).chain(extra.iter().copied()).collect();
        let mut redis = Self::start_with(&all);
        redis.tls_port = Some(tls_port);
        redis
    }

    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("it was started behind one")
    }

    /// The port under which others know it.
    pub fn public_port(&self) -> u16 {
        self.tls_port.unwrap_or_else(|| self.proxy.as_ref().map_or(self.port, Proxy::port))
    }

    /// Starts the server again on its port, with its data on disk.
    pub fn run(&mut self) {
        self.begin();
        wait_for("redis-server answers", Duration::from_secs(10), || {
            let mut connection = self.try_connect()?;
            redis::cmd("PING").query::<String>(&mut connection).ok()
        });
    }

    /// The same; it may still be loading.
    pub fn begin(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let mut server = Command::new("redis-server");
        server
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args([
                "--repl-diskless-sync-delay",
                "0",
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
                "--hash-max-listpack-value",
                "2048",
            ])
            .arg("--dir")
            .arg(self.dir.path())
            .args(&self.extra)
            .stdout(Stdio::null());
        if let Some(disk) = &self.disk {
            disk.watch(&mut server);
        }
        let child = server.spawn();
        self.child = Some(child.expect("redis-server is installed; scripts/test installs it"));
    }

    /// Ends the server, by its process id, as a power cut would.
    pub fn stop(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("it can be killed");
        child.wait().expect("it has ended");
    }

    pub fn freeze(&self) {
        freeze(self.id());
    }

    pub fn thaw(&self) {
        signal("-CONT", self.id());
    }

    fn id(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The address for other servers: over TLS, if they speak TLS; never through the proxy.
    pub fn address_for_servers(&self) -> String {
        format!("127.0.0.1:{}", self.tls_port.unwrap_or(self.port))
    }

    /// For the tests, and for gateways where there is no user of theirs.
    pub fn url(&self) -> String {
        let user = self.login.of_servers().map(users::login).unwrap_or_default();
        format!("redis://{user}{}", self.address())
    }

    pub fn gateway_url(&self) -> String {
        format!("redis://{}{}", self.login.of_gateways(), self.address())
    }

    /// The value in `INFO` under this name; nothing from a server without an answer.
    pub fn info(&self, name: &str) -> Option<String> {
        let info: String = redis::cmd("INFO").query(&mut self.try_connect()?).ok()?;
        info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::to_owned))
    }

    /// Like [`Redis::ask`], of a server that may be gone.
    pub fn try_ask<T: FromRedisValue>(&self, command: &[impl ToRedisArgs]) -> Option<T> {
        let mut cmd = redis::Cmd::new();
        cmd.arg(command);
        cmd.query(&mut self.try_connect()?).ok()
    }

    /// The file with the writes appended since the start; a power cut leaves a part of it.
    pub fn append_only_file(&self) -> PathBuf {
        let folder = self.dir.path().join("appendonlydir");
        let names = std::fs::read_dir(folder).expect("an append-only folder");
        let paths = names.map(|name| name.expect("an entry").path());
        let mut increments = paths.filter(|path| path.to_string_lossy().ends_with(".incr.aof"));
        increments.next().expect("what was appended since the start")
    }

    /// How much of that file has reached the disk.
    pub fn synced(&self) -> u64 {
        self.disk.as_ref().expect("it was started watched").synced(&self.append_only_file())
    }

    pub fn connect(&self) -> Connection {
        self.try_connect().expect("Redis is reachable")
    }

    fn try_connect(&self) -> Option<Connection> {
        let client = redis::Client::open(self.url()).expect("a valid URL");
        client.get_connection_with_timeout(Duration::from_secs(1)).ok()
    }

    /// One command, as an operator would type it into redis-cli.
    pub fn ask<T: FromRedisValue>(&self, command: &[impl ToRedisArgs]) -> T {
        let mut words = command.iter();
        let mut cmd = redis::Cmd::new();
        for word in words.by_ref() {
            cmd.arg(word);
        }
        cmd.query(&mut self.connect()).expect("Redis carries the command out")
    }

    /// The number of runs of a command, by the server's own count.
    pub fn calls(&self, command: &str) -> u64 {
        let stats: String = self.ask(&["INFO", "commandstats"]);
        let name = format!("cmdstat_{command}:calls=");
        let line = stats.lines().find_map(|line| line.strip_prefix(&name));
        line.map_or(0, |rest| rest.split(',').next().expect("a count").parse().expect("a number"))
    }

    /// Seconds since it started.
    pub fn uptime(&self) -> u64 {
        let server: String = self.ask(&["INFO", "server"]);
        let uptime = server.lines().find_map(|line| line.strip_prefix("uptime_in_seconds:"));
        uptime.expect("it tells").trim().parse().expect("a number")
    }

    /// Lets time pass for everything of the gateway: moves all times into the past, shortens every TTL.
    pub fn age(&self, by: Duration) {
        const AGE: &str = r"
            local us, ms = tonumber(ARGV[1]), tonumber(ARGV[1]) / 1000
            for _, key in ipairs(redis.call('KEYS', '*')) do
                if redis.call('TYPE', key).ok == 'hash' then
                    for _, name in ipairs({'created_at', 'rotated_at', 'issued_at', 'absolute_expires_at', 'ended_at'}) do
                        local at = redis.call('HGET', key, name)
                        if at then redis.call('HSET', key, name, string.format('%.0f', tonumber(at) - us)) end
                    end
                end
                local ttl = redis.call('PTTL', key)
                if ttl > 0 then redis.call('PEXPIRE', key, string.format('%.0f', ttl - ms)) end
            end";
        let micros = by.as_micros().to_string();
        self.ask::<redis::Value>(&["EVAL", AGE, "0", &micros]);
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
