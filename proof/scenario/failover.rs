//! Failover under load: the time until refreshes succeed again, and that the new primary knows every success.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::join_all;
use token_gateway_testkit::api::claims;
use token_gateway_testkit::redis::Redis;

use super::{Finding, Run, fleet, nodes};
use crate::client::Fleet;
use crate::history::Outcome;
use crate::store::{Deployment, Loss, Topology};

/// Clients at once; in a Cluster all of them on the lost primary.
const CLIENTS: usize = 16;

/// Each success after the promotion is looked up on the new primary, until this long after the first one.
const WATCHED: Duration = Duration::from_secs(3);

/// A granted refresh: the moments of request and answer, and the new token.
#[derive(Debug, Clone)]
struct Success {
    invoked: Instant,
    answered: Instant,
    session: String,
    subject: String,
    generation: u64,
    jti: String,
}

pub async fn prove(run: Run, topology: Topology) -> Finding {
    let each = run.count(10);
    let mut finding = Finding::default();
    let lenient = (topology == Topology::Sentinel).then_some(Loss::Relieved);
    let losses: Vec<_> = [Loss::InOrder, Loss::Killed, Loss::Frozen].into_iter().chain(lenient).collect();
    run.bar.set_length(losses.len() as u64 * each);
    for loss in losses {
        let (mut times, mut lost) = (Vec::new(), 0);
        for n in 0..each {
            match fail_over(&run, topology, loss, n).await {
                Ok((took, unknown)) => {
                    times.push(took);
                    lost += unknown;
                }
                Err(told) => finding.demand(
                    "a failover ends, and nothing is granted that the new primary does not know",
                    false,
                    || told,
                ),
            }
            run.bar.inc(1);
        }
        if loss == Loss::Relieved {
            // The first success of such a failover may be unknown, so its time says nothing.
            finding.measure(format!("{}: granted, and unknown to the new primary", loss.name()), lost);
        } else {
            tell(&mut finding, loss, times);
        }
    }
    finding
}

fn tell(finding: &mut Finding, loss: Loss, mut times: Vec<Took>) {
    if times.is_empty() {
        return;
    }
    times.sort_by_key(|took| took.after_promotion);
    let ms = |duration: Duration| duration.as_millis();
    let median = &times[times.len() / 2];
    let name = loss.name();
    finding.measure(format!("{name}: failovers"), times.len());
    finding.measure(format!("{name}: promotion to first success, median, ms"), ms(median.after_promotion));
    finding.measure(format!("{name}: the same, longest, ms"), ms(times[times.len() - 1].after_promotion));
    times.sort_by_key(|took| took.without_success);
    let median = &times[times.len() / 2];
    finding.measure(format!("{name}: without any success, median, ms"), ms(median.without_success));
}

struct Took {
    after_promotion: Duration,
    without_success: Duration,
}

/// The times of one failover, and the number of grants unknown to the new primary where `loss` allows them.
async fn fail_over(run: &Run, topology: Topology, loss: Loss, n: u64) -> Result<(Took, usize), String> {
    let mut rng = Rng::with_seed(run.seed + n);
    let mut deployment = Deployment::for_failover(topology, loss);
    let gateways = nodes(&deployment, 2);
    let fleet = fleet(&gateways, 0);
    let subjects = deployment.subjects_of_one_primary(CLIENTS);
    let (stop, successes) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let mut clients = Vec::new();
    for subject in &subjects {
        let chain = fleet.login(subject, &mut rng).await;
        let (fleet, stop, successes, rng) = (fleet.clone(), stop.clone(), successes.clone(), rng.fork());
        clients.push(tokio::spawn(async move { refresh_on(&fleet, chain, &stop, &successes, rng).await }));
    }
    let subject = subjects[0].clone();
    let failing = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_millis(500));
        let promoted = deployment.lose_primary(&subject, loss);
        (deployment, promoted)
    });
    let (deployment, (lost_at, promoted_at, promoted)) = failing.await.expect("no panic");
    let known = watch(&deployment, promoted, promoted_at, &successes, loss == Loss::Relieved).await;
    stop.store(true, Ordering::SeqCst);
    let refused: usize =
        join_all(clients).await.into_iter().map(|refused| usize::from(refused.expect("no panic"))).sum();
    let unknown = known.map_err(|told| format!("{told}\n{}", gateways[0].log()))?;
    if refused > 0 {
        return Err(format!("{}: {refused} honest clients were refused", loss.name()));
    }
    times(&successes.lock().unwrap(), lost_at, promoted_at).map(|took| (took, unknown))
}

/// Returns whether the client was refused.
async fn refresh_on(
    fleet: &Fleet,
    mut chain: crate::client::Chain,
    stop: &AtomicBool,
    successes: &Mutex<Vec<Success>>,
    mut rng: Rng,
) -> bool {
    while !stop.load(Ordering::SeqCst) {
        let invoked = Instant::now();
        match fleet.refresh(&mut chain, &mut rng).await {
            Outcome::Granted { generation, .. } => successes.lock().unwrap().push(Success {
                invoked,
                answered: Instant::now(),
                session: chain.tokens.session.clone(),
                subject: chain.subject.clone(),
                generation,
                jti: claims(&chain.tokens.refresh)["jti"].as_str().expect("an id").to_owned(),
            }),
            Outcome::Refused => return true,
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    false
}

/// Looks up each success after the promotion in the new primary's record, where it must be at once. With
/// `may_be_unknown`, counts a missing one.
async fn watch(
    deployment: &Deployment,
    promoted: usize,
    promoted_at: Instant,
    successes: &Mutex<Vec<Success>>,
    may_be_unknown: bool,
) -> Result<usize, String> {
    let (mut seen, mut first, mut unknown) = (0, None, 0);
    while first.is_none_or(|first: Instant| first.elapsed() < WATCHED) {
        if promoted_at.elapsed() > Duration::from_secs(30) {
            return Err("no success within 30 s of the promotion".to_owned());
        }
        let new: Vec<Success> = {
            let successes = successes.lock().unwrap();
            let new = successes[seen..].iter().filter(|success| success.answered > promoted_at).cloned();
            seen = successes.len();
            new.collect()
        };
        if new.iter().any(|success| success.invoked > promoted_at) {
            first = first.or(Some(Instant::now()));
        }
        for success in new.iter().filter(|success| !is_known(&deployment.servers()[promoted], success)) {
            if !may_be_unknown {
                return Err(format!("the new primary does not know of {success:?}"));
            }
            unknown += 1;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(unknown)
}

/// Whether the record has reached the granted generation, or is further.
fn is_known(primary: &Redis, success: &Success) -> bool {
    let key = format!("tg:{{{}}}:session:{}", success.subject, success.session);
    let known: Option<(u64, String)> = primary.try_ask(&["HMGET", &key, "gen", "jti"]);
    known.is_some_and(|(generation, jti)| {
        generation > success.generation || generation == success.generation && jti == success.jti
    })
}

fn times(successes: &[Success], lost_at: Instant, promoted_at: Instant) -> Result<Took, String> {
    let after = successes.iter().filter(|success| success.invoked > promoted_at);
    let first = after.map(|success| success.answered).min().ok_or("no success after the promotion")?;
    let mut around: Vec<Instant> =
        successes.iter().map(|success| success.answered).filter(|at| *at > lost_at).collect();
    around.push(lost_at);
    around.sort();
    let without_success = around.windows(2).map(|two| two[1] - two[0]).max().unwrap_or_default();
    Ok(Took { after_promotion: first - promoted_at, without_success })
}
