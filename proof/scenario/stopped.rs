//! A node is stopped while requests wait in it, and their clients go on elsewhere. Nobody is accused when it runs again.

use std::time::Duration;

use fastrand::Rng;
use futures_util::future::join_all;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use tokio::time::{sleep, timeout};

use super::{Finding, Run, SETTINGS, words_of};
use crate::GATEWAY;
use crate::client::{Chain, Fleet};
use crate::history::Outcome;

/// The time for which the node stands still, with `--full`.
const STOPPED: Duration = Duration::from_secs(60);

/// Each client has a request that waits in the node. Every other one hangs up at once.
const CLIENTS: usize = 40;

/// Rotations elsewhere meanwhile: more than a late call may be behind.
const REFRESHES: usize = 10;

pub async fn prove(run: Run) -> Finding {
    run.bar.set_length(3);
    let (redis, mut rng) = (Redis::start_with(&["--appendfsync", "no"]), Rng::with_seed(run.seed));
    let nodes: Vec<_> = (0..2).map(|_| GATEWAY.on(&redis.url(), &SETTINGS)).collect();
    let (stopped, free) = (fleet_of(&nodes[0]), fleet_of(&nodes[1]));
    let mut chains = Vec::new();
    for n in 0..CLIENTS {
        let mut chain = stopped.login(&format!("user-{n}"), &mut rng).await;
        stopped.refresh(&mut chain, &mut rng).await; // its connection to the node is open
        chains.push(chain);
    }
    nodes[0].freeze();
    let waiting: Vec<_> =
        chains.iter().enumerate().map(|(n, chain)| wait_there(&nodes[0], n, chain)).collect();
    sleep(Duration::from_millis(100)).await;
    run.bar.inc(1);
    for chain in &mut chains {
        go_on(&free, chain, &mut rng).await;
    }
    sleep(if run.full { STOPPED } else { STOPPED / 20 }).await;
    run.bar.inc(1);
    nodes[0].thaw();
    let answers: Vec<u16> =
        join_all(waiting).await.into_iter().filter_map(|it| it.expect("no panic")).collect();
    report(&free, &nodes, chains, &answers, &mut rng).await
}

fn fleet_of(node: &Gateway) -> std::sync::Arc<Fleet> {
    Fleet::new(vec![node.api()], 0)
}

/// Sends a refresh, and returns the status of its answer. A client with an odd number hangs up.
fn wait_there(node: &Gateway, n: usize, chain: &Chain) -> tokio::task::JoinHandle<Option<u16>> {
    let (api, token) = (node.api(), chain.tokens.refresh.clone());
    let patience = if n.is_multiple_of(2) { 2 * STOPPED } else { Duration::from_millis(50) };
    tokio::spawn(async move {
        let key = format!("idempotency-key-of-client-{n}");
        let request = api.refresh_request(&token).header("Idempotency-Key", key).timeout(2 * STOPPED);
        let answer = timeout(patience, api.try_send(request)).await.ok()?;
        Some(answer.expect("an answer").status.as_u16())
    })
}

async fn go_on(free: &Fleet, chain: &mut Chain, rng: &mut Rng) {
    for _ in 0..REFRESHES {
        let outcome = free.refresh(chain, rng).await;
        assert!(matches!(outcome, Outcome::Granted { .. }), "{outcome:?}");
    }
}

async fn report(
    free: &Fleet,
    nodes: &[Gateway],
    chains: Vec<Chain>,
    answers: &[u16],
    rng: &mut Rng,
) -> Finding {
    let mut finding = Finding::default();
    let late = answers.iter().filter(|status| **status == 503).count();
    finding.measure("requests that waited in the stopped node", answers.len());
    finding.measure("answered 503", late);
    finding.demand("a late request is a 503", late == answers.len() && late == CLIENTS / 2, || {
        format!("{answers:?}")
    });
    let mut lost = Vec::new();
    for mut chain in chains {
        if !matches!(free.refresh(&mut chain, rng).await, Outcome::Granted { .. }) {
            lost.push(chain.subject);
        }
    }
    finding.measure("sessions that live", CLIENTS - lost.len());
    finding.demand("nobody is accused", lost.is_empty(), || format!("{lost:?}\n{}", words_of(nodes)));
    finding
}
