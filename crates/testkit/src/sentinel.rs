//! A real primary with replicas, under the watch of three real Sentinels.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::proxy::Proxy;
use super::redis::{Login, Redis};
use super::tls::Certificates;
use super::{free_port, freeze, wait_for};

/// The Sentinels' name for the primary.
const NAME: &str = "mymaster";

/// The password of servers, where they have one.
pub const PASSWORD: &str = "password-of-the-servers";

/// The password of Sentinels, where they have one.
pub const WATCHERS_PASSWORD: &str = "password-of-the-sentinels";

pub struct Sentinel {
    pub servers: Vec<Redis>,
    watchers: Vec<Watcher>,
    /// The beginning of a URL for gateways.
    url: String,
}

struct Watcher {
    child: Child,
    /// For the tests, which show no certificate.
    port: u16,
    public_port: u16,
    password: Option<&'static str>,
    _dir: TempDir,
}

/// From its options.
type StartServer<'a> = dyn Fn(&[&str]) -> Redis + 'a;

/// From the primary's port.
type StartWatcher<'a> = dyn Fn(&str) -> Watcher + 'a;

/// The way to start servers and Sentinels, and the beginning of a URL to them.
struct Way<'a> {
    url: String,
    server: Box<StartServer<'a>>,
    watcher: Box<StartWatcher<'a>>,
}

impl<'a> Way<'a> {
    fn plain(login: Login, server: impl Fn(&[&str]) -> Redis + 'a) -> Self {
        let settings = login.of_servers().map_or_else(String::new, |(name, password)| {
            format!("sentinel auth-user {NAME} {name}\nsentinel auth-pass {NAME} {password}\n")
        });
        let watcher = move |primary: &str| Watcher::start(free_port(), primary, None, &settings);
        let url = format!("redis+sentinel://{}", login.of_gateways());
        Self { url, server: Box::new(server), watcher: Box::new(watcher) }
    }

    fn with_passwords() -> Self {
        let server = |options: &[&str]| Redis::start_on(free_port(), Login::Password(PASSWORD), options);
        let settings = format!("sentinel auth-pass {NAME} {PASSWORD}\nrequirepass {WATCHERS_PASSWORD}\n");
        let watcher =
            move |primary: &str| Watcher::start(free_port(), primary, Some(WATCHERS_PASSWORD), &settings);
        let url = format!("redis+sentinel://:{PASSWORD}@");
        Self { url, server: Box::new(server), watcher: Box::new(watcher) }
    }

    fn over_tls(certificates: &'a Certificates) -> Self {
        let server = |options: &[&str]| Redis::start_over_tls(free_port(), certificates, options);
        let watcher = |primary: &str| {
            let port = free_port();
            let options = certificates.server_options(port);
            let lines = options.chunks(2).map(|it| format!("{} {}\n", it[0].trim_start_matches('-'), it[1]));
            let settings: String = lines.chain(["tls-replication yes\n".to_owned()]).collect();
            let mut watcher = Watcher::start(free_port(), primary, None, &settings);
            watcher.public_port = port;
            watcher
        };
        Self { url: "rediss+sentinel://".to_owned(), server: Box::new(server), watcher: Box::new(watcher) }
    }
}

impl Sentinel {
    /// A primary and two replicas; after the loss of both, the primary takes no writes.
    pub fn start() -> Self {
        Self::start_with(2, &["--min-replicas-to-write", "1", "--min-replicas-max-lag", "2"])
    }

    pub fn start_with(replicas: usize, extra: &[&str]) -> Self {
        Self::start_as(Login::Anybody, replicas, extra)
    }

    pub fn start_as(login: Login, replicas: usize, extra: &[&str]) -> Self {
        let server = move |options: &[&str]| Redis::start_on(free_port(), login, options);
        Self::of(Way::plain(login, server), replicas, extra)
    }

    /// Servers and Sentinels want passwords, each their own.
    pub fn with_passwords() -> Self {
        Self::of(Way::with_passwords(), 1, &[])
    }

    /// Servers and Sentinels speak TLS, with each other too.
    pub fn over_tls(certificates: &Certificates) -> Self {
        Self::of(Way::over_tls(certificates), 1, &["--tls-replication", "yes"])
    }

    /// The same with a proxy in front of each server.
    pub fn behind_proxies() -> Self {
        Self::behind_proxies_as(Login::Anybody, &[])
    }

    pub fn behind_proxies_as(login: Login, extra: &[&str]) -> Self {
        let server = move |options: &[&str]| {
            let port = free_port();
            let announce = |proxy: u16| {
                let options = ["--replica-announce-ip", "127.0.0.1", "--replica-announce-port"];
                options.map(str::to_owned).into_iter().chain([proxy.to_string()]).collect()
            };
            Redis::start_behind(Proxy::before(port), port, login, options, announce)
        };
        Self::of(Way::plain(login, server), 2, extra)
    }

    fn of(way: Way, replicas: usize, extra: &[&str]) -> Self {
        let mut all = vec!["--appendfsync", "no", "--repl-ping-replica-period", "1"];
        all.extend_from_slice(extra);
        let mut servers = vec![(way.server)(&all)];
        let primary = servers[0].public_port().to_string();
        all.extend(["--replicaof", "127.0.0.1", &primary]);
        servers.extend((0..replicas).map(|_| (way.server)(&all)));
        let watchers = (0..3).map(|_| (way.watcher)(&primary)).collect();
        let sentinel = Self { servers, watchers, url: way.url };
        sentinel.wait_until_whole();
        sentinel
    }

    pub fn gateway_url(&self) -> String {
        let watchers: Vec<_> =
            self.watchers.iter().map(|it| format!("127.0.0.1:{}", it.public_port)).collect();
        format!("{}{}/{NAME}", self.url, watchers.join(","))
    }

    /// The primary, as the Sentinels name it.
    pub fn primary(&self) -> usize {
        let named: (String, u16) =
            self.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]).expect("a primary");
        self.servers.iter().position(|server| server.public_port() == named.1).expect("one of ours")
    }

    /// `SENTINEL FAILOVER`: a replica takes over from a running primary; returns the replica.
    pub fn fail_over(&self) -> usize {
        let former = self.primary();
        self.begin_failover();
        self.wait_for_another(former)
    }

    pub fn begin_failover(&self) {
        wait_for("a failover may begin", Duration::from_secs(30), || {
            self.ask::<String>(&["SENTINEL", "FAILOVER", NAME])
        });
    }

    /// Returns the server the Sentinels name, after it is no longer `former`.
    pub fn wait_for_another(&self, former: usize) -> usize {
        wait_for("the Sentinels name another primary", Duration::from_secs(60), || {
            let named = self.primary();
            (named != former && self.servers[named].info("role").is_some_and(|role| role == "master"))
                .then_some(named)
        })
    }

    /// Waits until every server runs, every replica has all data of the primary, and the Sentinels know all of it.
    pub fn wait_until_whole(&self) {
        wait_for("the Sentinels know everybody", Duration::from_secs(90), || {
            let primary = self.primary();
            let port = self.servers[primary].public_port().to_string();
            let follows = |n: usize| {
                n == primary
                    || (self.servers[n].info("master_link_status").is_some_and(|it| it == "up")
                        && self.servers[n].info("master_port").is_some_and(|it| it == port))
            };
            let known = |watcher: &Watcher| watcher.knows(self.servers.len() - 1).unwrap_or(false);
            let whole = (0..self.servers.len()).all(follows) && self.watchers.iter().all(known);
            whole.then_some(())
        });
    }

    /// One command, of each Sentinel.
    pub fn ask_watchers<T: redis::FromRedisValue>(&self, command: &[&str]) -> Vec<T> {
        let asked = self.watchers.iter().map(|watcher| watcher.ask(command));
        asked.map(|answer| answer.expect("a Sentinel carries the command out")).collect()
    }

    /// Ends a Sentinel, by its process id.
    pub fn stop_watcher(&mut self, n: usize) {
        self.watchers[n].stop();
    }

    pub fn freeze_watcher(&self, n: usize) {
        freeze(self.watchers[n].child.id());
    }

    fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> Option<T> {
        self.watchers.iter().find_map(|watcher| watcher.ask(command))
    }
}

impl Watcher {
    /// `more` are lines of its settings.
    fn start(port: u16, primary: &str, password: Option<&'static str>, more: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let settings = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor {NAME} 127.0.0.1 {primary} 2\n\
             sentinel down-after-milliseconds {NAME} 1000\nsentinel failover-timeout {NAME} 4000\n\
             sentinel parallel-syncs {NAME} 2\n{more}"
        );
        let file = dir.path().join("sentinel.conf");
        std::fs::write(&file, settings).expect("a file");
        let child = Command::new("redis-server")
            .arg(&file)
            .arg("--sentinel")
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed; scripts/test installs it");
        let watcher = Self { child, port, public_port: port, password, _dir: dir };
        wait_for("a Sentinel answers", Duration::from_secs(10), || watcher.ask::<String>(&["PING"]));
        watcher
    }

    fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> Option<T> {
        let user = self.password.map_or(String::new(), |password| format!(":{password}@"));
        let url = format!("redis://{user}127.0.0.1:{}", self.port);
        let client = redis::Client::open(url).expect("a valid URL");
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(1)).ok()?;
        connection.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
        redis::Cmd::new().arg(command).query(&mut connection).ok()
    }

    /// The other Sentinels, so many replicas, and no trouble with any of them.
    fn knows(&self, replicas: usize) -> Option<bool> {
        let primary: std::collections::HashMap<String, String> = self.ask(&["SENTINEL", "MASTER", NAME])?;
        let told = |name: &str| primary.get(name).cloned().unwrap_or_default();
        let all: Vec<std::collections::HashMap<String, String>> =
            self.ask(&["SENTINEL", "REPLICAS", NAME])?;
        let well = all.iter().filter(|replica| {
            replica["flags"] == "slave" && replica.get("master-link-status").is_some_and(|it| it == "ok")
        });
        Some(told("flags") == "master" && told("num-other-sentinels") == "2" && well.count() == replicas)
    }
}

impl Watcher {
    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop();
    }
}
