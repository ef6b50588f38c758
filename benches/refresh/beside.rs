//! Refreshes beside hostile clients (docs/limits.md has the bounds that keep these small).

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use token_gateway_testkit::hostile::{Crowd, Kind, Target};
use tokio::time::sleep;

use crate::arrangement::Running;
use crate::figures::Beside;
use crate::measure::{Plan, one_closed};
use crate::process::Process;

/// Honest clients.
pub const CLIENTS: usize = 64;

/// The time for a crowd to take its places, and for the node to be rid of it.
const SETTLING: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Company {
    Nobody,
    /// Clients that pipeline requests and read no answer.
    Pipeliners,
    /// Clients that read the largest file, as fast as it comes.
    Files,
}

pub const ALL: [Company; 3] = [Company::Nobody, Company::Pipeliners, Company::Files];

impl Company {
    pub fn name(self) -> &'static str {
        match self {
            Self::Nobody => "alone",
            Self::Pipeliners => "beside 50 clients that write requests without end, and read no answer",
            Self::Files => "beside 64 clients that read a file of 1.5 MB, again and again",
        }
    }

    fn kinds(self) -> &'static [(Kind, usize)] {
        match self {
            Self::Nobody => &[],
            Self::Pipeliners => &[(Kind::Pipeliner, 50)],
            Self::Files => &[(Kind::FileFlood, 64)],
        }
    }
}

/// All companies take turns within each round.
pub async fn measure(
    gateway: &Running,
    redis: &Process,
    plan: &Plan,
    measured: impl Fn(Company),
) -> Result<Vec<Beside>> {
    let target =
        Target { nodes: gateway.node.iter().map(|node| node.address.clone()).collect(), ..Target::default() };
    let (mut clients, mut found) = (gateway.clients(redis, CLIENTS).await?, Vec::new());
    let time = Duration::from_secs_f64(plan.seconds);
    for (round, company) in (0..plan.rounds).flat_map(|round| ALL.map(|company| (round, company))) {
        let crowd = Crowd::start(company.kinds(), &target);
        sleep(SETTLING).await;
        found.push(Beside { company, round, found: one_closed(gateway, redis, &mut clients, time).await });
        crowd.stop();
        sleep(SETTLING).await;
        measured(company);
    }
    Ok(found)
}
