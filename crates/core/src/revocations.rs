//! Which sessions have ended, as the feed tells it, and how fresh that is.
//!
//! The feed of ended sessions is how nodes learn of ends on any other. Whoever follows it ([`Listener`]) remembers what
//! it told for longer than any access token lives, and so can refuse the tokens of those sessions without asking.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, watch};
use tokio::time::timeout_at;

use crate::clock::Timestamp;
use crate::session::{Reason, SessionId, Subject};

/// News that a subscriber may be behind before it has to ask for the whole.
const BACKLOG: usize = 1024;

/// A start takes at most this; who asks meanwhile may wait.
const FIRST_READ: Duration = Duration::from_secs(5);

/// A session that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The session.
    pub session: SessionId,
    /// Why it ended.
    pub reason: Reason,
}

/// An entry of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// The user of the session.
    pub subject: Subject,
    /// The session, and the reason.
    pub ended: Ended,
    /// The time of the entry, on the clock of the store.
    pub at: Timestamp,
}

/// Hears of sessions that have ended, on any node.
pub trait Listener {
    /// The feed has so many parts; told before all else.
    fn opened(&self, parts: usize);

    /// All that the feed holds, or one part of it where there are several, read anew. What was announced there within
    /// the retention and is missing now has been lost. All that was announced before `known_until` has been told; `None`
    /// as long as what is lost may be about to be repeated.
    fn whole(&self, part: usize, held: Vec<Announced>, known_until: Option<Instant>);

    /// What has been appended since; told at least every second, though it be nothing.
    fn appended(&self, part: usize, more: Vec<Announced>, known_until: Option<Instant>);
}

/// The ends that a node remembers. Shared by all its threads.
#[derive(Debug)]
pub struct Revocations {
    /// How long an end is remembered.
    retention: Duration,
    memory: RwLock<Memory>,
    began: Instant,
    /// Until when the feed is known in whole, in microseconds since `began`; 0 before it was first read.
    known_until: AtomicU64,
    news: broadcast::Sender<Announced>,
    /// Whether it was ever read in whole.
    read_first: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Memory {
    /// One of each session; more where somebody who may sign has made up another subject for it.
    ends: HashMap<SessionId, Vec<End>>,
    /// Of this node, and not looked at yet: has the feed told of them?
    own: VecDeque<(Instant, Subject, Ended)>,
    latest: Timestamp,
    /// When those that are old enough were last forgotten.
    swept: Option<Instant>,
    /// Until when each part of the feed is known.
    heard: Vec<Option<Instant>>,
}

#[derive(Debug, Clone)]
struct End {
    subject: Subject,
    ended: Ended,
    learnt: Instant,
    /// The part of the feed that has told of it, if any has, and when it was last announced there.
    told: Option<(usize, Timestamp)>,
}

impl Revocations {
    /// An empty denylist, which keeps each end for `retention`.
    pub fn new(retention: Duration) -> Self {
        Self {
            retention,
            memory: RwLock::default(),
            began: Instant::now(),
            known_until: AtomicU64::new(0),
            news: broadcast::Sender::new(BACKLOG),
            read_first: watch::Sender::new(false),
        }
    }

    /// How long an end is remembered.
    pub fn retention(&self) -> Duration {
        self.retention
    }

    /// Why the session has ended, if it is known to have.
    pub fn reason(&self, subject: &Subject, session: SessionId) -> Option<Reason> {
        let memory = self.read();
        let end = memory.ends.get(&session)?.iter().find(|end| end.subject == *subject)?;
        Some(end.ended.reason)
    }

    /// Whether the feed has told of its end.
    pub fn is_told(&self, subject: &Subject, session: SessionId) -> bool {
        let memory = self.read();
        let mut ends = memory.ends.get(&session).into_iter().flatten();
        ends.any(|end| end.subject == *subject && end.told.is_some())
    }

    /// Microseconds on a clock of this process, which nobody puts forward or back.
    pub fn clock(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// When the latest end was announced of which the feed has told, on the clock of the store.
    pub fn latest(&self) -> Timestamp {
        self.read().latest
    }

    /// For how long ends may have gone unheard; `None` as long as the feed was never read in whole.
    pub fn stale(&self) -> Option<Duration> {
        match self.known_until.load(Ordering::Acquire) {
            0 => None,
            micros => Some(self.began.elapsed().saturating_sub(Duration::from_micros(micros))),
        }
    }

    /// The same; as long as it was never read in whole, since the start.
    pub fn unheard_for(&self) -> Duration {
        self.stale().unwrap_or_else(|| {
            if self.read().heard.is_empty() { Duration::ZERO } else { self.began.elapsed() }
        })
    }

    /// This node has ended them, and the store has it.
    pub fn remember(&self, subject: &Subject, ended: &[Ended]) {
        let mut memory = self.write();
        for one in ended {
            memory.learn(subject, one, None);
            memory.own.push_back((Instant::now(), subject.clone(), one.clone()));
        }
        memory.sweep(self.retention);
    }

    /// Own ends of which no feed has told for `patience`. Each is named once.
    pub fn untold(&self, patience: Duration) -> Vec<(Subject, Ended)> {
        let mut memory = self.write();
        let due = memory.own.partition_point(|(learnt, ..)| learnt.elapsed() > patience);
        let due: Vec<_> = memory.own.drain(..due).collect();
        drop(memory);
        let untold = due.into_iter().map(|(_, subject, ended)| (subject, ended));
        untold.filter(|(subject, ended)| !self.is_told(subject, ended.session)).collect()
    }

    /// What this part of the feed has told of, or none has, and what it does not hold now.
    pub fn missing(&self, part: usize, held: &[Announced]) -> Vec<(Subject, Ended)> {
        let held: HashSet<_> = held.iter().map(|one| (one.ended.session, &one.subject)).collect();
        let needed = Timestamp::from_system_clock().minus(self.retention); // older ones are gone for their age
        let memory = self.read();
        let lost = memory.ends.values().flatten().filter(|end| {
            end.told.is_none_or(|(told, at)| told == part && at >= needed)
                && end.learnt.elapsed() < self.retention
                && !held.contains(&(end.ended.session, &end.subject))
        });
        lost.map(End::named).collect()
    }

    /// What was announced since `since`, in no order, and what is from now on.
    pub fn subscribe(&self, since: Timestamp) -> (Vec<Announced>, broadcast::Receiver<Announced>) {
        let news = self.news.subscribe(); // before looking: what comes between is told twice, not lost
        let memory = self.read();
        let known = memory.ends.values().flatten().filter_map(|end| {
            let (_, at) = end.told.filter(|(_, at)| *at >= since)?;
            Some(Announced { subject: end.subject.clone(), ended: end.ended.clone(), at })
        });
        (known.collect(), news)
    }

    /// What is announced from now on.
    pub fn news(&self) -> broadcast::Receiver<Announced> {
        self.news.subscribe()
    }

    /// A part of the feed has told of these, and by them is known until that moment, if any.
    pub fn hear(&self, part: usize, announced: &[Announced], known_until: Option<Instant>) {
        let mut memory = self.write();
        for one in announced {
            if memory.learn(&one.subject, &one.ended, Some((part, one.at))) {
                let _ = self.news.send(one.clone()); // nobody may be subscribed
            }
        }
        memory.sweep(self.retention);
        if let Some(heard) = memory.heard.get_mut(part) {
            *heard = known_until.max(*heard);
        }
        let until = memory.heard.iter().min().copied().flatten(); // `None` is the least
        let until = until.map_or(0, |until| until.saturating_duration_since(self.began).as_micros().max(1));
        self.known_until.store(u64::try_from(until).unwrap_or(u64::MAX), Ordering::Release);
        drop(memory);
        if until > 0 {
            self.read_first.send_if_modified(|read| !std::mem::replace(read, true));
        }
    }

    /// Just after the start, waits until the feed has been read in whole. Whoever comes back looks again.
    pub async fn read_first(&self) {
        let mut read = self.read_first.subscribe();
        let _ = timeout_at((self.began + FIRST_READ).into(), read.wait_for(|read| *read)).await;
    }

    fn read(&self) -> RwLockReadGuard<'_, Memory> {
        self.memory.read().expect("no panic while the ends are held")
    }

    fn write(&self) -> RwLockWriteGuard<'_, Memory> {
        self.memory.write().expect("no panic while the ends are held")
    }
}

impl Listener for Revocations {
    fn opened(&self, parts: usize) {
        self.write().heard = vec![None; parts];
    }

    fn whole(&self, part: usize, held: Vec<Announced>, known_until: Option<Instant>) {
        self.hear(part, &held, known_until);
    }

    fn appended(&self, part: usize, more: Vec<Announced>, known_until: Option<Instant>) {
        self.hear(part, &more, known_until);
    }
}

impl End {
    fn named(&self) -> (Subject, Ended) {
        (self.subject.clone(), self.ended.clone())
    }
}

impl Memory {
    /// Returns whether the feed had not told of it before.
    fn learn(&mut self, subject: &Subject, ended: &Ended, told: Option<(usize, Timestamp)>) -> bool {
        let ends = self.ends.entry(ended.session).or_default();
        let known = ends.iter().position(|end| end.subject == *subject).unwrap_or_else(|| {
            ends.push(End {
                subject: subject.clone(),
                ended: ended.clone(),
                learnt: Instant::now(),
                told: None,
            });
            ends.len() - 1
        });
        let end = &mut ends[known];
        self.latest = told.map_or(self.latest, |(_, at)| self.latest.max(at));
        let is_news = end.told.is_none() && told.is_some();
        end.told = told.into_iter().chain(end.told).max_by_key(|(_, at)| *at);
        is_news
    }

    /// Forgets what is old enough, from time to time.
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
