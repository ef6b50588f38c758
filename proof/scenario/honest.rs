//! Honest clients under every fault: none is refused, and no session is lost. An honest client sends idempotency keys,
//! and repeats nothing but its own attempts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::join_all;
use reqwest::Method;
use token_gateway_testkit::gateway::Gateway;

use super::{Finding, Run, fleet, nodes, words_of};
use crate::check::{Rules, check, success_while_cut_off};
use crate::client::{Chain, Fleet};
use crate::history::Outcome;
use crate::store::{Deployment, Topology};

/// Clients at once, each with a session of its own.
const CLIENTS: usize = 48;

/// The client drops one request in so many.
const ABORT_ONE_IN: u32 = 8;

pub async fn prove(run: Run, topology: Topology) -> Finding {
    let (refreshes, mut rng) = (run.count(100_000), Rng::with_seed(run.seed));
    let deployment = Deployment::start(topology);
    let gateways = nodes(&deployment, 2);
    let fleet = fleet(&gateways, ABORT_ONE_IN);
    let mut chains = Vec::new();
    for n in 0..CLIENTS {
        chains.push(fleet.login(&format!("user-{n}"), &mut rng).await);
    }
    deployment.wait_for_replicas();
    let (began, seed) = (Instant::now(), rng.u64(..));
    deployment.disturb_calls(seed);
    let stop = Arc::new(AtomicBool::new(false));
    let disturbing = std::thread::spawn({
        let (stop, fleet) = (stop.clone(), fleet.clone());
        move || disturb(deployment, &fleet, Rng::with_seed(seed), &stop)
    });
    let left = Arc::new(AtomicI64::new(refreshes as i64));
    let clients = chains.into_iter().map(|chain| {
        let (fleet, left, bar, rng) = (fleet.clone(), left.clone(), run.bar.clone(), rng.fork());
        tokio::spawn(async move { refresh_on(&fleet, chain, &left, &bar, rng).await })
    });
    let chains: Vec<Chain> =
        join_all(clients).await.into_iter().map(|chain| chain.expect("no panic")).collect();
    stop.store(true, Ordering::SeqCst);
    let (deployment, cuts) =
        tokio::task::spawn_blocking(move || disturbing.join().expect("no panic")).await.unwrap();
    deployment.calm();
    let took = began.elapsed();

    let mut finding = Finding::default();
    every_chain_lives(&gateways, &fleet, chains, &mut rng, &mut finding).await;
    finding.broken.extend(success_while_cut_off(&fleet.history, &cuts));
    finding.broken.extend(check(&fleet.history, Rules { all_honest: true }));
    let decided = fleet.counts.refreshes.load(Ordering::SeqCst);
    finding
        .demand("as many refreshes are decided as were wanted", decided >= refreshes, || decided.to_string());
    let missing = deployment.spared(run.full);
    finding.demand("every fault has struck", missing.is_empty(), || missing.join(", "));
    finding.measure("refreshes a second, faults and failovers included", refreshes / took.as_secs().max(1));
    finding.count(&fleet, &deployment);
    finding
}

/// Goes on until all clients together have done enough, or a refresh of this one is not granted.
async fn refresh_on(
    fleet: &Fleet,
    mut chain: Chain,
    left: &AtomicI64,
    bar: &indicatif::ProgressBar,
    mut rng: Rng,
) -> Chain {
    while left.fetch_sub(1, Ordering::SeqCst) > 0 {
        if !matches!(fleet.refresh(&mut chain, &mut rng).await, Outcome::Granted { .. }) {
            break;
        }
        bar.inc(1);
    }
    chain
}

/// Also returns the spans of time in which no node reached Redis.
fn disturb(
    mut deployment: Deployment,
    fleet: &Fleet,
    mut rng: Rng,
    stop: &AtomicBool,
) -> (Deployment, Vec<(u64, u64)>) {
    let mut cuts = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        sleep(Duration::from_millis(rng.u64(100..600)));
        if rng.u32(0..8) == 0 {
            cuts.push(cut_off(&deployment, fleet));
        } else {
            deployment.disturb(&mut rng);
        }
    }
    (deployment, cuts)
}

fn cut_off(deployment: &Deployment, fleet: &Fleet) -> (u64, u64) {
    deployment.cut_off();
    sleep(Duration::from_millis(50)); // answers of calls already at Redis arrive
    let from = fleet.history.now();
    sleep(Duration::from_millis(300));
    let to = fleet.history.now();
    deployment.release();
    (from, to)
}

/// Each session is listed, and its newest token works.
async fn every_chain_lives(
    nodes: &[Gateway],
    fleet: &Fleet,
    chains: Vec<Chain>,
    rng: &mut Rng,
    finding: &mut Finding,
) {
    let mut dead = Vec::new();
    for mut chain in chains {
        let mut listed = fleet.apis[0].user(Method::GET, &chain.subject, "").await;
        for _ in 0..100 {
            if listed.status != 503 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            listed = fleet.apis[0].user(Method::GET, &chain.subject, "").await;
        }
        let is_listed = listed.status == 200 && listed.sessions() == [chain.tokens.session.clone()];
        let outcome = fleet.refresh(&mut chain, rng).await;
        if !is_listed || !matches!(outcome, Outcome::Granted { .. }) {
            dead.push(format!("{}: {outcome:?}, listed: {listed:?}", chain.subject));
        }
    }
    finding.measure("chains that live", CLIENTS - dead.len());
    finding.measure("chains", CLIENTS);
    finding.demand("not one ended session, not one lost chain", dead.is_empty(), || {
        format!("{}\n{}", dead.join("\n"), words_of(nodes))
    });
}
