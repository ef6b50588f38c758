//! The deployments of the scenarios, and their disturbances.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fastrand::Rng;
use token_gateway_testkit::cluster::Cluster;
use token_gateway_testkit::proxy::{Plan, Proxy};
use token_gateway_testkit::redis::{Login, Redis};
use token_gateway_testkit::sentinel::Sentinel;

/// The proxy disturbs about one call of a script in so many.
const ONE_IN: u32 = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    Standalone,
    Sentinel,
    Cluster,
}

/// The ways to lose a primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// A replica takes over from a running primary.
    InOrder,
    Killed,
    Frozen,
    /// In order, with `min-replicas-to-write 1`: the running primary acknowledges writes until it learns of the
    /// failover.
    Relieved,
}

impl Loss {
    pub fn name(self) -> &'static str {
        match self {
            Self::InOrder => "in order",
            Self::Killed => "primary killed",
            Self::Frozen => "primary frozen",
            Self::Relieved => "in order, min-replicas-to-write 1",
        }
    }
}

pub struct Deployment {
    kind: Kind,
    done: Mutex<BTreeMap<&'static str, u64>>,
    /// The rest of the disturbances, before all of them come again.
    deck: Vec<u32>,
}

/// Faults of calls, made by the proxies.
const FAULTS: [&str; 7] =
    ["black hole", "closed after", "closed before", "delayed", "doubled", "reply cut", "reply swallowed"];

/// Disturbances of every deployment.
const DISTURBANCES: [&str; 6] = [
    "CLIENT KILL",
    "SCRIPT FLUSH",
    "busy with a script",
    "cut off from Redis",
    "primary frozen for less than a failover takes",
    "out of memory",
];

enum Kind {
    Standalone(Redis),
    Sentinel(Sentinel),
    Cluster(Cluster),
}

impl Deployment {
    pub fn start(topology: Topology) -> Self {
        let kind = match topology {
            Topology::Standalone => {
                let port = token_gateway_testkit::free_port();
                let options = ["--busy-reply-threshold", "100"];
                Kind::Standalone(Redis::start_behind(
                    Proxy::before(port),
                    port,
                    Login::Anybody,
                    &options,
                    |_| Vec::new(),
                ))
            }
            Topology::Sentinel => Kind::Sentinel(Sentinel::behind_proxies()),
            Topology::Cluster => Kind::Cluster(Cluster::behind_proxies()),
        };
        Self { kind, done: Mutex::default(), deck: Vec::new() }
    }

    /// Starts a deployment without proxies. A failover in order must not lose acknowledged writes. So the primary of
    /// the Sentinels then demands all its replicas: with fewer it goes on acknowledging after its deposition.
    pub fn for_failover(topology: Topology, loss: Loss) -> Self {
        let wanted = if loss == Loss::InOrder { "2" } else { "1" };
        let kind = match topology {
            Topology::Standalone => panic!("one server has nobody to fail over to"),
            Topology::Sentinel => Kind::Sentinel(Sentinel::start_with(
                2,
                &["--min-replicas-to-write", wanted, "--min-replicas-max-lag", "2"],
            )),
            Topology::Cluster => Kind::Cluster(Cluster::with_replicas(&[])),
        };
        Self { kind, done: Mutex::default(), deck: Vec::new() }
    }

    /// Users with their sessions on the same primary.
    pub fn subjects_of_one_primary(&self, count: usize) -> Vec<String> {
        let all = (0..).map(|n| format!("user-{n}"));
        match &self.kind {
            Kind::Cluster(cluster) => {
                let of = |subject: &str| cluster.primary_of(&format!("tg:{{{subject}}}:sessions"));
                let first = of("user-0");
                all.filter(|subject| of(subject) == first).take(count).collect()
            }
            _ => all.take(count).collect(),
        }
    }

    /// Loses the primary of a user. Returns the moment of the loss, the moment of the promotion, and the promoted
    /// server.
    pub fn lose_primary(&mut self, subject: &str, loss: Loss) -> (Instant, Instant, usize) {
        let primary = match &self.kind {
            Kind::Cluster(cluster) => cluster.primary_of(&format!("tg:{{{subject}}}:sessions")),
            Kind::Sentinel(sentinel) => sentinel.primary(),
            Kind::Standalone(_) => 0,
        };
        let replicas: Vec<usize> = match &self.kind {
            Kind::Cluster(cluster) => vec![cluster.replica_of(primary)],
            _ => (0..self.servers().len()).filter(|n| *n != primary).collect(),
        };
        let lost_at = Instant::now();
        match (loss, &self.kind) {
            (Loss::Killed, _) => self.server_mut(primary).stop(),
            (Loss::Frozen, _) => self.servers()[primary].freeze(),
            (Loss::InOrder | Loss::Relieved, Kind::Cluster(cluster)) => {
                let _ = cluster.servers[replicas[0]].try_ask::<String>(&["CLUSTER", "FAILOVER"]);
            }
            (Loss::InOrder | Loss::Relieved, Kind::Sentinel(sentinel)) => sentinel.begin_failover(),
            (Loss::InOrder | Loss::Relieved, Kind::Standalone(_)) => {}
        }
        let (promoted_at, promoted) =
            token_gateway_testkit::wait_for("a promotion", Duration::from_secs(60), || {
                let is_primary =
                    |n: &&usize| self.servers()[**n].info("role").is_some_and(|role| role == "master");
                replicas.iter().find(is_primary).map(|n| (Instant::now(), *n))
            });
        if loss == Loss::Frozen {
            self.servers()[primary].thaw();
        }
        (lost_at, promoted_at, promoted)
    }

    pub fn url(&self) -> String {
        match &self.kind {
            Kind::Standalone(redis) => redis.proxy().url(),
            Kind::Sentinel(sentinel) => sentinel.gateway_url(),
            Kind::Cluster(cluster) => cluster.gateway_url(),
        }
    }

    pub fn servers(&self) -> &[Redis] {
        match &self.kind {
            Kind::Standalone(redis) => std::slice::from_ref(redis),
            Kind::Sentinel(sentinel) => &sentinel.servers,
            Kind::Cluster(cluster) => &cluster.servers,
        }
    }

    fn server_mut(&mut self, n: usize) -> &mut Redis {
        match &mut self.kind {
            Kind::Standalone(redis) => redis,
            Kind::Sentinel(sentinel) => &mut sentinel.servers[n],
            Kind::Cluster(cluster) => &mut cluster.servers[n],
        }
    }

    /// Lets calls of scripts meet faults from now on.
    pub fn disturb_calls(&self, seed: u64) {
        for (n, server) in self.servers().iter().enumerate() {
            server.proxy().disturb(Plan::everything(seed + n as u64, ONE_IN));
        }
    }

    pub fn calm(&self) {
        self.servers().iter().for_each(|server| server.proxy().calm());
    }

    /// Cuts every node off from Redis until `release`.
    pub fn cut_off(&self) {
        self.servers().iter().for_each(|server| server.proxy().hold());
        self.did("cut off from Redis");
    }

    pub fn release(&self) {
        self.servers().iter().for_each(|server| server.proxy().release());
    }

    /// The counts of all faults and disturbances so far.
    pub fn struck(&self) -> BTreeMap<&'static str, u64> {
        let mut all = self.done.lock().unwrap().clone();
        for server in self.servers() {
            for (name, count) in server.proxy().struck() {
                *all.entry(name).or_default() += count;
            }
        }
        all
    }

    /// Faults that never struck. With `disturbed`, also the disturbances that never came.
    pub fn spared(&self, disturbed: bool) -> Vec<&'static str> {
        let struck = self.struck();
        let own: &[&str] = match &self.kind {
            Kind::Standalone(_) => &["Redis killed and started again"],
            Kind::Sentinel(_) => &["failover in order", "primary killed"],
            Kind::Cluster(_) => &["failover in order", "primary killed", "slot moved"],
        };
        let disturbances = DISTURBANCES.iter().chain(own).filter(|_| disturbed);
        FAULTS.iter().chain(disturbances).filter(|name| !struck.contains_key(*name)).copied().collect()
    }

    /// Waits until replicas have all the data of their primaries.
    pub fn wait_for_replicas(&self) {
        let offsets = |role: &str, name: &str| -> Option<Vec<u64>> {
            let of_role = self.servers().iter().filter(|it| it.info("role").is_some_and(|told| told == role));
            of_role.map(|server| server.info(name)?.parse().ok()).collect()
        };
        token_gateway_testkit::wait_for(
            "replicas have what their primaries have",
            Duration::from_secs(30),
            || {
                let primaries = offsets("master", "master_repl_offset")?;
                let replicas = offsets("slave", "slave_repl_offset")?;
                replicas.iter().all(|offset| primaries.contains(offset)).then_some(())
            },
        );
    }

    fn did(&self, what: &'static str) {
        *self.done.lock().unwrap().entry(what).or_default() += 1;
    }

    /// Makes one disturbance out of a deck of ten in random order, and returns when all is well again. Flushed scripts
    /// and killed connections are in the deck twice.
    pub fn disturb(&mut self, rng: &mut Rng) {
        let primary = self.a_primary(rng);
        if self.deck.is_empty() {
            self.deck = (0..10).collect();
            rng.shuffle(&mut self.deck);
        }
        match self.deck.pop().expect("just filled") {
            0 | 1 => self.flush_scripts(),
            2 | 3 => self.cut_connections(primary),
            4 => self.freeze(primary, Duration::from_millis(rng.u64(100..600))),
            5 => self.fill_memory(primary),
            6 => self.move_slots(rng),
            7 => self.fail_over(primary),
            8 => self.lose(primary),
            _ => self.keep_busy(primary),
        }
    }

    fn a_primary(&self, rng: &mut Rng) -> usize {
        match &self.kind {
            Kind::Standalone(_) => 0,
            Kind::Sentinel(sentinel) => sentinel.primary(),
            Kind::Cluster(cluster) => {
                let is_primary =
                    |n: &usize| cluster.servers[*n].info("role").is_some_and(|it| it == "master");
                let primaries: Vec<usize> = (0..cluster.servers.len()).filter(is_primary).collect();
                primaries[rng.usize(..primaries.len())]
            }
        }
    }

    fn flush_scripts(&self) {
        self.servers().iter().for_each(|server| drop(server.try_ask::<String>(&["SCRIPT", "FLUSH"])));
        self.did("SCRIPT FLUSH");
    }

    fn cut_connections(&self, primary: usize) {
        let _ = self.servers()[primary].try_ask::<u64>(&["CLIENT", "KILL", "TYPE", "normal"]);
        self.did("CLIENT KILL");
    }

    fn freeze(&self, primary: usize, pause: Duration) {
        self.servers()[primary].freeze();
        sleep(pause);
        self.servers()[primary].thaw();
        self.did("primary frozen for less than a failover takes");
    }

    fn fill_memory(&self, primary: usize) {
        let _ = self.servers()[primary].try_ask::<String>(&["CONFIG", "SET", "maxmemory", "1"]);
        sleep(Duration::from_millis(200));
        let _ = self.servers()[primary].try_ask::<String>(&["CONFIG", "SET", "maxmemory", "0"]);
        self.did("out of memory");
    }

    /// Runs a script that spins. All other clients get BUSY.
    fn keep_busy(&self, primary: usize) {
        const SPIN: &str = "local i = 0 while i < 3e7 do i = i + 1 end return i";
        let _ = self.servers()[primary].try_ask::<u64>(&["EVAL", SPIN, "0"]);
        self.did("busy with a script");
    }

    /// Moves slots with sessions in them to another primary, one of them slowly.
    fn move_slots(&self, rng: &mut Rng) {
        let Kind::Cluster(cluster) = &self.kind else { return self.flush_scripts() };
        for n in 0..4 {
            let key = format!("tg:{{user-{}}}:sessions", rng.u32(0..64));
            let moving = cluster.begin_move(&key);
            let keys = moving.left();
            keys.iter().take(keys.len().div_ceil(2)).for_each(|key| moving.carry(key));
            if n == 0 {
                sleep(Duration::from_millis(300));
            }
            moving.finish();
            self.did("slot moved");
        }
    }

    /// Lets a replica take over from a running primary.
    fn fail_over(&mut self, primary: usize) {
        match &self.kind {
            Kind::Standalone(_) => return self.restart(),
            Kind::Sentinel(sentinel) => {
                sentinel.fail_over();
                sentinel.wait_until_whole();
            }
            Kind::Cluster(cluster) => {
                cluster.fail_over(primary);
                cluster.wait_until_whole();
            }
        }
        self.did("failover in order");
    }

    fn restart(&mut self) {
        let redis = self.server_mut(0);
        redis.stop();
        redis.run();
        self.did("Redis killed and started again");
    }

    /// Kills a primary, waits until a replica has taken over, and starts the former primary again.
    fn lose(&mut self, primary: usize) {
        if matches!(self.kind, Kind::Standalone(_)) {
            return self.restart();
        }
        let replica = match &self.kind {
            Kind::Cluster(cluster) => Some(cluster.replica_of(primary)),
            _ => None,
        };
        self.server_mut(primary).stop();
        match (&self.kind, replica) {
            (Kind::Sentinel(sentinel), _) => drop(sentinel.wait_for_another(primary)),
            (Kind::Cluster(cluster), Some(replica)) => cluster.wait_for_promotion(replica),
            _ => {}
        }
        self.server_mut(primary).run();
        self.did("primary killed");
        match &self.kind {
            Kind::Sentinel(sentinel) => sentinel.wait_until_whole(),
            Kind::Cluster(cluster) => cluster.wait_until_whole(),
            Kind::Standalone(_) => {}
        }
    }
}
