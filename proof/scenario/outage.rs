//! Redis is gone for half a minute, under load. No request succeeds meanwhile, no storm of calls follows, and the
//! former rate is soon back.

use std::time::{Duration, Instant};

use fastrand::Rng;
use token_gateway_testkit::redis::Redis;
use tokio::time::sleep;

use super::load::Load;
use super::{Finding, Run, fleet};
use crate::GATEWAY;
use crate::check::{Rules, check, success_while_cut_off};

const CLIENTS: usize = 100;
const NODES: u64 = 2;

/// The pause between a client's refreshes.
const REST: Duration = Duration::from_millis(100);

/// Connections of one node within the first second, at most: its link, the feed subscription, and each once more.
const CONNECTIONS: u64 = 4;

/// The scenario's own connections, to ask Redis whether it is up, and for its counts.
const OWN: u64 = 4;

const RECOVERY: Duration = Duration::from_secs(2);
const WINDOW: Duration = Duration::from_millis(250);

pub async fn prove(run: Run) -> Finding {
    run.bar.set_length(3);
    let (mut redis, mut rng) = (Redis::start(), Rng::with_seed(run.seed));
    let gateways: Vec<_> = (0..NODES).map(|_| GATEWAY.on(&redis.url(), &super::SETTINGS)).collect();
    let fleet = fleet(&gateways, 0);
    let load = Load::start(&fleet, CLIENTS, REST, &mut rng).await;
    let before = load.rate(8 * WINDOW).await;
    run.bar.inc(1);

    redis.stop();
    let from = fleet.history.now();
    sleep(Duration::from_secs(if run.full { 30 } else { 3 })).await;
    let gone = (from, fleet.history.now());
    run.bar.inc(1);

    redis.run();
    let (back, granted) = (Instant::now(), load.granted());
    let (share, mut recovered) = (super::share(run.full), None);
    while back.elapsed() < Duration::from_secs(1) {
        let rate = load.rate(WINDOW).await;
        recovered = recovered.or((rate >= share * before).then(|| back.elapsed()));
    }
    let granted = load.granted() - granted;
    let calls = redis.calls("evalsha") + redis.calls("eval");
    let received: u64 =
        redis.info("total_connections_received").expect("it answers").parse().expect("a number");
    if recovered.is_none() {
        recovered = load.reaches(share * before, WINDOW, back, 5 * RECOVERY).await;
    }
    load.stop().await;

    let mut finding = Finding::default();
    finding.broken.extend(success_while_cut_off(&fleet.history, &[gone]));
    finding.broken.extend(check(&fleet.history, Rules { all_honest: true }));
    report(&mut finding, before, calls, granted, received.saturating_sub(OWN));
    super::demand_recovery(&mut finding, run.full, recovered, RECOVERY);
    finding
}

fn report(finding: &mut Finding, before: f64, calls: u64, granted: u64, connections: u64) {
    finding.measure("refreshes a second before", before as u64);
    finding.measure("refreshes granted in the first second after", granted);
    finding.measure("calls of scripts in that second", calls);
    finding.measure("connections in that second", connections);
    let expected = granted.max(before as u64);
    finding.demand("no storm of calls: at most two per refresh", calls <= 2 * expected, || {
        format!("{calls} calls, {granted} refreshes granted, {before:.0} a second before")
    });
    finding.demand("no storm of connections", connections <= NODES * CONNECTIONS, || connections.to_string());
}
