//! Deployments, and what befalls them.

use std::fs::OpenOptions;
use std::time::Duration;

use crate::support::api::Tokens;
use crate::support::cluster::Cluster;
use crate::support::redis::Redis;
use crate::support::sentinel::Sentinel;
use crate::support::wait_for;

/// The subject whose sessions are watched lies there.
const SET: &str = "tg:{alice}:sessions";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accident {
    /// The server is killed and started again.
    Restart,
    /// The same, and its file lacks what was written last.
    PowerCut,
    /// The master is killed; its replicas have all it had.
    Killed,
    /// The master is killed; its replicas lack what was acknowledged last.
    KilledAhead,
    /// The master is killed; without replicas it had acknowledged nothing.
    Refused,
    /// A replica takes over from a primary that runs.
    InOrder,
}

pub enum Deployment {
    One { redis: Redis, appended: u64 },
    Sentinel { sentinel: Sentinel, lagging: Vec<usize> },
    Cluster { cluster: Cluster, lagging: Vec<usize> },
}

impl Deployment {
    pub fn one(extra: &[&str]) -> Self {
        Self::One { redis: Redis::start_with(extra), appended: 0 }
    }

    pub fn sentinel(extra: &[&str]) -> Self {
        Self::Sentinel { sentinel: Sentinel::start_with(2, extra), lagging: Vec::new() }
    }

    pub fn cluster(extra: &[&str]) -> Self {
        Self::Cluster { cluster: Cluster::with_replicas(extra), lagging: Vec::new() }
    }

    pub fn url(&self) -> String {
        match self {
            Self::One { redis, .. } => redis.url(),
            Self::Sentinel { sentinel, .. } => sentinel.gateway_url(),
            Self::Cluster { cluster, .. } => cluster.gateway_url(),
        }
    }

    fn servers(&self) -> &[Redis] {
        match self {
            Self::One { redis, .. } => std::slice::from_ref(redis),
            Self::Sentinel { sentinel, .. } => &sentinel.servers,
            Self::Cluster { cluster, .. } => &cluster.servers,
        }
    }

    fn servers_mut(&mut self) -> &mut [Redis] {
        match self {
            Self::One { redis, .. } => std::slice::from_mut(redis),
            Self::Sentinel { sentinel, .. } => &mut sentinel.servers,
            Self::Cluster { cluster, .. } => &mut cluster.servers,
        }
    }

    fn master(&self) -> usize {
        match self {
            Self::One { .. } => 0,
            Self::Sentinel { sentinel, .. } => sentinel.master(),
            Self::Cluster { cluster, .. } => cluster.primary_of(SET),
        }
    }

    /// The last moment before what will be acknowledged.
    pub fn prepare(&mut self, accident: Accident) {
        match (accident, &mut *self) {
            (Accident::PowerCut, Self::One { redis, appended }) => {
                *appended = redis.append_only_file().metadata().expect("a file").len();
            }
            (Accident::KilledAhead | Accident::Refused, _) => self.cut_off(),
            _ => {}
        }
    }

    /// Replicas of the master are frozen, and their connections cut, so that nothing waits for them in a socket.
    fn cut_off(&mut self) {
        let master = self.master();
        let replicas: Vec<usize> = match self {
            Self::One { .. } => panic!("one server has no replicas"),
            Self::Sentinel { sentinel, .. } => (0..sentinel.servers.len()).filter(|n| *n != master).collect(),
            Self::Cluster { cluster, .. } => vec![cluster.replica_of(master)],
        };
        replicas.iter().for_each(|n| self.servers()[*n].freeze());
        self.servers()[master].ask::<u64>(&["CLIENT", "KILL", "TYPE", "replica"]);
        match self {
            Self::One { .. } => {}
            Self::Sentinel { lagging, .. } | Self::Cluster { lagging, .. } => *lagging = replicas,
        }
    }

    /// Replicas are thawed, and have all that the master has.
    pub fn catch_up(&mut self) {
        self.thaw();
        match self {
            Self::One { .. } => {}
            Self::Sentinel { sentinel, .. } => sentinel.wait_until_whole(),
            Self::Cluster { cluster, .. } => cluster.wait_until_whole(),
        }
    }

    fn thaw(&mut self) {
        let lagging = match self {
            Self::One { .. } => return,
            Self::Sentinel { lagging, .. } | Self::Cluster { lagging, .. } => std::mem::take(lagging),
        };
        lagging.iter().for_each(|n| self.servers()[*n].thaw());
    }

    /// Returns when another master has taken over, or the same one is back.
    pub fn suffer(&mut self, accident: Accident) {
        let master = self.master();
        match accident {
            Accident::Restart | Accident::PowerCut => self.restart(accident == Accident::PowerCut),
            Accident::InOrder => {
                let Self::Cluster { cluster, .. } = self else {
                    panic!("only a Cluster fails over in order")
                };
                cluster.fail_over(master);
            }
            Accident::Killed | Accident::KilledAhead | Accident::Refused => {
                match accident {
                    Accident::Killed => self.wait_for_replicas(master),
                    Accident::Refused => self.cut_off(),
                    _ => {}
                }
                self.servers_mut()[master].stop();
                self.thaw();
                self.wait_for_another(master);
            }
        }
    }

    fn restart(&mut self, power_cut: bool) {
        let Self::One { redis, appended } = self else { panic!("only one server starts again") };
        redis.stop();
        if power_cut {
            let file = OpenOptions::new().write(true).open(redis.append_only_file()).expect("a file");
            file.set_len(*appended).expect("it can be cut");
        }
        redis.run();
    }

    fn wait_for_replicas(&self, master: usize) {
        let told = |n: usize, name: &str| self.servers()[n].info(name);
        wait_for("replicas have what the master has", Duration::from_secs(10), || {
            let offset = told(master, "master_repl_offset")?;
            let port = self.servers()[master].public_port().to_string();
            let own =
                (0..self.servers().len()).filter(|n| told(*n, "master_port").is_some_and(|it| it == port));
            own.map(|n| told(n, "slave_repl_offset")).all(|it| it.as_ref() == Some(&offset)).then_some(())
        });
    }

    fn wait_for_another(&self, former: usize) {
        match self {
            Self::One { .. } => {}
            Self::Sentinel { sentinel, .. } => {
                sentinel.wait_for_another(former);
            }
            Self::Cluster { cluster, .. } => {
                wait_for("another primary serves the slot", Duration::from_secs(60), || {
                    let slot: u16 = cluster.servers[(former + 1) % cluster.servers.len()]
                        .try_ask(&["CLUSTER", "KEYSLOT", SET])?;
                    cluster.primary_of_slot(slot).filter(|primary| *primary != former)
                });
            }
        }
    }

    /// What the record of a session names as its refresh token.
    pub fn jti_of(&self, tokens: &Tokens) -> Option<String> {
        let key = format!("tg:{{alice}}:session:{}", tokens.session);
        self.servers()[self.master()].ask(&["HGET", &key, "jti"])
    }
}
