//! Follows the feed, so that a node knows of the ends on every other, and ends again what a failover lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;

use super::EndedSessions;
use crate::gateway::Call;
use crate::gateway::end::Ender;
use crate::session::Subject;
use crate::store::{Announced, Ended, Listener, Store};

/// How many sessions are ended again at once.
const AT_ONCE: usize = 32;

/// Follows the feed for as long as it is polled, and ends again what was lost.
pub async fn follow(store: Arc<dyn Store>, ended: Arc<EndedSessions>, ender: Ender, patience: Duration) {
    let (lost, again) = unbounded_channel();
    let follower = Follower { ended, lost };
    let ended = follower.ended.clone();
    tokio::join!(store.follow(&follower), end_again(again, &ended, ender, patience));
}

struct Follower {
    ended: Arc<EndedSessions>,
    lost: UnboundedSender<(Subject, Ended)>,
}

impl Listener for Follower {
    fn opened(&self, parts: usize) {
        self.ended.listen(parts);
    }

    fn whole(&self, part: usize, held: Vec<Announced>) {
        for lost in self.ended.missing(part, &held) {
            let _ = self.lost.send(lost); // its receiver lives as long as this
        }
        self.ended.hear(part, &held);
    }

    fn appended(&self, part: usize, more: Vec<Announced>) {
        self.ended.hear(part, &more);
        for unheard in self.ended.unheard() {
            let _ = self.lost.send(unheard);
        }
    }
}

/// Each until it is done, or nobody can have a token of it any more.
async fn end_again(
    lost: UnboundedReceiver<(Subject, Ended)>,
    known: &EndedSessions,
    ender: Ender,
    patience: Duration,
) {
    let lost = stream::unfold(lost, |mut lost| async { lost.recv().await.map(|one| (one, lost)) });
    let ending = lost.for_each_concurrent(AT_ONCE, |(subject, ended)| {
        let ender = ender.clone();
        async move {
            loop {
                insist(&ender, &subject, &ended, patience, known.retention).await;
                if !known.caught(ended.session) {
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
        match ender.clone().end_session(call, subject.clone(), ended.session, ended.reason).await {
            Ok(again) if again.is_empty() => return,
            Ok(_) => return log::warn!("session {}: its end was lost; ended again", ended.session),
            Err(_) => sleep(patience).await,
        }
    }
    log::error!("session {}: its end was lost, and could not be repeated", ended.session);
}
