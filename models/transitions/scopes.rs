//! The bounds of each question. They are small, because a fault of a table shows in few steps.

use crate::steps::Scope;
use crate::world::Left;

const NOTHING: Left = Left {
    refreshes: 0,
    thefts: 0,
    logouts: 0,
    end_subjects: 0,
    logins: 0,
    failovers: 0,
    hours: 0,
    forgotten: 0,
    met_late: 0,
};

const CALM: Scope = Scope { name: "", left: NOTHING, copies: 1, grace: 0, clocks: &[0], max_ages: &[None] };

/// An honest client alone: its calls are delayed, lost and doubled, and a primary is deposed twice.
pub const HONEST: Scope = Scope {
    name: "an honest client, two failovers",
    left: Left { refreshes: 4, failovers: 2, ..NOTHING },
    copies: 2,
    ..CALM
};

/// An honest client that hangs up on a busy node, repeats its call elsewhere and moves on before the node gets to it.
pub const HUNG_UP: Scope = Scope {
    name: "an honest client that hangs up on a busy node, one failover",
    left: Left { refreshes: 4, failovers: 1, met_late: 1, ..NOTHING },
    copies: 2,
    ..CALM
};

/// A thief has a copy of a present or former token of the client.
pub const THEFT: Scope = Scope {
    name: "a thief, one failover",
    left: Left { refreshes: 3, thefts: 3, failovers: 1, ..NOTHING },
    ..CALM
};

/// The same, with one call less and another failover.
pub const THEFT_TWICE: Scope = Scope {
    name: "a thief, two failovers",
    left: Left { refreshes: 3, thefts: 2, failovers: 2, ..NOTHING },
    ..CALM
};

/// Logins, logouts and refreshes overtake each other.
pub const ENDS: Scope = Scope {
    name: "logins and logouts, one failover",
    left: Left { refreshes: 1, logouts: 1, logins: 1, failovers: 1, forgotten: 1, ..NOTHING },
    copies: 2,
    ..CALM
};

/// A logout everywhere, a theft, and a login.
pub const EVERYWHERE: Scope = Scope {
    name: "a logout everywhere, a thief, a login, one failover",
    left: Left { refreshes: 2, thefts: 1, end_subjects: 1, logins: 1, failovers: 1, ..NOTHING },
    ..CALM
};

/// Two tabs, or a client and a thief, around a grace window of two hours.
pub const GRACE: Scope = Scope {
    name: "a grace window",
    left: Left { refreshes: 2, thefts: 3, hours: 3, failovers: 1, ..NOTHING },
    grace: 2,
    ..CALM
};

/// Nodes are restarted with an absolute lifetime, which the session has not had, or with a lower one. Some nodes still
/// have the former setting, or have it again.
pub const FIRST_AGE: Scope = Scope {
    name: "an absolute lifetime where there was none",
    left: Left { refreshes: 3, thefts: 1, hours: 3, failovers: 1, ..NOTHING },
    max_ages: &[None, Some(2)],
    ..CALM
};

/// The same, with a lower absolute lifetime in place of a higher one.
pub const LOWERED_AGE: Scope = Scope {
    name: "a lowered absolute lifetime",
    left: Left { refreshes: 3, thefts: 1, hours: 3, failovers: 1, ..NOTHING },
    max_ages: &[Some(3), Some(1)],
    ..CALM
};

/// The same, with a lifetime that no session has reached, around a window of grace.
pub const LOWERED_AGE_IN_GRACE: Scope = Scope {
    name: "a lowered absolute lifetime, and a grace window",
    left: Left { refreshes: 2, thefts: 2, hours: 4, ..NOTHING },
    copies: 2,
    grace: 2,
    max_ages: &[None, Some(3), Some(2)],
    ..CALM
};

/// Disagreeing clocks, and a thief.
pub const CLOCKS: Scope = Scope {
    name: "clocks that disagree",
    left: Left { refreshes: 3, thefts: 1, failovers: 2, ..NOTHING },
    clocks: &[-1, 0, 1],
    ..CALM
};

/// Disagreeing clocks, and a logout everywhere.
pub const CLOCKS_EVERYWHERE: Scope = Scope {
    name: "a logout everywhere while clocks disagree",
    left: Left { refreshes: 1, end_subjects: 1, logins: 1, failovers: 1, ..NOTHING },
    clocks: &[-1, 1],
    ..CALM
};

/// A session with five rotations, and a promoted server with its clock behind.
pub const LONG: Scope = Scope {
    name: "five rotations, and a clock that is behind",
    left: Left { refreshes: 5, thefts: 1, failovers: 1, ..NOTHING },
    clocks: &[-1],
    ..CALM
};

/// A call waits for longer than five rotations.
pub const VERY_LATE: Scope = Scope { name: "six refreshes", left: Left { refreshes: 6, ..NOTHING }, ..CALM };
