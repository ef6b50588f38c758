//! The state of one connection. Its stream, its requests and its worker share it.

use std::cell::{Cell, RefCell};
use std::task::Waker;

use super::exchange::{BodyLength, Exchange};
use super::phase::{PROGRESS_TIMEOUT, Phase};
use super::ticks::Ticks;
use crate::telemetry::metrics::Closed;

/// The state of one connection.
pub struct Connection {
    exchange: RefCell<Exchange>,
    phase: Cell<Phase>,
    /// Since when the client accepts nothing.
    blocked: Cell<Option<Ticks>>,
    is_answered: Cell<bool>,
    /// When bytes of the client came last.
    last_byte: Cell<Ticks>,
    has_served: Cell<bool>,
    closed: Cell<Option<Closed>>,
    /// The waker of the dispatcher's task.
    waker: RefCell<Option<Waker>>,
}

/// The order is by the loss of a connection that is closed for room. Each has the moment of its last sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Never answered, and nothing came.
    Silent(Ticks),
    /// Between two requests.
    Idle(Ticks),
    /// A head has begun then.
    Head(Ticks),
    /// A body is unfinished, answered or not.
    Body(Ticks),
}

impl Connection {
    pub fn new(now: Ticks) -> Self {
        Self {
            exchange: RefCell::default(),
            phase: Cell::new(Phase::Idle { since: now }),
            blocked: Cell::new(None),
            is_answered: Cell::new(false),
            last_byte: Cell::new(now),
            has_served: Cell::new(false),
            closed: Cell::new(None),
            waker: RefCell::new(None),
        }
    }

    /// Takes bytes of the client. Returns how many may be handed on.
    pub fn pass(&self, bytes: &[u8], now: Ticks) -> usize {
        let mut exchange = self.exchange.borrow_mut();
        if exchange.is_idle() && !bytes.is_empty() {
            self.phase.set(Phase::Head { since: now });
        }
        if !bytes.is_empty() {
            self.last_byte.set(now);
        }
        exchange.pass(bytes)
    }

    /// Whether bytes are handed on at present. While the client accepts nothing, none are.
    pub fn is_open(&self) -> bool {
        self.blocked.get().is_none() && self.exchange.borrow().is_open()
    }

    /// A request is served from now on.
    pub fn begin(&self, body: BodyLength, now: Ticks) {
        self.exchange.borrow_mut().begin(body);
        self.is_answered.set(false);
        self.phase.set(Phase::Serving { since: now });
    }

    /// Its answer begins.
    pub fn answer(&self, is_endless: bool, now: Ticks) {
        self.phase.set(self.phase.get().answering(is_endless, now));
    }

    /// The dispatcher has taken all of the answer.
    pub fn answered(&self) {
        self.is_answered.set(true);
    }

    pub fn is_idle(&self) -> bool {
        self.exchange.borrow().is_idle()
    }

    /// Whether a head has begun that is no request yet.
    pub fn is_in_head(&self) -> bool {
        matches!(self.phase.get(), Phase::Head { .. })
    }

    /// Whether a handler has the request, and has not answered.
    pub fn is_serving(&self) -> bool {
        matches!(self.phase.get(), Phase::Serving { .. })
    }

    pub fn is_request_whole(&self) -> bool {
        self.exchange.borrow().is_whole()
    }

    /// Whether a client that sends no more is done. `has_passed`: the handler had no turn yet with bytes that were handed on.
    pub fn ends_with_client(&self, has_passed: bool) -> bool {
        match self.phase.get() {
            Phase::Head { .. } | Phase::Serving { .. } => !has_passed,
            Phase::Answering { is_endless, .. } => is_endless,
            Phase::Idle { .. } | Phase::Unread { .. } => true,
        }
    }

    pub fn write_blocks(&self, now: Ticks) {
        if self.blocked.get().is_none() {
            self.blocked.set(Some(now));
        }
    }

    /// Returns whether the client accepted nothing before.
    pub fn write_moves(&self) -> bool {
        self.blocked.take().is_some()
    }

    pub fn is_blocked(&self) -> bool {
        self.blocked.get().is_some()
    }

    /// All that was written is on its way. Returns whether more of the client's bytes may be handed on than before.
    pub fn flushed(&self, now: Ticks) -> bool {
        if self.exchange.borrow_mut().retry_head() {
            return true;
        }
        match self.phase.get() {
            Phase::Answering { head_end, .. } if self.is_answered.get() => {
                self.has_served.set(true);
                self.phase.set(Phase::unread(head_end, now));
                self.go_on(now)
            }
            Phase::Unread { .. } => self.go_on(now),
            _ => false,
        }
    }

    /// To the next request, if the whole present one was handed on.
    fn go_on(&self, now: Ticks) -> bool {
        let mut exchange = self.exchange.borrow_mut();
        let goes_on = exchange.end();
        if goes_on {
            let is_idle = exchange.is_idle();
            self.phase.set(if is_idle { Phase::Idle { since: now } } else { Phase::Head { since: now } });
        }
        goes_on
    }

    /// The reason to close the connection now. `stops` is the moment since which the node stops.
    pub fn overdue(&self, now: Ticks, stops: Option<Ticks>) -> Option<Closed> {
        if self.blocked.get().is_some_and(|since| since.is_over(PROGRESS_TIMEOUT, now)) {
            return Some(Closed::NoProgress);
        }
        self.phase.get().overdue(self.is_request_whole(), now, stops)
    }

    /// The place in the order of closing for room, the first at first. A connection with a complete request has none.
    pub fn place(&self) -> Option<Place> {
        if self.is_blocked() || self.closed.get().is_some() {
            return None;
        }
        match self.phase.get() {
            Phase::Idle { since } if self.has_served.get() => Some(Place::Idle(since)),
            Phase::Idle { since } => Some(Place::Silent(since)),
            Phase::Head { since } => Some(Place::Head(since)),
            Phase::Serving { .. } | Phase::Unread { .. } if !self.is_request_whole() => {
                Some(Place::Body(self.last_byte.get()))
            }
            _ => None,
        }
    }

    /// Wakes the dispatcher, which finds the connection closed.
    pub fn close(&self, cause: Closed) {
        self.closed.set(Some(cause));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub fn closed(&self) -> Option<Closed> {
        self.closed.get()
    }

    /// Remembers whom to wake.
    pub fn wakes(&self, waker: &Waker) {
        let mut known = self.waker.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    /// The seconds until a connection is closed, and the cause.
    fn closed_after(connection: &Connection) -> Option<(u32, Closed)> {
        let causes = (0..=400).map(|tick| (tick, connection.overdue(Ticks(tick), None)));
        causes.into_iter().find_map(|(tick, cause)| Some((tick / 2, cause?)))
    }

    #[test]
    fn each_phase_has_its_deadline() {
        let now = Ticks(0);
        let connection = Connection::new(now);
        assert_eq!(closed_after(&connection), Some((75, Closed::Idle)));
        connection.pass(b"G", now);
        assert_eq!(closed_after(&connection), Some((10, Closed::Head)));
        connection.pass(&HEAD[1..], now);
        connection.begin(BodyLength::Sized(5), now);
        assert_eq!(closed_after(&connection), None, "a handler has a deadline of its own");
        connection.answer(false, now);
        assert_eq!(closed_after(&connection), Some((60, Closed::Answer)));
        connection.write_blocks(now);
        assert_eq!(closed_after(&connection), Some((15, Closed::NoProgress)));
        connection.write_moves();
        connection.answered();
        assert!(!connection.flushed(now), "its body is unfinished");
        assert_eq!(closed_after(&connection), Some((10, Closed::Body)));
        connection.pass(b"hello", now);
        assert!(connection.flushed(now));
        assert_eq!(closed_after(&connection), Some((75, Closed::Idle)));
        connection.pass(HEAD, now);
        connection.begin(BodyLength::None, now);
        connection.answer(true, now);
        assert_eq!(closed_after(&connection), None, "an event stream");
    }

    #[test]
    fn a_stopping_node_waits_for_no_body() {
        let connection = Connection::new(Ticks(0));
        connection.pass(HEAD, Ticks(0));
        connection.begin(BodyLength::Sized(5), Ticks(0));
        let overdue = |now| connection.overdue(Ticks(now), Some(Ticks(1)));
        assert_eq!((overdue(5), overdue(6)), (None, Some(Closed::Body)));
        connection.pass(b"hello", Ticks(6));
        assert_eq!(overdue(60), None);
    }

    #[test]
    fn room_costs_the_least_first() {
        let connection = Connection::new(Ticks(9));
        let mut places = vec![connection.place()];
        connection.pass(HEAD, Ticks(0));
        connection.begin(BodyLength::None, Ticks(0));
        assert_eq!(connection.place(), None, "it is served");
        connection.answer(false, Ticks(0));
        connection.answered();
        assert!(connection.flushed(Ticks(0)));
        places.push(connection.place());
        connection.pass(&HEAD[..5], Ticks(0));
        places.push(connection.place());
        connection.pass(&HEAD[5..], Ticks(0));
        connection.begin(BodyLength::Sized(5), Ticks(0));
        places.push(connection.place());
        connection.pass(b"h", Ticks(7));
        places.push(connection.place());
        assert_eq!(connection.place(), Some(Place::Body(Ticks(7))));
        connection.answer(false, Ticks(8));
        assert_eq!(connection.place(), None, "its answer is on its way");
        connection.answered();
        connection.flushed(Ticks(8));
        assert_eq!(connection.place(), Some(Place::Body(Ticks(7))), "answered, and unfinished");
        assert!(places.is_sorted() && !places.contains(&None), "{places:?}");
        connection.pass(b"ello", Ticks(8));
        assert_eq!(connection.place(), None);
    }
}
