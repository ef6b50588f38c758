//! A node that has answered a million refreshes has not grown.

use futures_util::future::join_all;
use token_gateway_testkit::redis::Redis;

use super::{Finding, QUIET, Run};
use crate::GATEWAY;

/// Sessions at once.
const CHAINS: u64 = 32;

const MOST_BYTES: u64 = 40_000_000;

pub async fn prove(run: Run) -> Finding {
    let (refreshes, redis) = (run.count(1_000_000), Redis::start_with(&["--appendonly", "no"]));
    let gateway = GATEWAY.on(&redis.url(), &[("RUST_LOG", QUIET)]);
    let refresh_on = |n: u64| {
        let (api, bar) = (gateway.api(), run.bar.clone());
        tokio::spawn(async move {
            let mut tokens = api.login(&format!("user-{n}")).await;
            for _ in 0..refreshes / CHAINS {
                tokens = api.refresh_until_decided(&tokens.refresh).await.tokens();
                bar.inc(1);
            }
        })
    };
    for chain in join_all((0..CHAINS).map(refresh_on)).await {
        chain.expect("each refresh succeeds");
    }
    let (resident, mut finding) = (gateway.resident(), Finding::default());
    finding.measure("refreshes", refreshes);
    finding.measure("resident memory of the node, bytes", resident);
    finding.demand("a node stays below 40 MB", resident <= MOST_BYTES, || format!("{resident} bytes"));
    finding
}
