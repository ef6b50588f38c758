//! Honest clients beside hostile ones (docs/operate/limits.md): their rate before, during and after each attack, the cost of a
//! hostile client, and the alarm of a theft meanwhile.

mod arena;
mod attack;
mod leavers;
mod look;
mod newcomers;
mod owners;
mod verdict;

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
use self::look::{Cast, Look};
use self::verdict::Measured;
use super::load::{Load, Window};
use super::{Finding, Run};
use crate::check::{Rules, check};

/// Honest clients, and the rest of each between two refreshes.
const HONEST: usize = 32;
const REST: Duration = Duration::from_millis(20);

/// The time for a crowd to take its places.
const SETTLING: Duration = Duration::from_secs(1);

/// Owners of stolen tokens, and users who sign out.
const OWNERS: u64 = 100;
const LEAVERS: u64 = 100;

/// Without `--full` the machine may have much else to do, so the best of a few short looks counts.
const LOOKS: usize = 3;
const SHORT: Duration = Duration::from_millis(800);

pub async fn prove(run: Run, attack: &'static Attack) -> Finding {
    run.bar.set_length(3);
    let (arena, mut rng) = (Arena::prepare(&run, attack).await, Rng::with_seed(run.seed));
    let (looks, length, settling) =
        if run.full { (1, attack.length, SETTLING) } else { (LOOKS, SHORT, SETTLING / 2) };
    let (owners, leaving) = (run.part(OWNERS) as usize, run.part(LEAVERS) as usize);
    let stolen = owners::log_in(&arena.fleet, owners * looks).await;
    let leavers = leavers::log_in(&arena.fleet, leaving * looks, &mut rng).await;
    let load = Load::start(&arena.fleet, HONEST, REST, &mut rng).await;
    sleep(settling).await;
    let start = arena.footprint();
    let alone = load.window(length).await;
    let before = arena.footprint();
    run.bar.inc(1);

    let kinds: Vec<(Kind, usize)> =
        attack.kinds.iter().map(|(kind, count)| (*kind, run.part(*count as u64) as usize)).collect();
    let hostile = kinds.iter().map(|(_, count)| *count as u64).sum();
    let crowd = Crowd::start(&kinds, &arena.target);
    let mut casts =
        stolen.chunks(owners).zip(leavers.chunks(leaving)).map(|(stolen, leavers)| Cast { stolen, leavers });
    let first = casts.next().expect("a look");
    let look = Look::take(&arena, &load, length, first, &mut rng).await;
    let footprints = [start, before, before];
    let mut measured = Measured { hostile, length, alone, after: Window::default(), footprints, look };
    for cast in casts {
        if verdict::holds(attack, run.full, &measured) {
            break;
        }
        measured.look = Look::take(&arena, &load, length, cast, &mut rng).await;
    }
    run.bar.inc(1);

    let tally = crowd.stop();
    arena.make_room();
    sleep(settling).await;
    measured.after = load.window(length).await;
    measured.footprints[2] = arena.footprint();
    load.stop().await;
    run.bar.inc(1);

    let mut finding = Finding::default();
    verdict::tell(&mut finding, &measured, &tally);
    verdict::demand(&mut finding, attack, run.full, &measured);
    finding.broken.extend(check(&arena.fleet.history, Rules { all_honest: true }));
    if !finding.broken.is_empty() {
        finding.measure("log", arena.log());
    }
    finding
}
