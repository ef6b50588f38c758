//! Sessions that are known to have ended, whatever the store says.
//!
//! A failover may lose an end that was acknowledged, and bring the session back. Each node remembers the ends of which
//! the feed told it, and those of its own, for longer than any access token lives. What it remembers it refuses; what
//! a new master does not know of it ends again.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;

use super::Call;
use super::end::Ender;
use crate::session::{Reason, SessionId, Subject};
use crate::store::{Announced, Ended, Listener, Store};

/// How many sessions are ended again at once.
const AT_ONCE: usize = 32;

/// A feed tells of an end within this, or the end may have been lost.
const HEARD_OF: Duration = Duration::from_secs(2);

/// The ends that a node remembers. Shared by all its workers.
#[derive(Debug)]
pub struct EndedSessions {
    /// How long an end is remembered.
    retention: Duration,
    memory: RwLock<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    ends: HashMap<SessionId, End>,
    /// When those that are old enough were last forgotten.
    swept: Option<Instant>,
}

#[derive(Debug, Clone)]
struct End {
    subject: Subject,
    reason: Reason,
    learnt: Instant,
    /// The part of the feed that has told of it, if any has.
    part: Option<usize>,
    /// No feed has told of it, so it was ended again to be sure.
    chased: bool,
}

impl EndedSessions {
    pub fn new(retention: Duration) -> Self {
        Self { retention, memory: RwLock::default() }
    }

    /// Why the session has ended, if it is known to have.
    pub fn reason(&self, session: SessionId) -> Option<Reason> {
        self.read().ends.get(&session).map(|end| end.reason)
    }

    /// This node has ended them, and the store has it.
    pub fn remember(&self, subject: &Subject, ended: &[Ended]) {
        let mut memory = self.write();
        for one in ended {
            memory.learn(subject, one, None);
        }
        memory.sweep(self.retention);
    }

    /// Own ends of which no feed has told for a while: what acknowledged them may have been a master that was deposed.
    /// Each is named once.
    fn unheard(&self) -> Vec<(Subject, Ended)> {
        let mut memory = self.write();
        let unheard = memory
            .ends
            .iter_mut()
            .filter(|(_, end)| end.part.is_none() && !end.chased && end.learnt.elapsed() > HEARD_OF);
        let chased = unheard.map(|(session, end)| {
            end.chased = true;
            (end.subject.clone(), Ended { session: *session, reason: end.reason })
        });
        chased.collect()
    }

    fn hear(&self, part: usize, announced: &[Announced]) {
        let mut memory = self.write();
        for one in announced {
            memory.learn(&one.subject, &one.ended, Some(part));
        }
        memory.sweep(self.retention);
    }

    /// What this part of the feed has told of, and does not hold any more: ends that were lost.
    fn missing(&self, part: usize, held: &[Announced]) -> Vec<(Subject, Ended)> {
        let held: HashSet<_> = held.iter().map(|one| one.ended.session).collect();
        let memory = self.read();
        let lost = memory.ends.iter().filter(|(session, end)| {
            end.part.is_none_or(|told| told == part)
                && end.learnt.elapsed() < self.retention
                && !held.contains(session)
        });
        lost.map(|(session, end)| (end.subject.clone(), Ended { session: *session, reason: end.reason }))
            .collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Memory> {
        self.memory.read().expect("no panic while the ends are held")
    }

    fn write(&self) -> RwLockWriteGuard<'_, Memory> {
        self.memory.write().expect("no panic while the ends are held")
    }
}

impl Memory {
    fn learn(&mut self, subject: &Subject, ended: &Ended, part: Option<usize>) {
        let end = self.ends.entry(ended.session).or_insert_with(|| End {
            subject: subject.clone(),
            reason: ended.reason,
            learnt: Instant::now(),
            part,
            chased: false,
        });
        end.part = part.or(end.part);
    }

    /// Forgets what is old enough, from time to time.
    fn sweep(&mut self, retention: Duration) {
        let now = Instant::now();
        if self.swept.is_some_and(|swept| now.duration_since(swept) < retention / 10) {
            return;
        }
        self.swept = Some(now);
        self.ends.retain(|_, end| now.duration_since(end.learnt) < retention);
    }
}

/// Follows the feed for as long as it is polled, and ends again what was lost.
pub async fn follow(store: Arc<dyn Store>, ended: Arc<EndedSessions>, ender: Ender, patience: Duration) {
    let (lost, again) = unbounded_channel();
    let follower = Follower { ended, lost };
    let retention = follower.ended.retention;
    tokio::join!(store.follow(&follower), end_again(again, ender, patience, retention));
}

struct Follower {
    ended: Arc<EndedSessions>,
    lost: UnboundedSender<(Subject, Ended)>,
}

impl Listener for Follower {
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
    ender: Ender,
    patience: Duration,
    retention: Duration,
) {
    let lost = stream::unfold(lost, |mut lost| async { lost.recv().await.map(|one| (one, lost)) });
    let ending = lost.for_each_concurrent(AT_ONCE, |(subject, ended)| {
        let ender = ender.clone();
        async move {
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
    });
    ending.await;
}
