//! The time of a worker, in ticks: a worker that stands still makes no client slow, and no request reads a clock.

use std::time::Duration;

/// The time between two looks at all connections of a worker.
pub const TICK: Duration = Duration::from_millis(500);

/// A moment of a worker, or a time between two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticks(pub u32);

impl Ticks {
    pub const fn of(seconds: u32) -> Self {
        Self(seconds * 1000 / TICK.as_millis() as u32)
    }

    pub fn plus(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }

    /// Whether more than `limit` lies between this moment and `now`. A tick begun is no tick: the client has the benefit.
    pub fn is_over(self, limit: Self, now: Self) -> bool {
        now.0.saturating_sub(self.0) > limit.0
    }
}
