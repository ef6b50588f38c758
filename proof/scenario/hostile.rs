//! Honest clients beside hostile ones (docs/limits.md): their rate before, during and after each attack, the cost of a
//! hostile client, and the alarm of a theft meanwhile.

mod arena;
mod attack;
mod newcomers;
mod owners;
mod verdict;

use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;
use token_gateway_testkit::hostile::{Crowd, Kind};
use tokio::time::sleep;

use self::arena::Arena;
use self::attack::Attack;
pub use self::attack::{
    FILES, FULL_REDIS, LISTS, LOGINS, MIXED, MIXED_BEHIND_NGINX, PIPELINERS, READINESS, SLOW_HEADS,
    SUBSCRIBERS, UNFINISHED_BODIES, UNREAD_ANSWERS,
};
use self::verdict::Measured;
use super::load::Load;
use super::{Finding, Run};
use crate::check::{Rules, check};

/// Honest clients, and the rest of each between two refreshes.
const HONEST: usize = 32;
const REST: Duration = Duration::from_millis(20);

/// The time for a crowd to take its places.
const SETTLING: Duration = Duration::from_secs(1);

/// Owners of stolen tokens.
const OWNERS: u64 = 100;

pub async fn prove(run: Run, attack: &'static Attack) -> Finding {
    run.bar.set_length(3);
    let (arena, mut rng) = (Arena::prepare(&run, attack).await, Rng::with_seed(run.seed));
    let stolen = owners::log_in(&arena.fleet, run.part(OWNERS)).await;
    let load = Load::start(&arena.fleet, HONEST, REST, &mut rng).await;
    sleep(SETTLING).await;
    let length = if run.full { attack.length } else { attack.length / 10 };
    let start = arena.footprint();
    let alone = load.window(length).await;
    let before = arena.footprint();
    run.bar.inc(1);

    let kinds: Vec<(Kind, usize)> =
        attack.kinds.iter().map(|(kind, count)| (*kind, run.part(*count as u64) as usize)).collect();
    let crowd = Crowd::start(&kinds, &arena.target);
    let honest_before = honest(&arena);
    let (under, newcomers) = tokio::join!(load.window(length), newcomers::come(&arena, length));
    let at_end = arena.footprint();
    let honest_after = honest(&arena);
    let alarmed = owners::alarmed_at_once(&arena.fleet, &stolen).await;
    run.bar.inc(1);

    let tally = crowd.stop();
    arena.make_room();
    sleep(SETTLING).await;
    let (after, at_last) = (load.window(length).await, arena.footprint());
    load.stop().await;
    run.bar.inc(1);

    let measured = Measured {
        hostile: kinds.iter().map(|(_, count)| *count as u64).sum(),
        length,
        windows: [alone, under, after],
        footprints: [start, before, at_end, at_last],
        honest: std::array::from_fn(|n| honest_after[n] - honest_before[n]),
        newcomers,
        owners: stolen.len() as u64,
        alarmed,
    };
    let mut finding = Finding::default();
    verdict::tell(&mut finding, &measured, &tally);
    verdict::demand(&mut finding, attack, run.full, &measured);
    finding.broken.extend(check(&arena.fleet.history, Rules { all_honest: true }));
    if !finding.broken.is_empty() {
        finding.measure("log", arena.log());
    }
    finding
}

/// Honest requests so far, those answered 503, and those without an answer.
fn honest(arena: &Arena) -> [u64; 3] {
    let counts = &arena.fleet.counts;
    [&counts.tries, &counts.unavailable, &counts.unanswered].map(|count| count.load(Ordering::Relaxed))
}
