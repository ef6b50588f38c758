//! A real Redis Cluster of three primaries, on demand with a replica each.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use redis::{FromRedisValue, ToRedisArgs};

use super::proxy::Proxy;
use super::redis::{Login, Redis};
use super::tls::Certificates;
use super::wait_for;

/// The password of servers, where they have one.
pub const PASSWORD: &str = "password-of-the-tests";

/// Servers with 16,384 slots among them.
const PRIMARIES: usize = 3;

/// A promotion takes at most this.
const PROMOTION_TIMEOUT: Duration = Duration::from_secs(30);

/// Redis gives a failover by hand up after 5 seconds.
const FAILOVER_GIVEN_UP: Duration = Duration::from_secs(6);

/// Settings for a takeover by a replica within seconds.
const QUICK: [&str; 10] = [
    "--cluster-enabled",
    "yes",
    "--cluster-node-timeout",
    "1000",
    "--cluster-replica-validity-factor",
    "0",
    "--cluster-require-full-coverage",
    "no",
    "--appendfsync",
    "no",
];

pub struct Cluster {
    pub servers: Vec<Redis>,
    /// The credentials of redis-cli.
    introduction: Vec<String>,
    /// The beginning of a URL for gateways.
    url: String,
}

/// A slot on its way from one primary to another.
pub struct SlotMove<'a> {
    cluster: &'a Cluster,
    slot: u16,
    from: usize,
    to: usize,
}

impl Cluster {
    /// Three primaries and no replicas, with a password, for redis-cli.
    pub fn start() -> Self {
        let login = Login::Password(PASSWORD);
        let start = |_| Redis::start_on(free_port_with_bus(), login, &["--cluster-enabled", "yes"]);
        let cluster = Self::with_login(login, (0..PRIMARIES).map(start).collect());
        cluster.join(0);
        cluster
    }

    /// Three primaries and no replicas; they speak TLS, with each other too.
    pub fn over_tls(certificates: &Certificates) -> Self {
        let options = ["--cluster-enabled", "yes", "--tls-cluster", "yes"];
        let start = |_| Redis::start_over_tls(free_port_with_bus(), certificates, &options);
        let introduction = certificates.client_options();
        let url = "rediss+cluster://".to_owned();
        let cluster = Self { servers: (0..PRIMARIES).map(start).collect(), introduction, url };
        cluster.join(0);
        cluster
    }

    /// Three primaries with a replica each, and a failover within seconds.
    pub fn with_replicas(extra: &[&str]) -> Self {
        Self::with_replicas_as(Login::Anybody, extra)
    }

    pub fn with_replicas_as(login: Login, extra: &[&str]) -> Self {
        let mut all = QUICK.to_vec();
        all.extend_from_slice(extra);
        let start = |_| Redis::start_on(free_port_with_bus(), login, &all);
        Self::of_servers(login, (0..2 * PRIMARIES).map(start).collect())
    }

    /// The same with a proxy in front of each server.
    pub fn behind_proxies() -> Self {
        Self::behind_proxies_as(Login::Anybody, &[])
    }

    pub fn behind_proxies_as(login: Login, extra: &[&str]) -> Self {
        let mut all = QUICK.to_vec();
        all.extend_from_slice(extra);
        let start = |_| {
            let port = free_port_with_bus();
            let announce = |proxy: u16| {
                let (proxy, bus) = (proxy.to_string(), (port + 10_000).to_string());
                let options = ["--cluster-announce-port", &proxy, "--cluster-announce-bus-port", &bus];
                options.into_iter().chain(["--cluster-announce-ip", "127.0.0.1"]).map(str::to_owned).collect()
            };
            Redis::start_behind(Proxy::before(port), port, login, &all, announce)
        };
        Self::of_servers(login, (0..2 * PRIMARIES).map(start).collect())
    }

    fn with_login(login: Login, servers: Vec<Redis>) -> Self {
        let introduce = |(name, password)| ["--user", name, "-a", password, "--no-auth-warning"];
        let introduction = login.of_servers().map(introduce).into_iter().flatten();
        let url = format!("redis+cluster://{}", login.of_gateways());
        Self { servers, introduction: introduction.map(str::to_owned).collect(), url }
    }

    fn of_servers(login: Login, servers: Vec<Redis>) -> Self {
        let cluster = Self::with_login(login, servers);
        cluster.join(1);
        cluster.wait_until_whole();
        cluster
    }

    fn join(&self, replicas: usize) {
        let mut create = Command::new("redis-cli");
        create
            .args(&self.introduction)
            .args(["--cluster", "create"])
            .args(self.servers.iter().map(Redis::address_for_servers));
        create.args(["--cluster-replicas", &replicas.to_string(), "--cluster-yes"]);
        let created = create.output().expect("redis-cli is installed with redis-server");
        assert!(created.status.success(), "{created:?}");
        wait_for("every server knows the Cluster", Duration::from_secs(30), || {
            let knows =
                |server: &Redis| server.ask::<String>(&["CLUSTER", "INFO"]).contains("cluster_state:ok");
            self.servers.iter().all(knows).then_some(())
        });
    }

    /// For redis-cli, which is redirected from there.
    pub fn url(&self) -> String {
        self.servers[0].url()
    }

    /// For gateways.
    pub fn gateway_url(&self) -> String {
        let public = |server: &Redis| format!("127.0.0.1:{}", server.public_port());
        let servers: Vec<_> = self.servers.iter().take(PRIMARIES).map(public).collect();
        format!("{}{}", self.url, servers.join(","))
    }

    /// The number of keys on each primary.
    pub fn sizes(&self) -> Vec<u64> {
        self.servers.iter().map(|server| server.ask(&["DBSIZE"])).collect()
    }

    /// Ends the last primary, by its process id; its slots are nobody's then.
    pub fn lose_one(&mut self) {
        self.servers.pop();
    }

    /// The server of a key, by the claim with the highest epoch.
    pub fn primary_of(&self, key: &str) -> usize {
        self.primary_of_slot(self.slot_of(key)).expect("somebody serves the slot")
    }

    /// Among the servers with a claim to the slot, the one with the highest configuration epoch.
    pub fn primary_of_slot(&self, slot: u16) -> Option<usize> {
        (0..self.servers.len()).filter_map(|n| Some((self.claim(n, slot)?, n))).max().map(|(_, n)| n)
    }

    /// The epoch of a server's claim to a slot, if there is one.
    fn claim(&self, n: usize, slot: u16) -> Option<u64> {
        let server = Some(&self.servers[n]).filter(|server| server.is_running())?;
        let nodes: String = server.try_ask(&["CLUSTER", "NODES"])?;
        let own = nodes.lines().find(|line| line.contains("myself,master"))?;
        let mut fields = own.split(' ').skip(6);
        let epoch = fields.next()?.parse().ok()?;
        let covers = |range: &str| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some((first.parse::<u16>().ok()?..=last.parse().ok()?).contains(&slot))
        };
        fields.skip(1).any(|range| covers(range) == Some(true)).then_some(epoch)
    }

    pub fn key<T: FromRedisValue>(&self, key: &str, command: &[impl ToRedisArgs]) -> T {
        self.servers[self.primary_of(key)].ask(command)
    }

    /// The replica of a primary.
    pub fn replica_of(&self, primary: usize) -> usize {
        let port = self.servers[primary].public_port().to_string();
        (0..self.servers.len())
            .find(|&n| {
                self.servers[n].is_running()
                    && self.servers[n].info("master_port").is_some_and(|primary| primary == port)
            })
            .expect("each primary has a replica")
    }

    /// `CLUSTER FAILOVER`: the replica takes over from a running primary; returns the replica. Where votes were late,
    /// Redis gives the failover up, and must be asked again.
    pub fn fail_over(&self, primary: usize) -> usize {
        let (replica, mut asked) = (self.replica_of(primary), None::<Instant>);
        wait_for("the replica is promoted", PROMOTION_TIMEOUT, || {
            if !self.is_primary(replica) && asked.is_none_or(|at| at.elapsed() > FAILOVER_GIVEN_UP) {
                asked = Some(Instant::now());
                self.servers[replica].try_ask::<String>(&["CLUSTER", "FAILOVER"]);
            }
            self.is_primary(replica).then_some(())
        });
        replica
    }

    pub fn wait_for_promotion(&self, replica: usize) {
        let is_promoted = || self.is_primary(replica).then_some(());
        wait_for("the replica is promoted", PROMOTION_TIMEOUT, is_promoted);
    }

    fn is_primary(&self, server: usize) -> bool {
        self.servers[server].info("role").is_some_and(|role| role == "master")
    }

    /// Waits until every server runs and knows that all is well, and every replica has all data of its primary.
    pub fn wait_until_whole(&self) {
        wait_for("the Cluster is whole", Duration::from_secs(60), || {
            let linked = |server: &Redis| {
                let ok = server.try_ask::<String>(&["CLUSTER", "INFO"])?.contains("cluster_state:ok");
                let is_replica = server.info("role")? == "slave";
                let linked = !is_replica || server.info("master_link_status")? == "up";
                let primaries = server.try_ask::<String>(&["CLUSTER", "NODES"])?;
                let failed = primaries.contains("fail");
                (ok && linked && !failed).then_some(is_replica)
            };
            let roles: Option<Vec<bool>> = self.servers.iter().map(linked).collect();
            let replicas = roles?.into_iter().filter(|is_replica| *is_replica).count();
            (replicas == self.servers.len() - PRIMARIES).then_some(())
        });
    }

    /// Waits until all servers with an answer agree on the primary of each slot, replicas included, and each epoch is
    /// there once.
    ///
    /// A slot moved before that can get a taken epoch. Some server then never hears of the move, and takes the slot
    /// back at its promotion, without its keys; the primary with the keys deletes them.
    fn wait_until_agreed(&self) {
        wait_for("the servers agree on the slots", Duration::from_secs(30), || {
            let nodes = self.servers.iter().filter_map(|it| it.try_ask::<String>(&["CLUSTER", "NODES"]));
            let views: BTreeSet<Vec<_>> = nodes.map(|nodes| primaries(&nodes)).collect();
            let view = views.first().filter(|_| views.len() == 1)?;
            let epochs: BTreeSet<_> = view.iter().map(|(epoch, _)| epoch).collect();
            (epochs.len() == view.len()).then_some(())
        });
    }

    /// Waits until the replicas have the primary's present data.
    fn wait_until_replicated(&self, primary: usize) {
        let offset = |n: usize, name: &str| self.servers[n].info(name)?.parse::<u64>().ok();
        let (now, port) =
            (offset(primary, "master_repl_offset"), self.servers[primary].public_port().to_string());
        wait_for("the replicas have what has moved", Duration::from_secs(30), || {
            let is_behind = |n: &usize| {
                self.servers[*n].info("master_port").is_some_and(|primary| primary == port)
                    && offset(*n, "slave_repl_offset") < now
            };
            (!(0..self.servers.len()).any(|n| is_behind(&n))).then_some(())
        });
    }

    /// Begins to move the slot of a key to another primary.
    pub fn begin_move(&self, key: &str) -> SlotMove<'_> {
        let slot = self.slot_of(key);
        let from = self.primary_of_slot(slot).expect("somebody serves the slot");
        let is_other =
            |n: &usize| *n != from && self.servers[*n].info("role").is_some_and(|role| role == "master");
        let to = (0..self.servers.len()).find(is_other).expect("there are several primaries");
        let (slot_text, ids) = (slot.to_string(), [self.id(from), self.id(to)]);
        self.servers[to].ask::<String>(&["CLUSTER", "SETSLOT", &slot_text, "IMPORTING", &ids[0]]);
        self.servers[from].ask::<String>(&["CLUSTER", "SETSLOT", &slot_text, "MIGRATING", &ids[1]]);
        SlotMove { cluster: self, slot, from, to }
    }

    fn id(&self, n: usize) -> String {
        self.servers[n].ask(&["CLUSTER", "MYID"])
    }

    /// Any server can answer this, but a frozen server runs and does not answer.
    fn slot_of(&self, key: &str) -> u16 {
        let mut running = self.servers.iter().filter(|server| server.is_running());
        running.find_map(|server| server.try_ask(&["CLUSTER", "KEYSLOT", key])).expect("a server answers")
    }
}

impl SlotMove<'_> {
    /// Keys of the slot in their old place.
    pub fn left(&self) -> Vec<String> {
        let slot = self.slot.to_string();
        self.cluster.servers[self.from].ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "1000"])
    }

    /// Moves one key.
    pub fn carry(&self, key: &str) {
        let port = self.cluster.servers[self.to].port().to_string();
        let migrate = ["MIGRATE", "127.0.0.1", &port, key, "0", "5000"];
        self.cluster.servers[self.from].ask::<redis::Value>(&migrate);
    }

    /// Moves the rest and tells everybody. Waits until all servers have learned of the move, and a failover would lose
    /// no moved key. Keys that appear meanwhile move, too.
    pub fn finish(self) {
        loop {
            let left = self.left();
            left.iter().for_each(|key| self.carry(key));
            if left.is_empty() {
                break;
            }
        }
        let (slot, id) = (self.slot.to_string(), self.cluster.id(self.to));
        // The new primary first, so no slot is nobody's.
        for n in [self.to, self.from].into_iter().chain(0..self.cluster.servers.len()) {
            let _ = self.cluster.servers[n].try_ask::<String>(&["CLUSTER", "SETSLOT", &slot, "NODE", &id]);
        }
        self.cluster.wait_until_agreed();
        self.cluster.wait_until_replicated(self.to);
    }
}

/// Epoch and slots of each primary with slots, in the view of one server.
fn primaries(nodes: &str) -> Vec<(String, String)> {
    let fields = nodes.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let with_slots = fields.filter(|fields| fields.len() > 8 && fields[2].contains("master"));
    let mut all: Vec<_> = with_slots.map(|fields| (fields[6].to_owned(), fields[8..].join(" "))).collect();
    all.sort();
    all
}

/// A port free a moment ago, like the port for the cluster's bus, 10,000 above. Both lie below the ports the system
/// hands out, so nobody else comes upon them.
fn free_port_with_bus() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 11_000 + (std::process::id() % 400) as u16 * 10;
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    wait_for("a port and its bus port are free", Duration::from_secs(10), || {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed) % 1_000;
        (is_free(port) && is_free(port + 10_000)).then_some(port)
    })
}
