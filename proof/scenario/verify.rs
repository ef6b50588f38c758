//! Logouts and the verifiers of API nodes: the time until a verifier refuses the token. No verifier misses a logout,
//! whatever becomes of Redis, of the feed and of its subscribers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::join_all;
use token_gateway_testkit::gateway::{Gateway, ISSUER, SIGNING_SECRET};
use token_gateway_testkit::proxy::Proxy;
use token_gateway_testkit::redis::{Login, Redis};
use token_gateway_testkit::service_key::WEB;
use token_gateway_verify::{AccessRefusal, Feed, LinkSettings, Verifier};
use tokio::time::sleep;

use super::{Finding, Run, fleet};
use crate::GATEWAY;
use crate::client::{Chain, Fleet};
use crate::history::Outcome;

/// Logouts under way at once.
const AT_ONCE: usize = 4;

/// A logout still unknown after this time was missed.
const LIMIT: Duration = Duration::from_secs(5);

/// Limits for the latency of logouts while all is well.
const MEDIAN: Duration = Duration::from_millis(5);
const P99: Duration = Duration::from_millis(50);

/// The lag of the feed beyond which a verifier refuses all tokens.
const STALE: Duration = Duration::from_secs(2);

/// Users to log out in each disturbance.
const USERS: usize = 20;

pub async fn prove(run: Run) -> Finding {
    let mut finding = Finding::default();
    let logouts = run.count(10_000);
    calm(&run, logouts, &mut finding).await;
    disturbed(&run, &mut finding).await;
    finding
}

fn over_http(gateway: &Gateway) -> Feed {
    let url = format!("http://{}/v1/revocations", gateway.address());
    Feed::http(&url, WEB.key).expect("a URL")
}

fn from_redis(url: String) -> Feed {
    Feed::redis(LinkSettings::new(url), "tg").expect("a URL")
}

fn verifier(feed: Feed) -> Verifier {
    let builder = Verifier::builder(ISSUER, "api").secret(SIGNING_SECRET).expect("a good secret");
    builder.feed(feed).max_stale(STALE).start().expect("sound settings")
}

/// Waits until the verifier's watermark has passed the moment of this call. Returns `false` after 30 seconds.
async fn fresh(verifier: &Verifier) -> bool {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(30) {
        if verifier.stale().is_some_and(|stale| stale < began.elapsed()) {
            return true;
        }
        sleep(Duration::from_millis(5)).await;
    }
    false
}

/// Measures the time from the answer to a logout until the refusal of its token: through the feed of another node, and
/// through the feed in Redis.
async fn calm(run: &Run, logouts: u64, finding: &mut Finding) {
    let redis = Redis::start();
    let gateways: Vec<_> = (0..2).map(|_| GATEWAY.on(&redis.url(), &super::SETTINGS)).collect();
    let fleet = fleet(&gateways[..1], 0);
    let verifiers = [verifier(over_http(&gateways[1])), verifier(from_redis(redis.url()))];
    for verifier in &verifiers {
        finding
            .demand("a subscriber of the feed becomes fresh", fresh(verifier).await, || "never".to_owned());
    }
    let times: [Mutex<Vec<Duration>>; 2] = Default::default();
    let (missed, next, mut rng) = (AtomicUsize::new(0), AtomicUsize::new(0), Rng::with_seed(run.seed));
    let clients = (0..AT_ONCE).map(|_| {
        let (fleet, verifiers, times, missed, next, mut rng) =
            (&fleet, &verifiers, &times, &missed, &next, rng.fork());
        async move {
            loop {
                let n = next.fetch_add(1, Ordering::SeqCst);
                if n as u64 >= logouts {
                    return;
                }
                let chain = fleet.login(&format!("user-{n}"), &mut rng).await;
                let access = &chain.tokens.access;
                let accepted = verifiers.iter().all(|it| is_accepted(it, &chain));
                let ended = fleet.log_out(&chain, &mut rng).await == Outcome::Ended;
                let answered = Instant::now();
                let heard =
                    join_all(verifiers.iter().map(|verifier| refused(verifier, access, answered))).await;
                let late = heard.iter().filter(|it| it.is_none()).count();
                missed.fetch_add(late + usize::from(!accepted || !ended), Ordering::SeqCst);
                for (times, time) in times.iter().zip(heard) {
                    times.lock().unwrap().extend(time);
                }
                run.bar.inc(1);
            }
        }
    });
    join_all(clients).await;
    let missed = missed.into_inner();
    finding.demand("no logout is missed", missed == 0, || format!("{missed} of {logouts}"));
    for (name, times) in ["over HTTP", "from Redis"].into_iter().zip(times) {
        report(name, times.into_inner().unwrap(), run.full, finding);
    }
}

fn is_accepted(verifier: &Verifier, chain: &Chain) -> bool {
    matches!(verifier.check(&chain.tokens.access), token_gateway_verify::Outcome::Accepted(_))
}

/// The time from `since` until the first refusal of the token; `None` after `LIMIT`.
async fn refused(verifier: &Verifier, access: &str, since: Instant) -> Option<Duration> {
    while since.elapsed() < LIMIT {
        if verifier.check(access) == token_gateway_verify::Outcome::Refused(AccessRefusal::Ended) {
            return Some(since.elapsed());
        }
        tokio::task::yield_now().await;
    }
    None
}

fn report(name: &str, mut times: Vec<Duration>, full: bool, finding: &mut Finding) {
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or(LIMIT);
    let (median, p99) = (at(50), at(99));
    finding.measure(format!("{name}: logouts"), times.len());
    finding.measure(format!("{name}: logout to refusal, median, us"), median.as_micros());
    finding.measure(format!("{name}: the same, p99, us"), p99.as_micros());
    let in_time = median < MEDIAN && p99 < P99;
    finding.demand("median below 5 ms, p99 below 50 ms", in_time || !full, || format!("{median:?}, {p99:?}"));
}

/// A disturbance of the feed or its subscribers, while users log out.
#[derive(Debug, Clone, Copy)]
enum Disturbance {
    Restarted,
    CutOff,
    Trimmed,
    /// A verifier starts in the middle.
    Late,
}

async fn disturbed(run: &Run, finding: &mut Finding) {
    let mut rng = Rng::with_seed(run.seed);
    let port = token_gateway_testkit::free_port();
    let mut redis =
        Redis::start_behind(Proxy::before(port), port, Login::Anybody, &["--appendonly", "no"], |_| {
            Vec::new()
        });
    // The proxy cuts off a subscriber of the feed in Redis, and no gateway.
    let gateways: Vec<_> = (0..2).map(|_| GATEWAY.on(&redis.url(), &super::SETTINGS)).collect();
    let fleet = fleet(&gateways, 0);
    let kept = [verifier(over_http(&gateways[1])), verifier(from_redis(redis.proxy().url()))];
    let rounds = run.count(40);
    let mut missed = Vec::new();
    for round in 0..rounds {
        let all = [Disturbance::Restarted, Disturbance::CutOff, Disturbance::Trimmed, Disturbance::Late];
        let disturbance = all[(round % 4) as usize];
        let mut chains = Vec::new();
        for n in 0..USERS {
            chains.push(fleet.login(&format!("user-{round}-{n}"), &mut rng).await);
        }
        for verifier in &kept {
            fresh(verifier).await;
        }
        let mut verifiers = kept.to_vec();
        meanwhile(disturbance, &mut redis, &gateways, &fleet, &chains, &mut verifiers, &mut rng).await;
        for (n, verifier) in verifiers.iter().enumerate() {
            if !fresh(verifier).await {
                missed.push(format!("{disturbance:?}: verifier {n} is never fresh again"));
            }
            let accepted = chains.iter().filter(|chain| is_accepted(verifier, chain)).count();
            if accepted > 0 {
                missed.push(format!("{disturbance:?}: verifier {n} accepts {accepted} of {USERS}"));
            }
        }
    }
    finding.measure("disturbances of the feed", rounds);
    finding.demand("none is missed by who reports itself fresh", missed.is_empty(), || missed.join("\n"));
}

/// Logs out all the users, half of them before the disturbance is over.
async fn meanwhile(
    disturbance: Disturbance,
    redis: &mut Redis,
    gateways: &[Gateway],
    fleet: &Arc<Fleet>,
    chains: &[Chain],
    verifiers: &mut Vec<Verifier>,
    rng: &mut Rng,
) {
    let (first, second) = chains.split_at(USERS / 2);
    match disturbance {
        Disturbance::Restarted => {
            log_out(fleet, first, rng).await;
            redis.stop();
            redis.run();
            log_out(fleet, second, rng).await;
        }
        Disturbance::CutOff => {
            redis.proxy().hold();
            log_out(fleet, first, rng).await;
            sleep(STALE + Duration::from_millis(500)).await;
            redis.proxy().release();
            log_out(fleet, second, rng).await;
        }
        Disturbance::Trimmed => {
            redis.proxy().hold();
            log_out(fleet, first, rng).await;
            redis.ask::<u64>(&["XTRIM", "tg:revocations", "MAXLEN", "0"]);
            redis.proxy().release();
            log_out(fleet, second, rng).await;
        }
        Disturbance::Late => {
            log_out(fleet, first, rng).await;
            verifiers.push(verifier(over_http(&gateways[0])));
            verifiers.push(verifier(from_redis(redis.url())));
            log_out(fleet, second, rng).await;
        }
    }
}

async fn log_out(fleet: &Fleet, chains: &[Chain], rng: &mut Rng) {
    for chain in chains {
        // After a restart without a file the session is unknown. The node publishes its end all the same, because the
        // signed token proves that there was such a session.
        fleet.log_out(chain, rng).await;
    }
}
