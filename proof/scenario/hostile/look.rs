//! One look at an attack: the honest clients beside it, and its cost.

use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;
use token_gateway_testkit::hostile::Footprint;

use super::arena::Arena;
use super::newcomers::{self, Newcomers};
use super::{leavers, owners};
use crate::client::Chain;
use crate::scenario::load::{Load, Window};

/// The parts of a look's own: owners of stolen tokens, and users who sign out.
pub struct Cast<'a> {
    pub stolen: &'a [String],
    pub leavers: &'a [Chain],
}

pub struct Look {
    pub window: Window,
    pub footprints: [Footprint; 2],
    pub honest: Honest,
    pub newcomers: Newcomers,
    pub owners: u64,
    /// Owners whose first answer was the alarm.
    pub alarmed: u64,
}

/// Counts of honest requests.
#[derive(Debug, Clone, Copy)]
pub struct Honest {
    pub requests: u64,
    pub unavailable: u64,
    /// Those of the 503s that name a bound, and at most those that the bounds' metrics have counted.
    pub at_a_bound: u64,
    pub unanswered: u64,
}

impl Look {
    pub async fn take(arena: &Arena, load: &Load, length: Duration, cast: Cast<'_>, rng: &mut Rng) -> Self {
        let (before, began) = (Honest::so_far(arena).await, arena.footprint());
        let (window, newcomers, ()) = tokio::join!(
            load.window(length),
            newcomers::come(arena, length),
            leavers::leave(&arena.fleet, cast.leavers, length, rng),
        );
        let footprints = [began, arena.footprint()];
        let alarmed = owners::alarmed_at_once(&arena.fleet, cast.stolen).await;
        let honest = Honest::so_far(arena).await.since(before);
        Self { window, footprints, honest, newcomers, owners: cast.stolen.len() as u64, alarmed }
    }
}

impl Honest {
    async fn so_far(arena: &Arena) -> Self {
        let counts = &arena.fleet.counts;
        let named = counts.at_a_bound.load(Ordering::Relaxed);
        Self {
            requests: counts.tries.load(Ordering::Relaxed),
            unavailable: counts.unavailable.load(Ordering::Relaxed),
            at_a_bound: named.min(arena.at_bounds().await),
            unanswered: counts.unanswered.load(Ordering::Relaxed),
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            requests: self.requests - before.requests,
            unavailable: self.unavailable - before.unavailable,
            at_a_bound: self.at_a_bound - before.at_a_bound,
            unanswered: self.unanswered - before.unanswered,
        }
    }

    /// 503s that no bound accounts for.
    pub fn unaccounted(&self) -> u64 {
        self.unavailable.saturating_sub(self.at_a_bound)
    }
}
