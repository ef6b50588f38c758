//! Redis frozen, with 1,000 requests at once. Each gets a prompt 503, memory is flat, `/livez` answers, and the full
//! rate is back after the thaw.

use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::join_all;
use reqwest::Method;
use token_gateway_testkit::redis::Redis;
use tokio::time::sleep;

use super::load::Load;
use super::{Finding, Run, fleet};
use crate::GATEWAY;
use crate::client::{Chain, Fleet};

/// Crowds while Redis is frozen, after the first.
const CROWDS: usize = 5;

/// Requests under way at once.
const CROWD: usize = 1000;

/// `REDIS_TIMEOUT_MS`, and the time that may come on top.
const DEADLINE: Duration = Duration::from_millis(500);
const SLACK: Duration = Duration::from_millis(200);

/// The time after the thaw within which the former rate must be back.
const RECOVERY: Duration = Duration::from_secs(2);

/// The window over which a rate is taken.
const WINDOW: Duration = Duration::from_millis(250);

/// Clients with a steady load before and after.
const STEADY: usize = 32;

pub async fn prove(run: Run) -> Finding {
    run.bar.set_length(3);
    let (redis, mut rng) = (Redis::start_with(&["--appendfsync", "no"]), Rng::with_seed(run.seed));
    let node = GATEWAY.on(&redis.url(), &[("RUST_LOG", super::QUIET)]);
    let fleet = fleet(std::slice::from_ref(&node), 0);
    let crowd = join_all((0..CROWD).map(|n| {
        let (fleet, mut rng) = (fleet.clone(), rng.fork());
        async move { fleet.login(&format!("crowd-{n}"), &mut rng).await }
    }));
    let crowd = crowd.await;
    crowd_of_requests(&fleet, &crowd).await; // the crowd's connections are open from here on
    let load = Load::start(&fleet, STEADY, Duration::ZERO, &mut rng).await;
    let before = load.rate(4 * WINDOW).await;
    run.bar.inc(1);

    redis.freeze();
    let mut latencies = crowd_of_requests(&fleet, &crowd).await;
    let (memory, mut lives) = (node.resident(), 0); // including all that so many requests take
    for _ in 0..CROWDS {
        let (took, alive) = tokio::join!(crowd_of_requests(&fleet, &crowd), is_alive(&fleet));
        latencies.extend(took);
        lives += usize::from(alive);
    }
    let grown = node.resident().saturating_sub(memory);
    run.bar.inc(1);

    redis.thaw();
    let recovered = load.reaches(super::share(run.full) * before, WINDOW, Instant::now(), 5 * RECOVERY).await;
    load.stop().await;
    run.bar.inc(1);
    report(run.full, latencies, lives, grown, before, recovered)
}

fn report(
    full: bool,
    mut latencies: Vec<(u16, Duration)>,
    lives: usize,
    grown: u64,
    before: f64,
    recovered: Option<Duration>,
) -> Finding {
    let mut finding = Finding::default();
    let not_503 = latencies.iter().filter(|(status, _)| *status != 503).count();
    latencies.sort_by_key(|(_, took)| *took);
    let p99 = latencies[latencies.len() * 99 / 100].1;
    finding.measure("requests while frozen, 1,000 at once", latencies.len());
    finding.measure("p50 of the 503, ms", latencies[latencies.len() / 2].1.as_millis());
    finding.measure("p99 of the 503, ms", p99.as_millis());
    finding.measure("resident memory grew by, from the first crowd to the last, KiB", grown / 1024);
    finding.measure("refreshes a second before", before as u64);
    finding.demand("closed: with Redis gone nothing but 503", not_503 == 0, || {
        format!("{not_503} other answers")
    });
    finding
        .demand("prompt: p99 within the deadline and 200 ms", p99 < DEADLINE + SLACK, || format!("{p99:?}"));
    finding.demand("memory is flat", grown < 8 << 20, || format!("{grown} bytes more"));
    finding.demand("/livez answers", lives == CROWDS, || format!("{lives} of {CROWDS}"));
    super::demand_recovery(&mut finding, full, recovered, RECOVERY);
    finding
}

/// One refresh of each session, all at once. Returns each status and time. The keys stay the same, so no session moves
/// on.
async fn crowd_of_requests(fleet: &Fleet, crowd: &[Chain]) -> Vec<(u16, Duration)> {
    join_all(crowd.iter().map(|chain| async {
        let key = format!("idempotency-key-of-{}", chain.tokens.session);
        let began = Instant::now();
        let answer = fleet.apis[0].refresh_as(&chain.tokens.refresh, &key).await;
        (answer.status.as_u16(), began.elapsed())
    }))
    .await
}

async fn is_alive(fleet: &Fleet) -> bool {
    sleep(DEADLINE / 5).await;
    let api = &fleet.apis[0];
    api.send(api.request(Method::GET, "/livez")).await.status == 200
}
