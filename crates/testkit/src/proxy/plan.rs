//! The assignment of faults to calls of scripts.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use fastrand::Rng;

use super::frame::Kind;

/// A fault of a call of a script (`EVALSHA`, `EVAL`), or of a look at the feed (`XREAD`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Redis carries it out; the reply is dropped, and the connection closed.
    SwallowReply,
    /// It never reaches Redis; the connection is closed.
    CloseBefore,
    /// It reaches Redis, and the connection is closed at once.
    CloseAfter,
    /// It never reaches Redis, and from here on the connection is silent, until the client gives it up.
    BlackHole,
    /// The reply comes this many milliseconds late.
    Delay(u64),
    /// Half of the reply arrives, then the connection is closed.
    CutReply,
    /// Redis gets it twice; the second reply is dropped.
    Double,
    /// It never reaches Redis. The answer seems to be Redis's error with this code.
    Refuse(&'static str),
}

/// Faults at random, the same for the same seed and the same order of calls.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    /// The number of calls in a thousand to meet each fault.
    pub per_thousand: Vec<(Fault, u32)>,
}

impl Plan {
    /// Every kind of fault; about one call in `one_in` meets one. A black hole costs a client its patience, so it is
    /// the rarest.
    pub fn everything(seed: u64, one_in: u32) -> Self {
        let share = 1000 / one_in;
        let per_thousand = vec![
            (Fault::SwallowReply, share / 5),
            (Fault::CloseBefore, share / 10),
            (Fault::CloseAfter, share / 5),
            (Fault::CutReply, share / 5),
            (Fault::Delay(30), share / 10),
            (Fault::Double, share / 5),
            (Fault::BlackHole, (share / 50).max(1)),
        ];
        Self { seed, per_thousand }
    }
}

#[derive(Default)]
pub struct Fates {
    inner: Mutex<Inner>,
    calls: AtomicU64,
}

#[derive(Default)]
struct Inner {
    plan: Option<(Plan, Rng)>,
    /// Faults of calls to come, by their number.
    ordered: BTreeMap<u64, Fault>,
    struck: BTreeMap<&'static str, u64>,
}

impl Fates {
    pub fn follow(&self, plan: Option<Plan>) {
        self.inner.lock().unwrap().plan = plan.map(|plan| (plan.clone(), Rng::with_seed(plan.seed)));
    }

    /// The `nth` call from now on, counted from one.
    pub fn order(&self, fault: Fault, nth: u64) {
        let number = self.calls.load(Ordering::SeqCst) + nth;
        self.inner.lock().unwrap().ordered.insert(number, fault);
    }

    /// The fate of a command. Readers of the feed meet planned faults, too; ordered faults are for scripts.
    pub fn next(&self, kind: Kind) -> Option<Fault> {
        let mut inner = self.inner.lock().unwrap();
        let ordered = match kind {
            Kind::Script => inner.ordered.remove(&(self.calls.fetch_add(1, Ordering::SeqCst) + 1)),
            Kind::Feed => None,
            Kind::Replication | Kind::Stream | Kind::Other => return None,
        };
        ordered.or_else(|| inner.plan.as_mut().and_then(|(plan, rng)| draw(plan, rng)))
    }

    /// Called when a fault strikes. A fault of a reply strikes only if the reply comes.
    pub fn strikes(&self, fault: Fault) {
        *self.inner.lock().unwrap().struck.entry(name(fault)).or_default() += 1;
    }

    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    pub fn struck(&self) -> BTreeMap<&'static str, u64> {
        self.inner.lock().unwrap().struck.clone()
    }
}

fn draw(plan: &Plan, rng: &mut Rng) -> Option<Fault> {
    let mut drawn = rng.u32(0..1000);
    plan.per_thousand.iter().find_map(|(fault, share)| {
        if drawn < *share {
            return Some(match fault {
                Fault::Delay(most) => Fault::Delay(rng.u64(1..=*most)),
                fault => *fault,
            });
        }
        drawn -= share;
        None
    })
}

fn name(fault: Fault) -> &'static str {
    match fault {
        Fault::SwallowReply => "reply swallowed",
        Fault::CloseBefore => "closed before",
        Fault::CloseAfter => "closed after",
        Fault::BlackHole => "black hole",
        Fault::Delay(_) => "delayed",
        Fault::CutReply => "reply cut",
        Fault::Double => "doubled",
        Fault::Refuse(_) => "refused",
    }
}
