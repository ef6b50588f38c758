//! Repair of ends that a failover lost.
//!
//! A failover may lose an acknowledged end, and bring the session back. Each node keeps a denylist of its own ends and
//! of those in the feed ([`Denylist`]), and refuses these sessions. It repairs ends missing at a new primary or in
//! the feed by [`Ender::repair`]: the session ends there, and its end is published.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt, stream};
use token_gateway_core::feed::{Denylist, EndedSession, Listener, RevocationEvent, timing};
use token_gateway_core::session::{SessionId, Subject};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::yield_now;
use tokio::time::sleep;

use super::Deadline;
use super::ender::Ender;
use crate::store::{Store, StoreError};

/// How many repairs run at once.
const REPAIRS_AT_ONCE: usize = 32;

/// So many pieces of the denylist are searched before other tasks have their turn: most are small.
const PIECES_PER_TURN: usize = 64;

/// Subscribes to the feed and repairs lost ends, for as long as it is polled.
pub async fn run(store: Arc<dyn Store>, denylist: Arc<Denylist>, ender: Ender, call_timeout: Duration) {
    let (lost, to_repair) = unbounded_channel();
    let subscriber = Subscriber { denylist: denylist.clone(), lost };
    tokio::join!(store.subscribe(&subscriber), repair_all(to_repair, &denylist, ender, call_timeout));
}

struct Subscriber {
    denylist: Arc<Denylist>,
    lost: UnboundedSender<Lost>,
}

/// A reason to look for lost ends.
enum Lost {
    /// An own end did not come back through the feed.
    Own(Subject, EndedSession),
    /// A snapshot of this partition was read. The ends that it lacks are looked for as they are repaired, so any number of
    /// them takes no memory.
    Snapshot(usize),
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
    fn repair(&self, lost: Lost) {
        let _ = self.lost.send(lost); // its receiver lives as long as this
    }
}

impl Listener for Subscriber {
    fn opened(&self, partitions: usize) {
        self.denylist.opened(partitions);
    }

    fn snapshot_begins(&self, partition: usize) {
        self.denylist.snapshot_begins(partition);
    }

    fn events(&self, partition: usize, events: Vec<RevocationEvent>, watermark: Option<Instant>) {
        self.denylist.events(partition, events, watermark);
        let unpublished = self.denylist.unpublished(timing::PUBLISHED_WITHIN);
        unpublished.into_iter().for_each(|(subject, ended)| self.repair(Lost::Own(subject, ended)));
    }

    fn snapshot_ends(&self, partition: usize, watermark: Option<Instant>) {
        self.denylist.snapshot_ends(partition, watermark);
        self.repair(Lost::Snapshot(partition));
    }
}

/// The lost ends for these reasons, found when they are asked for.
fn lost_ends(
    lost: UnboundedReceiver<Lost>,
    denylist: &Denylist,
) -> impl Stream<Item = (Subject, EndedSession)> + '_ {
    let lost = stream::unfold(lost, |mut lost| async { lost.recv().await.map(|one| (one, lost)) });
    lost.flat_map(move |lost| match lost {
        Lost::Own(subject, ended) => stream::iter(vec![(subject, ended)]).left_stream(),
        Lost::Snapshot(partition) => missing(denylist, partition).right_stream(),
    })
}

/// The ends that a snapshot lacks. Other tasks have their turn between its pieces.
fn missing(denylist: &Denylist, partition: usize) -> impl Stream<Item = (Subject, EndedSession)> + '_ {
    let pieces = stream::iter(denylist.missing(partition).enumerate());
    let pieces = pieces.then(async |(number, piece)| {
        if number % PIECES_PER_TURN == 0 {
            yield_now().await;
        }
        piece
    });
    pieces.flat_map(stream::iter)
}

/// Tries each repair until it is done, or until every access token of the session has expired.
async fn repair_all(
    lost: UnboundedReceiver<Lost>,
    denylist: &Denylist,
    ender: Ender,
    call_timeout: Duration,
) {
    let (repairs, retention) = (Repairs::default(), denylist.retention());
    let repairing = lost_ends(lost, denylist).for_each_concurrent(REPAIRS_AT_ONCE, |(subject, ended)| {
        let (ender, repairs) = (ender.clone(), &repairs);
        async move {
            let whose = (subject, ended.session);
            if !repairs.begin(&whose) {
                return; // it is done once more
            }
            loop {
                repair_one(&ender, &whose.0, &ended, call_timeout, retention).await;
                if !repairs.done(&whose) {
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
