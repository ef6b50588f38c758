//! Refreshes beside hostile clients (docs/operate/limits.md has the bounds that keep these small).

use std::time::Duration;

use anyhow::Result;
use token_gateway_testkit::hostile::{Crowd, Target};
use tokio::time::sleep;

use crate::arrangement::Running;
use crate::closed_loop::one_closed;
use crate::company::{ALL, CLIENTS, Company};
use crate::figures::Beside;
use crate::process::Process;

/// The time for a crowd to take its places, and for the node to be rid of it.
const SETTLING: Duration = Duration::from_secs(1);

/// The rounds, and the length of each measurement.
#[derive(Clone, Copy)]
pub struct Pace {
    pub rounds: usize,
    pub time: Duration,
}

/// All companies take turns within each round.
pub async fn measure(
    gateway: &Running,
    redis: &Process,
    pace: Pace,
    measured: impl Fn(Company),
) -> Result<Vec<Beside>> {
    let target =
        Target { nodes: gateway.node.iter().map(|node| node.address.clone()).collect(), ..Target::default() };
    let (mut clients, mut found) = (gateway.clients(redis, CLIENTS).await?, Vec::new());
    for (round, company) in (0..pace.rounds).flat_map(|round| ALL.map(|company| (round, company))) {
        let crowd = Crowd::start(company.kinds(), &target);
        sleep(SETTLING).await;
        found.push(Beside {
            company,
            round,
            found: one_closed(gateway, redis, &mut clients, pace.time).await,
        });
        crowd.stop();
        sleep(SETTLING).await;
        measured(company);
    }
    Ok(found)
}
