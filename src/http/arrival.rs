//! When a request arrived.
//!
//! A handler runs when its worker gets to it, and a worker that was stopped (a paused machine, a starved
//! container) gets to it late: what the client has done meanwhile on another node must not look like a
//! theft. So each worker has a pulse, and a request met right after a gap is dated before the gap. Dated
//! too early, an accusation is only delayed. Time spent in the network before this machine is not seen.

use std::cell::Cell;
use std::future::{Ready, ready};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use actix_web::dev::Payload;
use actix_web::{Error, FromRequest, HttpRequest};

/// How often the pulse beats.
const BEAT: Duration = Duration::from_millis(50);

/// A gap between beats beyond this is a stall; and requests met for as long after it may date from within.
const STALL: Duration = Duration::from_millis(250);

/// The pulse of one worker.
pub struct Pulse {
    last: Cell<Instant>,
    /// When the latest stall began and ended.
    stall: Cell<Option<(Instant, Instant)>>,
}

impl Pulse {
    fn new(now: Instant) -> Self {
        Self { last: Cell::new(now), stall: Cell::new(None) }
    }

    /// Starts beating on the current worker, until the last handle is dropped.
    pub fn start() -> Rc<Self> {
        let pulse = Rc::new(Self::new(Instant::now()));
        actix_web::rt::spawn(beat(Rc::downgrade(&pulse)));
        pulse
    }

    fn beat(&self, now: Instant) {
        let last = self.last.replace(now);
        if now.duration_since(last) > STALL {
            self.stall.set(Some((last, now)));
        }
    }

    /// The earliest moment at which a request that is met at `now` may have arrived.
    fn date(&self, now: Instant) -> Instant {
        self.beat(now);
        match self.stall.get() {
            Some((began, ended)) if now.duration_since(ended) <= STALL => began,
            _ => now,
        }
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

    #[test]
    fn a_request_met_right_after_a_stall_is_dated_before_it() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let pulse = Pulse::new(start);
        assert_eq!(pulse.date(at(60)), at(60), "a late beat is no stall");
        assert_eq!(pulse.date(at(5060)), at(60), "met before the beat that notices the gap");
        pulse.beat(at(5070));
        assert_eq!(pulse.date(at(5100)), at(60), "met soon after it");
        for ms in (5100..5400).step_by(50) {
            pulse.beat(at(ms));
        }
        assert_eq!(pulse.date(at(5400)), at(5400), "all that waited has been met");
    }
}
