//! The arrival of a request.
//!
//! A handler runs when its worker gets to it, and a worker can be late: its machine was paused, its container was
//! starved, or it has more to do than it can. Meanwhile the client may have moved on at another node, and this must not
//! look like a theft.
//!
//! So each worker measures its event-loop lag: a timer queues up behind the requests. While the timer fires late, the
//! worker is busy. A request met in a busy time is dated before that time. A date too early only delays an accusation.
//! Delays before this machine are not seen.

use std::cell::Cell;
use std::future::{Ready, ready};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use actix_web::dev::Payload;
use actix_web::{Error, FromRequest, HttpRequest};

/// The period of the timer.
const TICK_INTERVAL: Duration = Duration::from_millis(50);

/// A delay beyond this is late: the worker is busy.
const TICK_DELAY: Duration = Duration::from_millis(25);

/// Busy times shorter than this are ignored: no client gives up, retries and moves on within them. For as long after
/// the last late timer, requests from the busy time may still come.
const EVENT_LOOP_LAG_LIMIT: Duration = Duration::from_millis(250);

/// Measures the event-loop lag of one worker.
pub struct EventLoopLag {
    last: Cell<Instant>,
    busy: Cell<Option<Busy>>,
}

/// A time of nothing but late timers.
#[derive(Clone, Copy)]
struct Busy {
    since: Instant,
    last_late_tick: Instant,
}

impl EventLoopLag {
    fn new(now: Instant) -> Self {
        Self { last: Cell::new(now), busy: Cell::new(None) }
    }

    /// Starts the timer on the current worker. It runs until the last handle is dropped.
    pub fn start() -> Rc<Self> {
        let lag = Rc::new(Self::new(Instant::now()));
        actix_web::rt::spawn(keep_ticking(Rc::downgrade(&lag)));
        lag
    }

    fn tick(&self, now: Instant) {
        if self.is_late(now) {
            self.busy.set(Some(Busy { since: self.busy_since(now), last_late_tick: now }));
        }
        self.last.set(now);
    }

    fn is_late(&self, now: Instant) -> bool {
        now.duration_since(self.last.get()) > TICK_INTERVAL + TICK_DELAY
    }

    /// The start of the busy time around `now`: it ends then, or still lasts.
    fn busy_since(&self, now: Instant) -> Instant {
        let last = self.last.get();
        match self.busy.get() {
            Some(busy) if last.min(now).duration_since(busy.last_late_tick) <= EVENT_LOOP_LAG_LIMIT => {
                busy.since
            }
            _ => last,
        }
    }

    /// The earliest possible arrival of a request met at `now`.
    fn date(&self, now: Instant) -> Instant {
        let (since, until) = if self.is_late(now) {
            (self.busy_since(now), now)
        } else {
            match self.busy.get() {
                Some(busy) if now.duration_since(busy.last_late_tick) <= EVENT_LOOP_LAG_LIMIT => {
                    (busy.since, busy.last_late_tick)
                }
                _ => return now,
            }
        };
        if until.duration_since(since) > EVENT_LOOP_LAG_LIMIT { since } else { now }
    }
}

async fn keep_ticking(lag: Weak<EventLoopLag>) {
    while let Some(lag) = lag.upgrade() {
        lag.tick(Instant::now());
        drop(lag);
        actix_web::rt::time::sleep(TICK_INTERVAL).await;
    }
}

/// The arrival of the request, as an argument of a handler.
pub struct Arrived(pub Instant);

impl FromRequest for Arrived {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(http: &HttpRequest, _: &mut Payload) -> Self::Future {
        let now = Instant::now();
        let lag = http.app_data::<Rc<EventLoopLag>>();
        ready(Ok(Self(lag.map_or(now, |lag| lag.date(now)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn a_request_met_after_a_stall_is_dated_before_it() {
        let start = Instant::now();
        let (lag, at) = (EventLoopLag::new(start), |ms| at(start, ms));
        assert_eq!(lag.date(at(60)), at(60));
        assert_eq!(lag.date(at(5060)), start, "met before the tick that notices the gap");
        lag.tick(at(5070));
        assert_eq!(lag.date(at(5100)), start, "met soon after it");
        for ms in (5120..5420).step_by(50) {
            lag.tick(at(ms));
        }
        assert_eq!(lag.date(at(5420)), at(5420), "long after it");
    }

    #[test]
    fn a_request_met_while_a_backlog_drains_is_dated_before_the_backlog() {
        let start = Instant::now();
        let (lag, at) = (EventLoopLag::new(start), |ms| at(start, ms));
        for ms in (100..3000).step_by(100) {
            for met in (ms - 99..ms).step_by(9) {
                let date = lag.date(at(met));
                assert!(date == start || met <= 325, "met at {met} ms"); // `EVENT_LOOP_LAG_LIMIT`, and one late timer
            }
            lag.tick(at(ms));
        }
    }

    #[test]
    fn a_hiccup_changes_nothing() {
        let start = Instant::now();
        let (lag, at) = (EventLoopLag::new(start), |ms| at(start, ms));
        lag.tick(at(200));
        assert_eq!(lag.date(at(201)), at(201));
        for ms in (250..2000).step_by(50) {
            lag.tick(at(ms));
            assert_eq!(lag.date(at(ms + 40)), at(ms + 40), "met at {} ms", ms + 40);
        }
    }
}
