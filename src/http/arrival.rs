//! When a request arrived.
//!
//! A handler runs when its worker gets to it. A worker that was stopped (a paused machine, a starved
//! container) or that has more to do than it can gets to it late, and what the client has done meanwhile on
//! another node must not look like a theft. So each worker has a pulse: a timer that queues up behind the
//! requests. While it beats late the worker is busy, and a request met then is dated before the busy time.
//! Dated too early, an accusation is only delayed. What was held up before this machine is not seen.

use std::cell::Cell;
use std::future::{Ready, ready};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use actix_web::dev::Payload;
use actix_web::{Error, FromRequest, HttpRequest};

/// How often the pulse beats.
const BEAT: Duration = Duration::from_millis(50);

/// A beat later than this is late: the worker is busy.
const LATE: Duration = Duration::from_millis(25);

/// Busy times shorter than this are ignored: no client gives up, retries and moves on within them. For as long
/// after the last late beat there may still be requests from the busy time.
const STALL: Duration = Duration::from_millis(250);

/// The pulse of one worker.
pub struct Pulse {
    last: Cell<Instant>,
    busy: Cell<Option<Busy>>,
}

/// A time in which every beat was late.
#[derive(Clone, Copy)]
struct Busy {
    since: Instant,
    last_late_beat: Instant,
}

impl Pulse {
    fn new(now: Instant) -> Self {
        Self { last: Cell::new(now), busy: Cell::new(None) }
    }

    /// Starts beating on the current worker, until the last handle is dropped.
    pub fn start() -> Rc<Self> {
        let pulse = Rc::new(Self::new(Instant::now()));
        actix_web::rt::spawn(beat(Rc::downgrade(&pulse)));
        pulse
    }

    fn beat(&self, now: Instant) {
        if self.is_late(now) {
            self.busy.set(Some(Busy { since: self.busy_since(now), last_late_beat: now }));
        }
        self.last.set(now);
    }

    fn is_late(&self, now: Instant) -> bool {
        now.duration_since(self.last.get()) > BEAT + LATE
    }

    /// When the busy time began that ends, or still lasts, at `now`.
    fn busy_since(&self, now: Instant) -> Instant {
        let last = self.last.get();
        match self.busy.get() {
            Some(busy) if last.min(now).duration_since(busy.last_late_beat) <= STALL => busy.since,
            _ => last,
        }
    }

    /// The earliest moment at which a request that is met at `now` may have arrived.
    fn date(&self, now: Instant) -> Instant {
        let (since, until) = if self.is_late(now) {
            (self.busy_since(now), now)
        } else {
            match self.busy.get() {
                Some(busy) if now.duration_since(busy.last_late_beat) <= STALL => {
                    (busy.since, busy.last_late_beat)
                }
                _ => return now,
            }
        };
        if until.duration_since(since) > STALL { since } else { now }
    }
}

async fn beat(pulse: Weak<Pulse>) {
    while let Some(pulse) = pulse.upgrade() {
        pulse.beat(Instant::now());
        drop(pulse);
        actix_web::rt::time::sleep(BEAT).await;
    }
}

/// When the request arrived, as an argument of a handler.
pub struct Arrived(pub Instant);

impl FromRequest for Arrived {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(http: &HttpRequest, _: &mut Payload) -> Self::Future {
        let now = Instant::now();
        let pulse = http.app_data::<Rc<Pulse>>();
        ready(Ok(Self(pulse.map_or(now, |pulse| pulse.date(now)))))
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
        let (pulse, at) = (Pulse::new(start), |ms| at(start, ms));
        assert_eq!(pulse.date(at(60)), at(60));
        assert_eq!(pulse.date(at(5060)), start, "met before the beat that notices the gap");
        pulse.beat(at(5070));
        assert_eq!(pulse.date(at(5100)), start, "met soon after it");
        for ms in (5120..5420).step_by(50) {
            pulse.beat(at(ms));
        }
        assert_eq!(pulse.date(at(5420)), at(5420), "long after it");
    }

    #[test]
    fn a_request_met_while_a_backlog_drains_is_dated_before_the_backlog() {
        let start = Instant::now();
        let (pulse, at) = (Pulse::new(start), |ms| at(start, ms));
        for ms in (100..3000).step_by(100) {
            for met in (ms - 99..ms).step_by(9) {
                let date = pulse.date(at(met));
                assert!(date == start || met <= 325, "met at {met} ms"); // a stall and a late beat
            }
            pulse.beat(at(ms));
        }
    }

    #[test]
    fn a_hiccup_changes_nothing() {
        let start = Instant::now();
        let (pulse, at) = (Pulse::new(start), |ms| at(start, ms));
        pulse.beat(at(200));
        assert_eq!(pulse.date(at(201)), at(201));
        for ms in (250..2000).step_by(50) {
            pulse.beat(at(ms));
            assert_eq!(pulse.date(at(ms + 40)), at(ms + 40), "met at {} ms", ms + 40);
        }
    }
}
