//! The scenarios. Each starts its own servers and gateways.

mod checker;
mod failover;
mod frozen;
mod honest;
mod hostile;
mod load;
mod memory;
mod outage;
mod parallel;
mod races;
mod stopped;
mod verify;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;
use token_gateway_testkit::gateway::Gateway;

use crate::GATEWAY;
use crate::check::Broken;
use crate::client::Fleet;
use crate::store::{Deployment, Topology};

/// The length, the seed and the progress bar of a scenario.
#[derive(Clone)]
pub struct Run {
    pub full: bool,
    pub seed: u64,
    pub bar: ProgressBar,
}

impl Run {
    /// The whole count at full length, and a tenth otherwise.
    pub fn part(&self, full: u64) -> u64 {
        if self.full { full } else { full.div_ceil(10) }
    }

    /// The same, as the length of the scenario's progress.
    pub fn count(&self, full: u64) -> u64 {
        let count = self.part(full);
        self.bar.set_length(count);
        count
    }
}

/// The result of a scenario.
#[derive(Default)]
pub struct Finding {
    pub measured: Vec<(String, String)>,
    pub broken: Vec<Broken>,
}

impl Finding {
    /// The scenario did not come to its end.
    pub fn of_a_panic() -> Self {
        let broken = Broken { promise: "the scenario ends", excerpt: "it panicked; see above".to_owned() };
        Self { measured: Vec::new(), broken: vec![broken] }
    }

    pub fn measure(&mut self, what: impl Into<String>, value: impl ToString) {
        self.measured.push((what.into(), value.to_string()));
    }

    /// Adds the counts of requests, answers and disturbances.
    pub fn count(&mut self, fleet: &Fleet, deployment: &Deployment) {
        for (what, count) in fleet.counts.told() {
            self.measure(what, count);
        }
        for (what, count) in deployment.struck() {
            self.measure(what, count);
        }
    }

    /// Checks a promise outside the history.
    pub fn demand(&mut self, promise: &'static str, holds: bool, told: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(Broken { promise, excerpt: told() });
        }
    }
}

/// Log lines of the nodes about single sessions: reuse, healed rotations, lost ends. They explain a broken promise.
pub fn words_of(nodes: &[Gateway]) -> String {
    let logs: Vec<String> = nodes.iter().map(Gateway::log).collect();
    let lines = logs.iter().flat_map(|log| log.lines()).filter(|line| line.contains("session "));
    lines.take(20).collect::<Vec<_>>().join("\n")
}

/// The share of the former rate to come back: less on a machine with much else to do.
fn share(full: bool) -> f64 {
    if full { 0.9 } else { 0.1 }
}

/// At full length demands the former rate within `limit`. Otherwise any recovery is enough, as the machine may have
/// much else to do.
fn demand_recovery(finding: &mut Finding, full: bool, recovered: Option<Duration>, limit: Duration) {
    let told = recovered.map_or("never".to_owned(), |it| it.as_millis().to_string());
    if full {
        finding.measure("nine tenths of the former rate after, ms", &told);
        let in_time = recovered.is_some_and(|it| it < limit);
        finding.demand("the former rate is back within 2 s", in_time, || told);
    } else {
        finding.measure("a tenth of the former rate after, ms", &told);
        finding.demand("refreshes succeed again", recovered.is_some(), || told);
    }
}

type Running = Pin<Box<dyn Future<Output = Finding>>>;

pub struct Scenario {
    pub name: &'static str,
    pub run: fn(Run) -> Running,
}

macro_rules! scenarios {
    ($($name:literal => |$run:ident| $body:expr),+ $(,)?) => {
        pub const ALL: &[Scenario] = &[$(Scenario { name: $name, run: |$run| Box::pin($body) }),+];
    };
}

scenarios! {
    "checker" => |run| checker::prove(run),
    "honest/standalone" => |run| honest::prove(run, Topology::Standalone),
    "honest/sentinel" => |run| honest::prove(run, Topology::Sentinel),
    "honest/cluster" => |run| honest::prove(run, Topology::Cluster),
    "races/logout-standalone" => |run| races::logout(run, Topology::Standalone),
    "races/logout-sentinel" => |run| races::logout(run, Topology::Sentinel),
    "races/logout-cluster" => |run| races::logout(run, Topology::Cluster),
    "races/reuse-standalone" => |run| races::reuse(run, Topology::Standalone),
    "races/reuse-sentinel" => |run| races::reuse(run, Topology::Sentinel),
    "races/reuse-cluster" => |run| races::reuse(run, Topology::Cluster),
    "races/parallel" => |run| parallel::prove(run),
    "memory" => |run| memory::prove(run),
    "stopped" => |run| stopped::prove(run),
    "frozen" => |run| frozen::prove(run),
    "outage" => |run| outage::prove(run),
    "verify" => |run| verify::prove(run),
    "failover/sentinel" => |run| failover::prove(run, Topology::Sentinel),
    "failover/cluster" => |run| failover::prove(run, Topology::Cluster),
    "hostile/pipeliners" => |run| hostile::prove(run, &hostile::PIPELINERS),
    "hostile/unread-answers" => |run| hostile::prove(run, &hostile::UNREAD_ANSWERS),
    "hostile/slow-heads" => |run| hostile::prove(run, &hostile::SLOW_HEADS),
    "hostile/unfinished-bodies" => |run| hostile::prove(run, &hostile::UNFINISHED_BODIES),
    "hostile/subscribers" => |run| hostile::prove(run, &hostile::SUBSCRIBERS),
    "hostile/lists" => |run| hostile::prove(run, &hostile::LISTS),
    "hostile/readiness" => |run| hostile::prove(run, &hostile::READINESS),
    "hostile/logins" => |run| hostile::prove(run, &hostile::LOGINS),
    "hostile/full-redis" => |run| hostile::prove(run, &hostile::FULL_REDIS),
    "hostile/files" => |run| hostile::prove(run, &hostile::FILES),
    "hostile/mixed" => |run| hostile::prove(run, &hostile::MIXED),
    "hostile/mixed-behind-nginx" => |run| hostile::prove(run, &hostile::MIXED_BEHIND_NGINX),
}

/// Nodes with one worker that wait at most 400 ms for Redis before they answer 503.
const SETTINGS: [(&str, &str); 3] = [("REDIS_TIMEOUT_MS", "400"), ("RUST_LOG", QUIET), ("WORKERS", "1")];

/// A node logs its address, all errors, and the gateway's warnings.
const QUIET: &str = "token_gateway=error,token_gateway::gateway=warn,token_gateway::startup=info";

fn nodes(deployment: &Deployment, count: usize) -> Vec<Gateway> {
    (0..count).map(|_| GATEWAY.on(&deployment.url(), &SETTINGS)).collect()
}

fn fleet(nodes: &[Gateway], abort_one_in: u32) -> Arc<Fleet> {
    Fleet::new(nodes.iter().map(Gateway::api).collect(), abort_one_in)
}
