//! Repair of ends that a failover lost.
//!
//! A failover may lose an acknowledged end, and bring the session back. Each node keeps a denylist of its own ends and
//! of those in the feed ([`Revocations`]), and refuses these sessions. It repairs ends missing at a new primary or in
//! the feed: it ends the session there, and publishes the end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use token_gateway_core::revocations::{Announced, Ended, Listener, Revocations};
use token_gateway_core::session::{SessionId, Subject};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;

use super::Call;
use super::end::Ender;
use crate::store::Store;

/// The feed delivers an end within this, or the end may have been lost.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

/// How many repairs run at once.
const AT_ONCE: usize = 32;

/// Follows the feed and repairs lost ends, for as long as it is polled.
pub async fn follow(store: Arc<dyn Store>, known: Arc<Revocations>, ender: Ender, patience: Duration) {
    let (lost, again) = unbounded_channel();
    let follower = Follower { known, lost, chased: Chased::default() };
    tokio::join!(store.follow(&follower), end_again(again, &follower, ender, patience));
}

struct Follower {
    known: Arc<Revocations>,
    lost: UnboundedSender<(Subject, Ended)>,
    chased: Chased,
}

/// The sessions under repair. `true` where a session was missing once more meanwhile: the awaited answer may come from
/// a primary that is gone.
#[derive(Default)]
struct Chased(Mutex<HashMap<(Subject, SessionId), bool>>);

impl Chased {
    /// Begins a repair; returns whether none was under way.
    fn begin(&self, whose: &(Subject, SessionId)) -> bool {
        let mut chased = self.0.lock().expect("no panic while it is held");
        let is_new = !chased.contains_key(whose);
        chased.insert(whose.clone(), !is_new);
        is_new
    }

    /// Marks a repair as done; returns whether another one must follow.
    fn done(&self, whose: &(Subject, SessionId)) -> bool {
        let mut chased = self.0.lock().expect("no panic while it is held");
        let again = chased.get_mut(whose).is_some_and(std::mem::take);
        if !again {
            chased.remove(whose);
        }
        again
    }
}

impl Follower {
    fn chase(&self, lost: Vec<(Subject, Ended)>) {
        for (subject, ended) in lost {
            if self.chased.begin(&(subject.clone(), ended.session)) {
                let _ = self.lost.send((subject, ended)); // its receiver lives as long as this
            }
        }
    }
}

impl Listener for Follower {
    fn opened(&self, parts: usize) {
        self.known.opened(parts);
    }

    fn whole(&self, part: usize, held: Vec<Announced>, known_until: Option<Instant>) {
        self.chase(self.known.missing(part, &held));
        self.known.whole(part, held, known_until);
    }

    fn appended(&self, part: usize, more: Vec<Announced>, known_until: Option<Instant>) {
        self.known.appended(part, more, known_until);
        self.chase(self.known.untold(TOLD_WITHIN));
    }
}

/// Tries each repair until it is done, or until every access token of the session has expired.
async fn end_again(
    lost: UnboundedReceiver<(Subject, Ended)>,
    follower: &Follower,
    ender: Ender,
    patience: Duration,
) {
    let lost = stream::unfold(lost, |mut lost| async { lost.recv().await.map(|one| (one, lost)) });
    let retention = follower.known.retention();
    let ending = lost.for_each_concurrent(AT_ONCE, |(subject, ended)| {
        let ender = ender.clone();
        async move {
            loop {
                insist(&ender, &subject, &ended, patience, retention).await;
                if !follower.chased.done(&(subject.clone(), ended.session)) {
                    break;
                }
            }
        }
    });
    ending.await;
}

async fn insist(ender: &Ender, subject: &Subject, ended: &Ended, patience: Duration, retention: Duration) {
    let began = Instant::now();
    while began.elapsed() < retention {
        let call = Call::new(Instant::now(), patience);
        match ender.clone().end_again(call, subject.clone(), ended.clone()).await {
            Ok(false) => return,
            Ok(true) => return log::warn!("session {}: its end was lost; ended again", ended.session),
            Err(_) => sleep(patience).await,
        }
    }
    log::error!("session {}: its end was lost, and could not be repeated", ended.session);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_ended_again_is_ended_once_and_once_more_if_it_was_lost_meanwhile() {
        let whose = ("alice".parse().expect("a subject"), "1000000000000000001".parse().expect("an id"));
        let chased = Chased::default();
        assert!(chased.begin(&whose) && !chased.done(&whose));
        assert!(chased.begin(&whose) && !chased.begin(&whose));
        assert!(chased.done(&whose), "it was missing again before it had been ended again");
        assert!(!chased.done(&whose) && chased.begin(&whose));
    }
}
