//! Repair of ends that a failover lost.
//!
//! A failover may lose an acknowledged end, and bring the session back. Each node keeps a denylist of its own ends and
//! of those in the feed ([`Denylist`]), and refuses these sessions. It repairs ends missing at a new primary or in
//! the feed by [`Ender::repair`]: the session ends there, and its end is published.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use token_gateway_core::feed::{Denylist, EndedSession, Listener, RevocationEvent, timing};
use token_gateway_core::session::{SessionId, Subject};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;

use super::Deadline;
use super::ender::Ender;
use crate::store::{Store, StoreError};

/// How many repairs run at once.
const REPAIRS_AT_ONCE: usize = 32;

/// Subscribes to the feed and repairs lost ends, for as long as it is polled.
pub async fn run(store: Arc<dyn Store>, denylist: Arc<Denylist>, ender: Ender, call_timeout: Duration) {
    let (lost, to_repair) = unbounded_channel();
    let subscriber = Subscriber { denylist, lost, repairs: Repairs::default() };
    tokio::join!(store.subscribe(&subscriber), repair_all(to_repair, &subscriber, ender, call_timeout));
}

struct Subscriber {
    denylist: Arc<Denylist>,
    lost: UnboundedSender<(Subject, EndedSession)>,
    repairs: Repairs,
}

/// The sessions under repair. `true` where a session was missing once more meanwhile: the awaited answer may come from
/// a primary that is gone.
#[derive(Default)]
struct Repairs(Mutex<HashMap<(Subject, SessionId), bool>>);

impl Repairs {
    /// Begins a repair; returns whether none was under way.
    fn begin(&self, whose: &(Subject, SessionId)) -> bool {
        let mut repairs = self.0.lock().expect("no panic while it is held");
        let is_new = !repairs.contains_key(whose);
        repairs.insert(whose.clone(), !is_new);
        is_new
    }

    /// Marks a repair as done; returns whether another one must follow.
    fn done(&self, whose: &(Subject, SessionId)) -> bool {
        let mut repairs = self.0.lock().expect("no panic while it is held");
        let again = repairs.get_mut(whose).is_some_and(std::mem::take);
        if !again {
            repairs.remove(whose);
        }
        again
    }
}

impl Subscriber {
    fn repair(&self, lost: Vec<(Subject, EndedSession)>) {
        for (subject, ended) in lost {
            if self.repairs.begin(&(subject.clone(), ended.session)) {
                let _ = self.lost.send((subject, ended)); // its receiver lives as long as this
            }
        }
    }
}

impl Listener for Subscriber {
    fn opened(&self, partitions: usize) {
        self.denylist.opened(partitions);
    }

    fn snapshot(&self, partition: usize, events: Vec<RevocationEvent>, watermark: Option<Instant>) {
        self.repair(self.denylist.missing(partition, &events));
        self.denylist.snapshot(partition, events, watermark);
    }

    fn events(&self, partition: usize, events: Vec<RevocationEvent>, watermark: Option<Instant>) {
        self.denylist.events(partition, events, watermark);
        self.repair(self.denylist.unpublished(timing::PUBLISHED_WITHIN));
    }
}

/// Tries each repair until it is done, or until every access token of the session has expired.
async fn repair_all(
    lost: UnboundedReceiver<(Subject, EndedSession)>,
    subscriber: &Subscriber,
    ender: Ender,
    call_timeout: Duration,
) {
    let lost = stream::unfold(lost, |mut lost| async { lost.recv().await.map(|one| (one, lost)) });
    let retention = subscriber.denylist.retention();
    let repairing = lost.for_each_concurrent(REPAIRS_AT_ONCE, |(subject, ended)| {
        let ender = ender.clone();
        async move {
            loop {
                repair_one(&ender, &subject, &ended, call_timeout, retention).await;
                if !subscriber.repairs.done(&(subject.clone(), ended.session)) {
                    break;
                }
            }
        }
    });
    repairing.await;
}

async fn repair_one(
    ender: &Ender,
    subject: &Subject,
    ended: &EndedSession,
    call_timeout: Duration,
    retention: Duration,
) {
    let (began, mut pause, sid) = (Instant::now(), call_timeout, ended.session);
    while began.elapsed() < retention {
        let deadline = Deadline::new(Instant::now(), call_timeout);
        match ender.repair(deadline, subject.clone(), ended.clone()).await {
            Ok(false) => return,
            Ok(true) => {
                return log::warn!(sid = sid.as_str(); "session {sid}: its end was lost; repaired");
            }
            Err(StoreError::Replied(_)) => {
                sleep(pause).await;
                pause = (2 * pause).min(timing::LONGEST_REFUSED_PAUSE); // somebody must mend something first
            }
            Err(_) => sleep(call_timeout).await,
        }
    }
    log::error!(sid = sid.as_str(); "session {sid}: its end was lost, and could not be repaired");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_end_is_repaired_once_and_once_more_if_it_was_lost_meanwhile() {
        let whose = ("alice".parse().expect("a subject"), "1000000000000000001".parse().expect("an id"));
        let repairs = Repairs::default();
        assert!(repairs.begin(&whose) && !repairs.done(&whose));
        assert!(repairs.begin(&whose) && !repairs.begin(&whose));
        assert!(repairs.done(&whose), "it was missing again before its repair was done");
        assert!(!repairs.done(&whose) && repairs.begin(&whose));
    }
}
