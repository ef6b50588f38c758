//! Deployments, and their accidents.

use std::fs::OpenOptions;
use std::time::Duration;

use token_gateway_testkit::api::{Tokens, claims};
use token_gateway_testkit::cluster::Cluster;
use token_gateway_testkit::redis::{Login, Redis};
use token_gateway_testkit::sentinel::Sentinel;
use token_gateway_testkit::{free_port, wait_for};

/// Servers know the users of the documentation, and nodes are `gateway`.
const LOGIN: Login = Login::Users;

/// The set with the sessions of the watched subject.
const SET: &str = "tg:{alice}:sessions";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accident {
    /// The server is killed and started again.
    Restart,
    /// The same, and its file lacks the last writes.
    PowerCut,
    /// The same, and its file lacks everything not yet synced.
    PowerCutUnsynced,
    /// The same, and the server has nothing but an earlier snapshot.
    Snapshot,
    /// The primary is killed; its replicas have all its data.
    Killed,
    /// The primary is killed; its replicas lack the last acknowledged writes.
    KilledAhead,
    /// The network between the primary and its replicas is gone; the primary is killed before it notices.
    Parted,
    /// The same, after it has noticed.
    PartedLong,
    /// A replica takes over from a running primary, and has all its data.
    InOrder,
    /// The same; the later acknowledgements of the former primary count.
    Deposed,
    /// The same, with a primary configured to want all its replicas.
    DeposedStrictly,
    /// The primary is frozen, and thawed after another has taken over.
    Frozen,
}

impl Accident {
    /// Whether the primary, without its replicas, acknowledges nothing before the accident.
    pub fn is_refused(self) -> bool {
        matches!(self, Self::PartedLong | Self::DeposedStrictly)
    }
}

pub struct Deployment {
    kind: Kind,
    /// The primary before the accident.
    former: usize,
    /// The frozen replicas.
    lagging: Vec<usize>,
    /// The length of the file after a power cut.
    appended: u64,
}

enum Kind {
    One(Redis),
    Sentinel(Sentinel),
    Cluster(Cluster),
}

impl Deployment {
    /// One server, with a record of everything it has synced.
    pub fn one_watched(extra: &[&str]) -> Self {
        Self::of(Kind::One(Redis::start_watched(LOGIN, extra)))
    }

    pub fn one(extra: &[&str]) -> Self {
        Self::of(Kind::One(Redis::start_on(free_port(), LOGIN, extra)))
    }

    pub fn sentinel(extra: &[&str]) -> Self {
        Self::of(Kind::Sentinel(Sentinel::start_as(LOGIN, 2, extra)))
    }

    /// With a proxy in front of each server, to part replicas from their primary.
    pub fn sentinel_behind_proxies(extra: &[&str]) -> Self {
        Self::of(Kind::Sentinel(Sentinel::behind_proxies_as(LOGIN, extra)))
    }

    pub fn cluster(extra: &[&str]) -> Self {
        Self::of(Kind::Cluster(Cluster::with_replicas_as(LOGIN, extra)))
    }

    pub fn cluster_behind_proxies(extra: &[&str]) -> Self {
        Self::of(Kind::Cluster(Cluster::behind_proxies_as(LOGIN, extra)))
    }

    fn of(kind: Kind) -> Self {
        let mut deployment = Self { kind, former: 0, lagging: Vec::new(), appended: 0 };
        deployment.former = deployment.primary();
        deployment
    }

    pub fn url(&self) -> String {
        match &self.kind {
            Kind::One(redis) => redis.gateway_url(),
            Kind::Sentinel(sentinel) => sentinel.gateway_url(),
            Kind::Cluster(cluster) => cluster.gateway_url(),
        }
    }

    fn servers(&self) -> &[Redis] {
        match &self.kind {
            Kind::One(redis) => std::slice::from_ref(redis),
            Kind::Sentinel(sentinel) => &sentinel.servers,
            Kind::Cluster(cluster) => &cluster.servers,
        }
    }

    fn servers_mut(&mut self) -> &mut [Redis] {
        match &mut self.kind {
            Kind::One(redis) => std::slice::from_mut(redis),
            Kind::Sentinel(sentinel) => &mut sentinel.servers,
            Kind::Cluster(cluster) => &mut cluster.servers,
        }
    }

    fn primary(&self) -> usize {
        match &self.kind {
            Kind::One(_) => 0,
            Kind::Sentinel(sentinel) => sentinel.primary(),
            Kind::Cluster(cluster) => cluster.primary_of(SET),
        }
    }

    /// Prepares the accident, at the last moment before the writes.
    pub fn prepare(&mut self, accident: Accident) {
        self.former = self.primary();
        match accident {
            Accident::PowerCut => {
                let file = self.servers()[0].append_only_file();
                self.appended = file.metadata().expect("a file").len();
            }
            Accident::Snapshot => {
                self.servers()[0].ask::<String>(&["SAVE"]);
            }
            Accident::KilledAhead => self.cut_off(),
            Accident::Parted => self.part(),
            Accident::PartedLong => {
                self.part();
                wait_for("the primary has noticed", Duration::from_secs(30), || {
                    self.servers()[self.former].info("min_slaves_good_slaves").filter(|good| good == "0")
                });
            }
            Accident::Deposed | Accident::DeposedStrictly => self.depose(),
            _ => {}
        }
    }

    /// Freezes the replicas of the primary and cuts their connections, so nothing waits for them in a socket.
    fn cut_off(&mut self) {
        let primary = self.former;
        self.lagging = match &self.kind {
            Kind::One(_) => panic!("one server has no replicas"),
            Kind::Sentinel(sentinel) => (0..sentinel.servers.len()).filter(|n| *n != primary).collect(),
            Kind::Cluster(cluster) => vec![cluster.replica_of(primary)],
        };
        self.lagging.iter().for_each(|n| self.servers()[*n].freeze());
        self.servers()[primary].ask::<u64>(&["CLIENT", "KILL", "TYPE", "replica"]);
    }

    fn part(&self) {
        self.servers()[self.former].proxy().part();
    }

    /// Returns as soon as a replica has become a primary. Neither the former primary nor the nodes know it yet.
    fn depose(&self) {
        self.wait_for_replicas();
        let Kind::Sentinel(sentinel) = &self.kind else {
            panic!("only Sentinels depose a primary that runs")
        };
        sentinel.begin_failover();
        let is_primary = |n: &usize| self.servers()[*n].info("role").is_some_and(|role| role == "master");
        wait_for("a replica is promoted", Duration::from_secs(30), || {
            (0..self.servers().len()).filter(|n| *n != self.former).find(is_primary)
        });
    }

    /// Thaws the replicas, and waits until they have all data of the primary.
    pub fn catch_up(&mut self) {
        self.thaw();
        self.wait_until_whole();
    }

    fn wait_until_whole(&self) {
        match &self.kind {
            Kind::One(_) => {}
            Kind::Sentinel(sentinel) => sentinel.wait_until_whole(),
            Kind::Cluster(cluster) => cluster.wait_until_whole(),
        }
    }

    fn thaw(&mut self) {
        std::mem::take(&mut self.lagging).iter().for_each(|n| self.servers()[*n].thaw());
    }

    /// Returns when another primary has taken over, or the same one is back.
    pub fn suffer(&mut self, accident: Accident) {
        match accident {
            Accident::Restart | Accident::Snapshot => self.restart(|_| None),
            Accident::PowerCut => {
                let appended = self.appended;
                self.restart(|_| Some(appended));
            }
            Accident::PowerCutUnsynced => self.restart(|redis| Some(redis.synced())),
            Accident::Deposed | Accident::DeposedStrictly => self.wait_for_another(),
            Accident::InOrder => self.fail_over(),
            Accident::Frozen => {
                self.wait_for_replicas();
                self.servers()[self.former].freeze();
                self.wait_for_another();
                self.servers()[self.former].thaw();
            }
            Accident::Killed => {
                self.wait_for_replicas();
                self.kill();
            }
            Accident::KilledAhead => self.kill(),
            Accident::Parted | Accident::PartedLong => {
                self.kill();
                self.bring_back();
            }
        }
    }

    /// `left` gives the length of the file after a power cut.
    fn restart(&mut self, left: impl Fn(&Redis) -> Option<u64>) {
        let Kind::One(redis) = &mut self.kind else { panic!("only one server starts again") };
        redis.stop();
        if let Some(left) = left(redis) {
            let file = OpenOptions::new().write(true).open(redis.append_only_file()).expect("a file");
            file.set_len(left).expect("it can be cut");
        }
        redis.run();
    }

    fn kill(&mut self) {
        let former = self.former;
        self.servers_mut()[former].stop();
        self.thaw();
        self.wait_for_another();
    }

    /// A single replica, once promoted, waits for the former primary before it takes a write.
    fn bring_back(&mut self) {
        if matches!(self.kind, Kind::Cluster(_)) {
            let former = self.former;
            self.servers_mut()[former].run();
            self.wait_until_whole();
        }
    }

    fn fail_over(&self) {
        match &self.kind {
            Kind::One(_) => panic!("one server has no replicas"),
            Kind::Sentinel(sentinel) => {
                self.wait_for_replicas();
                sentinel.fail_over();
            }
            Kind::Cluster(cluster) => {
                cluster.fail_over(self.former);
            }
        }
    }

    fn wait_for_replicas(&self) {
        let told = |n: usize, name: &str| self.servers()[n].info(name);
        wait_for("replicas have what the primary has", Duration::from_secs(10), || {
            let offset = told(self.former, "master_repl_offset")?;
            let port = self.servers()[self.former].public_port().to_string();
            let own =
                (0..self.servers().len()).filter(|n| told(*n, "master_port").is_some_and(|it| it == port));
            own.map(|n| told(n, "slave_repl_offset")).all(|it| it.as_ref() == Some(&offset)).then_some(())
        });
    }

    fn wait_for_another(&self) {
        let former = self.former;
        match &self.kind {
            Kind::One(_) => {}
            Kind::Sentinel(sentinel) => {
                sentinel.wait_for_another(former);
            }
            Kind::Cluster(cluster) => {
                wait_for("another primary serves the slot", Duration::from_secs(60), || {
                    let slot: u16 = cluster.servers[(former + 1) % cluster.servers.len()]
                        .try_ask(&["CLUSTER", "KEYSLOT", SET])?;
                    cluster.primary_of_slot(slot).filter(|primary| *primary != former)
                });
            }
        }
    }

    /// The refresh token in the record of a session, on the present primary.
    pub fn jti_of(&self, tokens: &Tokens) -> Option<String> {
        self.field(self.primary(), tokens, "jti")
    }

    /// The time of a session's end, on the present primary.
    pub fn end_of(&self, tokens: &Tokens) -> Option<String> {
        self.field(self.primary(), tokens, "ended_at")
    }

    /// The time of a session's end, on the primary before the accident; nothing if another server ended the session.
    pub fn end_before(&self, tokens: &Tokens) -> Option<String> {
        self.field(self.former, tokens, "ended_at")
    }

    /// Whether the primary before the accident granted a refresh.
    pub fn was_granted_before(&self, tokens: &Tokens) -> bool {
        self.field(self.former, tokens, "jti").is_some_and(|jti| jti == claims(&tokens.refresh)["jti"])
    }

    fn field(&self, server: usize, tokens: &Tokens, name: &str) -> Option<String> {
        let key = format!("tg:{{alice}}:session:{}", tokens.session);
        self.servers()[server].ask(&["HGET", &key, name])
    }
}
