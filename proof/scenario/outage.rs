//! Redis is gone for half a minute, under load: nothing succeeds meanwhile, what comes down on it afterwards is no storm, and
//! the rate is soon as it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::join_all;
use tokio::time::sleep;

use super::{Finding, Run, fleet};
use crate::check::{Rules, check, success_while_cut_off};
use crate::client::{Chain, Fleet};
use crate::history::Outcome;
use crate::support::gateway::Gateway;
use crate::support::redis::Redis;

const CLIENTS: usize = 100;
const NODES: u64 = 2;

/// Between a client's refreshes.
const REST: Duration = Duration::from_millis(100);

/// Connections that a node may open within the first second: its lane, the follower of the feed, and each once more.
const CONNECTIONS: u64 = 4;

/// Those by which Redis is asked whether it is up, and for its counts.
const OWN: u64 = 4;

const RECOVERY: Duration = Duration::from_secs(2);
const WINDOW: Duration = Duration::from_millis(250);

pub async fn prove(run: Run) -> Finding {
    run.bar.set_length(3);
    let (mut redis, mut rng) = (Redis::start(), Rng::with_seed(run.seed));
    let gateways: Vec<_> = (0..NODES).map(|_| Gateway::on(&redis.url(), &super::SETTINGS)).collect();
    let fleet = fleet(&gateways, 0);
    let load = Load::start(&fleet, &mut rng).await;
    let before = load.rate(8 * WINDOW).await;
    run.bar.inc(1);

    redis.stop();
    let from = fleet.history.now();
    sleep(Duration::from_secs(if run.full { 30 } else { 3 })).await;
    let gone = (from, fleet.history.now());
    run.bar.inc(1);

    redis.run();
    let (back, granted) = (Instant::now(), load.granted());
    let mut recovered = None;
    while back.elapsed() < Duration::from_secs(1) {
        let rate = load.rate(WINDOW).await;
        recovered = recovered.or((rate >= 0.9 * before).then(|| back.elapsed()));
    }
    let granted = load.granted() - granted;
    let calls = redis.calls("evalsha") + redis.calls("eval");
    let received: u64 =
        redis.info("total_connections_received").expect("it answers").parse().expect("a number");
    while recovered.is_none() && back.elapsed() < 2 * RECOVERY {
        let rate = load.rate(WINDOW).await;
        recovered = (rate >= 0.9 * before).then(|| back.elapsed());
    }
    load.stop().await;

    let mut finding = Finding::default();
    finding.broken.extend(success_while_cut_off(&fleet.history, &[gone]));
    finding.broken.extend(check(&fleet.history, Rules { all_honest: true }));
    report(&mut finding, before, calls, granted, received.saturating_sub(OWN), recovered);
    finding
}

fn report(
    finding: &mut Finding,
    before: f64,
    calls: u64,
    granted: u64,
    connections: u64,
    recovered: Option<Duration>,
) {
    finding.measure("refreshes a second before", before as u64);
    finding.measure("refreshes granted in the first second after", granted);
    finding.measure("calls of scripts in that second", calls);
    finding.measure("connections in that second", connections);
    let shown = recovered.map_or("never".to_owned(), |it| it.as_millis().to_string());
    finding.measure("full rate after Redis is back, ms", &shown);
    let expected = granted.max(before as u64);
    finding.demand("no storm of calls: at most two per refresh", calls <= 2 * expected, || {
        format!("{calls} calls, {granted} refreshes granted, {before:.0} a second before")
    });
    finding.demand("no storm of connections", connections <= NODES * CONNECTIONS, || connections.to_string());
    finding.demand("full rate within 2 s", recovered.is_some_and(|it| it < RECOVERY), || shown);
}

/// Clients that refresh at leisure, until they are stopped.
struct Load {
    granted: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    async fn start(fleet: &Arc<Fleet>, rng: &mut Rng) -> Self {
        let (granted, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut clients = Vec::new();
        for n in 0..CLIENTS {
            let chain = fleet.login(&format!("user-{n}"), rng).await;
            let (fleet, granted, stop, rng) = (fleet.clone(), granted.clone(), stop.clone(), rng.fork());
            clients.push(tokio::spawn(async move { go_on(&fleet, chain, &granted, &stop, rng).await }));
        }
        Self { granted, stop, clients }
    }

    fn granted(&self) -> u64 {
        self.granted.load(Ordering::SeqCst)
    }

    /// Refreshes a second, over a window.
    async fn rate(&self, window: Duration) -> f64 {
        let (before, began) = (self.granted(), Instant::now());
        sleep(window).await;
        (self.granted() - before) as f64 / began.elapsed().as_secs_f64()
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        join_all(self.clients).await;
    }
}

async fn go_on(fleet: &Fleet, mut chain: Chain, granted: &AtomicU64, stop: &AtomicBool, mut rng: Rng) {
    while !stop.load(Ordering::SeqCst) {
        if !matches!(fleet.refresh(&mut chain, &mut rng).await, Outcome::Granted { .. }) {
            return; // the history shows it
        }
        granted.fetch_add(1, Ordering::SeqCst);
        sleep(REST.mul_f32(rng.f32() + 0.5)).await;
    }
}
