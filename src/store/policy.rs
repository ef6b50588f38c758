//! The rules of every backend.

use std::time::Duration;

use token_gateway_core::clock::Timestamp;

/// The rules of every backend, fixed at start-up.
#[derive(Debug, Clone)]
pub struct Policy {
    /// A session not refreshed for this long is gone.
    pub refresh_ttl: Duration,
    /// A session never lives longer than this after its creation. A lower value holds for older sessions, too; a higher
    /// one extends none.
    pub session_max_age: Option<Duration>,
    /// For how long after a rotation the superseded token still gets the same successor.
    pub refresh_grace: Duration,
    pub reuse_scope: ReuseScope,
    /// The longest delay of a call between the arrival of its request and the store. A call delayed further was held
    /// up: its client may have hung up, repeated the request elsewhere, and moved on by any number of generations.
    pub held_up: Duration,
    pub max_sessions: usize,
    /// How long the tombstone of an ended session is kept.
    pub tombstone_ttl: Duration,
    /// How long the revocation feed is kept: longer than any access token lives.
    pub feed_retention: Duration,
}

impl Policy {
    /// For a command that only ends sessions: no session could live under this policy.
    pub fn only_to_end(tombstone_ttl: Duration, feed_retention: Duration) -> Self {
        Self {
            refresh_ttl: Duration::ZERO,
            session_max_age: None,
            refresh_grace: Duration::ZERO,
            reuse_scope: ReuseScope::Session,
            held_up: Duration::ZERO,
            max_sessions: 0,
            tombstone_ttl,
            feed_retention,
        }
    }
}

/// The end of a session's absolute lifetime: the earlier of the stored end, and of the creation and `max_age`.
pub fn absolute_end(
    created_at: Timestamp,
    stored: Option<Timestamp>,
    max_age: Option<Duration>,
) -> Option<Timestamp> {
    stored.into_iter().chain(max_age.map(|age| created_at.plus(age))).min()
}

/// The sessions to end when a superseded refresh token comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReuseScope {
    /// Every session of the subject.
    Subject,
    /// Only the session of the token.
    Session,
}

impl ReuseScope {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Session => "session",
        }
    }
}
