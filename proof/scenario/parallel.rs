//! Fifty clients present one token at the same time, over three nodes. It has one successor.

use futures_util::future::join_all;
use token_gateway_testkit::api::{Answer, Api, fresh_key, successors};
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;

use super::{Finding, Run, SETTINGS};
use crate::GATEWAY;

const CLIENTS: usize = 50;

pub async fn prove(run: Run) -> Finding {
    let (rounds, redis) = (run.count(1_000), Redis::start_with(&["--appendonly", "no"]));
    let nodes: Vec<_> = (0..3).map(|_| GATEWAY.on(&redis.url(), &SETTINGS)).collect();
    let apis: Vec<_> = nodes.iter().map(Gateway::api).collect();
    let mut finding = Finding::default();
    finding.measure("rounds, without a key and with one", rounds);
    for round in 0..rounds {
        without_a_key(&apis, round, &mut finding).await;
        with_one_key(&apis, round, &mut finding).await;
        if !finding.broken.is_empty() {
            break;
        }
        run.bar.inc(1);
    }
    finding
}

/// Each of these is an attempt of its own.
async fn without_a_key(apis: &[Api], round: u64, finding: &mut Finding) {
    let first = apis[0].login(&format!("user-{round}")).await;
    let answers = join_all((0..CLIENTS).map(|n| apis[n % 3].refresh(&first.refresh))).await;
    let is_one = successors(&answers).len() == 1;
    finding.demand("one successor", is_one, || format!("round {round}: {:?}", statuses(&answers)));
    let are_known = answers.iter().all(|answer| [200, 400, 503].contains(&answer.status.as_u16()));
    finding.demand("any other answer is a refusal", are_known, || format!("{:?}", statuses(&answers)));
}

/// All of these are one attempt.
async fn with_one_key(apis: &[Api], round: u64, finding: &mut Finding) {
    let (first, key) = (apis[0].login(&format!("other-{round}")).await, fresh_key());
    let answers = join_all((0..CLIENTS).map(|n| apis[n % 3].refresh_as(&first.refresh, &key))).await;
    let successors = successors(&answers);
    let is_one = successors.len() == 1 && answers.iter().all(|answer| answer.status == 200);
    finding
        .demand("the same successor for each", is_one, || format!("round {round}: {:?}", statuses(&answers)));
    for successor in &successors {
        let answer = apis[1].refresh(successor).await;
        finding.demand("and it works", answer.status == 200, || format!("{answer:?}"));
    }
}

fn statuses(answers: &[Answer]) -> Vec<u16> {
    answers.iter().map(|answer| answer.status.as_u16()).collect()
}
