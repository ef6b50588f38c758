//! The denylist: the revoked sessions known from the feed, and how fresh this knowledge is.
//!
//! The revocation feed brings the ends of sessions to every node. A subscriber ([`Listener`]) keeps the events for
//! longer than any access token lives, and so can refuse the tokens of revoked sessions without asking.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, watch};
use tokio::time::timeout_at;

use super::timing::FIRST_SNAPSHOTS;
use super::{EndedSession, Listener, RevocationEvent};
use crate::clock::Timestamp;
use crate::session::{Reason, SessionId, Subject};

/// Events that a receiver may be behind before it has to ask for a snapshot.
const EVENT_BACKLOG: usize = 1024;

/// The denylist of a process, shared by all its threads.
#[derive(Debug)]
pub struct Denylist {
    /// How long an end is kept.
    retention: Duration,
    state: RwLock<Entries>,
    began: Instant,
    /// The watermark of all partitions together, in microseconds since `began`; 0 as long as one of them has none.
    watermark: AtomicU64,
    receivers: broadcast::Sender<RevocationEvent>,
    /// Whether every partition has had a watermark.
    read_first: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Entries {
    /// One end of each session. There are more only where the holder of a signing key has made up another subject for
    /// it.
    ends: HashMap<SessionId, Vec<RevokedSession>>,
    /// Ends by this node that the feed may not have brought yet.
    own: VecDeque<(Instant, Subject, EndedSession)>,
    latest: Timestamp,
    /// When old ends were last dropped.
    swept: Option<Instant>,
    /// The watermark of each partition.
    watermarks: Vec<Option<Instant>>,
}

#[derive(Debug, Clone)]
struct RevokedSession {
    subject: Subject,
    ended: EndedSession,
    learnt: Instant,
    /// The partition with its latest event, and the time of this event; `None` before the first one.
    published: Option<(usize, Timestamp)>,
}

impl Denylist {
    /// An empty denylist, which keeps each end for `retention`.
    pub fn new(retention: Duration) -> Self {
        Self {
            retention,
            state: RwLock::default(),
            began: Instant::now(),
            watermark: AtomicU64::new(0),
            receivers: broadcast::Sender::new(EVENT_BACKLOG),
            read_first: watch::Sender::new(false),
        }
    }

    /// How long an end is kept.
    pub fn retention(&self) -> Duration {
        self.retention
    }

    /// Why the session has ended, if its end is known.
    pub fn reason(&self, subject: &Subject, session: SessionId) -> Option<Reason> {
        let state = self.read();
        let end = state.ends.get(&session)?.iter().find(|end| end.subject == *subject)?;
        Some(end.ended.reason)
    }

    /// Whether the feed has brought an event of the session.
    pub fn is_published(&self, subject: &Subject, session: SessionId) -> bool {
        let state = self.read();
        let mut ends = state.ends.get(&session).into_iter().flatten();
        ends.any(|end| end.subject == *subject && end.published.is_some())
    }

    /// Microseconds on a clock of this process. Nobody puts it forward or back.
    pub fn clock(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// When the latest event from the feed was published, on the clock of the store.
    pub fn latest(&self) -> Timestamp {
        self.read().latest
    }

    /// The lag: ends published within this time may be unknown. `None` as long as a partition has no watermark.
    pub fn stale(&self) -> Option<Duration> {
        match self.watermark.load(Ordering::Acquire) {
            0 => None,
            micros => Some(self.began.elapsed().saturating_sub(Duration::from_micros(micros))),
        }
    }

    /// The lag. Before there is a watermark it counts from the start; before the feed is opened it is zero.
    pub fn lag(&self) -> Duration {
        self.stale().unwrap_or_else(|| {
            if self.read().watermarks.is_empty() { Duration::ZERO } else { self.began.elapsed() }
        })
    }

    /// Adds ends by this node; the store has them already.
    pub fn add(&self, subject: &Subject, ended: &[EndedSession]) {
        let mut state = self.write();
        for one in ended {
            state.learn(subject, one, None);
            state.own.push_back((Instant::now(), subject.clone(), one.clone()));
        }
        state.sweep(self.retention);
    }

    /// Own ends without an event from the feed for longer than `patience`. Each is returned once.
    pub fn unpublished(&self, patience: Duration) -> Vec<(Subject, EndedSession)> {
        let mut state = self.write();
        let due = state.own.partition_point(|(learnt, ..)| learnt.elapsed() > patience);
        let due: Vec<_> = state.own.drain(..due).collect();
        drop(state);
        let unpublished = due.into_iter().map(|(_, subject, ended)| (subject, ended));
        unpublished.filter(|(subject, ended)| !self.is_published(subject, ended.session)).collect()
    }

    /// The ends within the retention that are missing from a snapshot: their latest event came from this partition, or no
    /// event has come yet.
    pub fn missing(&self, partition: usize, snapshot: &[RevocationEvent]) -> Vec<(Subject, EndedSession)> {
        let held: HashSet<_> = snapshot.iter().map(|one| (one.ended.session, &one.subject)).collect();
        let needed = Timestamp::from_system_clock().minus(self.retention); // older ones are gone for their age
        let state = self.read();
        let lost = state.ends.values().flatten().filter(|end| {
            end.published.is_none_or(|(source, at)| source == partition && at >= needed)
                && end.learnt.elapsed() < self.retention
                && !held.contains(&(end.ended.session, &end.subject))
        });
        lost.map(RevokedSession::named).collect()
    }

    /// The events published since `since`, in no order, and a receiver of all later ones.
    pub fn events_since(
        &self,
        since: Timestamp,
    ) -> (Vec<RevocationEvent>, broadcast::Receiver<RevocationEvent>) {
        let later = self.receivers.subscribe(); // before looking: an event in between comes twice, and is not lost
        let state = self.read();
        let known = state.ends.values().flatten().filter_map(|end| {
            let (_, at) = end.published.filter(|(_, at)| *at >= since)?;
            Some(RevocationEvent { subject: end.subject.clone(), ended: end.ended.clone(), at })
        });
        (known.collect(), later)
    }

    /// A receiver of all events from now on.
    pub fn later_events(&self) -> broadcast::Receiver<RevocationEvent> {
        self.receivers.subscribe()
    }

    /// Adds events from a partition, and moves its watermark to `watermark`, if there is one.
    fn receive(&self, partition: usize, events: &[RevocationEvent], watermark: Option<Instant>) {
        let mut state = self.write();
        for one in events {
            if state.learn(&one.subject, &one.ended, Some((partition, one.at))) {
                let _ = self.receivers.send(one.clone()); // there may be no receiver
            }
        }
        state.sweep(self.retention);
        if let Some(former) = state.watermarks.get_mut(partition) {
            *former = watermark.max(*former);
        }
        let until = state.watermarks.iter().min().copied().flatten(); // `None` is the least
        let until = until.map_or(0, |until| until.saturating_duration_since(self.began).as_micros().max(1));
        self.watermark.store(u64::try_from(until).unwrap_or(u64::MAX), Ordering::Release);
        drop(state);
        if until > 0 {
            self.read_first.send_if_modified(|read| !std::mem::replace(read, true));
        }
    }

    /// Just after the start, waits until every partition has a watermark, though not for ever. Callers must look again
    /// afterwards.
    pub async fn read_first(&self) {
        let mut read = self.read_first.subscribe();
        let _ = timeout_at((self.began + FIRST_SNAPSHOTS).into(), read.wait_for(|read| *read)).await;
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.state.read().expect("no panic while the ends are held")
    }

    fn write(&self) -> RwLockWriteGuard<'_, Entries> {
        self.state.write().expect("no panic while the ends are held")
    }
}

impl Listener for Denylist {
    fn opened(&self, partitions: usize) {
        self.write().watermarks = vec![None; partitions];
    }

    fn snapshot(&self, partition: usize, events: Vec<RevocationEvent>, watermark: Option<Instant>) {
        self.receive(partition, &events, watermark);
    }

    fn events(&self, partition: usize, events: Vec<RevocationEvent>, watermark: Option<Instant>) {
        self.receive(partition, &events, watermark);
    }
}

impl RevokedSession {
    fn named(&self) -> (Subject, EndedSession) {
        (self.subject.clone(), self.ended.clone())
    }
}

impl Entries {
    /// Returns whether this was the first event of the end.
    fn learn(
        &mut self,
        subject: &Subject,
        ended: &EndedSession,
        published: Option<(usize, Timestamp)>,
    ) -> bool {
        let ends = self.ends.entry(ended.session).or_default();
        let known = ends.iter().position(|end| end.subject == *subject).unwrap_or_else(|| {
            ends.push(RevokedSession {
                subject: subject.clone(),
                ended: ended.clone(),
                learnt: Instant::now(),
                published: None,
            });
            ends.len() - 1
        });
        let end = &mut ends[known];
        self.latest = published.map_or(self.latest, |(_, at)| self.latest.max(at));
        let is_first = end.published.is_none() && published.is_some();
        end.published = published.into_iter().chain(end.published).max_by_key(|(_, at)| *at);
        is_first
    }

    /// Drops ends older than the retention, from time to time.
    fn sweep(&mut self, retention: Duration) {
        let now = Instant::now();
        if self.swept.is_some_and(|swept| now.duration_since(swept) < retention / 10) {
            return;
        }
        self.swept = Some(now);
        self.ends.retain(|_, ends| {
            ends.retain(|end| now.duration_since(end.learnt) < retention);
            !ends.is_empty()
        });
    }
}
