//! The phases of a connection, and their deadlines.

use super::ticks::Ticks;
use crate::telemetry::metrics::Closed;

/// A head must have arrived this long after its first byte, and a body this long after its head.
const ARRIVAL_TIMEOUT: Ticks = Ticks::of(10);

/// Idle connections are kept this long. Load balancers usually keep theirs for less, so they close first.
const IDLE_TIMEOUT: Ticks = Ticks::of(75);

/// A client must accept some of its answer within this.
pub const PROGRESS_TIMEOUT: Ticks = Ticks::of(15);

/// A client must have accepted all of an answer within this, unless it is an event stream.
const ANSWER_TIMEOUT: Ticks = Ticks::of(60);

/// After the answer to a request whose body is unfinished, so that its client finds the answer.
const UNREAD_BODY_TIMEOUT: Ticks = Ticks::of(1);

/// A node that stops waits for an unfinished body no longer than this. Its request then gets 503.
const DRAIN_TIMEOUT: Ticks = Ticks::of(2);

#[derive(Debug, Clone, Copy)]
pub enum Phase {
    /// Between two requests.
    Idle { since: Ticks },
    /// Within a head.
    Head { since: Ticks },
    /// A handler has deadlines of its own.
    Serving { since: Ticks },
    /// The answer is being written. An event stream has no end.
    Answering { since: Ticks, is_endless: bool, head_end: Ticks },
    /// The answer is written, and its body is unfinished.
    Unread { until: Ticks },
}

impl Phase {
    pub fn answering(self, is_endless: bool, now: Ticks) -> Self {
        let head_end = if let Self::Serving { since } = self { since } else { now };
        Self::Answering { since: now, is_endless, head_end }
    }

    pub fn unread(head_end: Ticks, now: Ticks) -> Self {
        Self::Unread { until: head_end.plus(ARRIVAL_TIMEOUT).max(now.plus(UNREAD_BODY_TIMEOUT)) }
    }

    /// The reason to close the connection now. `stops` is the moment since which the node stops.
    pub fn overdue(self, is_whole: bool, now: Ticks, stops: Option<Ticks>) -> Option<Closed> {
        let (is_over, cause) = match self {
            Self::Idle { since } => (since.is_over(IDLE_TIMEOUT, now), Closed::Idle),
            Self::Head { since } => (since.is_over(ARRIVAL_TIMEOUT, now), Closed::Head),
            Self::Serving { .. } => {
                let is_over = stops.is_some_and(|since| since.is_over(DRAIN_TIMEOUT, now));
                (is_over && !is_whole, Closed::Body)
            }
            Self::Answering { since, is_endless, .. } => {
                (since.is_over(ANSWER_TIMEOUT, now) && !is_endless, Closed::Answer)
            }
            Self::Unread { until } => (now > until, Closed::Body),
        };
        is_over.then_some(cause)
    }
}
