//! The embedded store: the same semantics in one process, and the specification of the scripts.
//!
//! It forgets everything when the process ends. Its code is plain and sequential, with one lock on all sessions. When a
//! script and `transitions` disagree, one of them is wrong, and `tests/store` says so.

mod memory_feed;
mod record;
mod transitions;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use token_gateway_core::clock::{Clock, Moment, Timestamp};
use token_gateway_core::feed::{EndedSession, Listener, RevocationEvent};
use token_gateway_core::session::{Reason, SessionId, Subject};

use self::memory_feed::MemoryFeed;
use self::record::Record;
use self::transitions::Sessions;
use super::{
    Created, EndOutcome, Ends, Lookup, NewSession, Page, PageRequest, Policy, Rotated, Rotation, Store,
    StoreError,
};

/// Fewer subjects than this are never swept.
const LEAST_SUBJECTS_TO_SWEEP: usize = 1024;

pub struct MemoryStore {
    policy: Policy,
    clock: Clock,
    subjects: Arc<Mutex<HashMap<Subject, Sessions>>>,
    feed: Arc<MemoryFeed>,
    /// The number of subjects at which expired ones are next swept out.
    sweep_at: AtomicUsize,
}

impl MemoryStore {
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            clock: Clock::default(),
            subjects: Arc::default(),
            feed: Arc::default(),
            sweep_at: AtomicUsize::new(LEAST_SUBJECTS_TO_SWEEP),
        }
    }

    /// The same sessions under another policy, as of a node with other settings. For tests.
    pub fn under(&self, policy: Policy) -> Self {
        Self { subjects: self.subjects.clone(), feed: self.feed.clone(), ..Self::new(policy) }
    }

    /// Lets time pass for all records, by moving them into the past. For tests.
    pub fn age(&self, by: Duration) {
        self.lock().values_mut().flat_map(HashMap::values_mut).for_each(|record| record.age(by));
        self.read_clock();
    }

    /// How many subjects have records, live or ended. For tests.
    pub fn subjects(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Subject, Sessions>> {
        self.subjects.lock().expect("no panic while the store is held")
    }

    fn read_clock(&self) -> Timestamp {
        let asked = Instant::now();
        let now = Timestamp::from_system_clock();
        self.clock.observe(now, asked, Instant::now());
        now
    }

    /// Runs `step` on the subject's unexpired sessions, at one moment.
    fn with<T>(
        &self,
        subject: &Subject,
        step: impl FnOnce(&mut Sessions, Timestamp, &Policy) -> T,
    ) -> Result<T, StoreError> {
        let mut subjects = self.lock();
        let now = self.read_clock();
        if subjects.len() >= self.sweep_at.load(Ordering::Relaxed) {
            subjects.retain(|_, sessions| !expire(sessions, now).is_empty());
            self.sweep_at.store(LEAST_SUBJECTS_TO_SWEEP.max(2 * subjects.len()), Ordering::Relaxed);
        }
        let sessions = subjects.entry(subject.clone()).or_default();
        expire(sessions, now);
        let answer = step(sessions, now, &self.policy);
        if sessions.is_empty() {
            subjects.remove(subject);
        }
        Ok(answer)
    }
}

/// Drops expired records, as Redis does by itself.
fn expire(sessions: &mut Sessions, now: Timestamp) -> &Sessions {
    sessions.retain(|_, record| record.expires_at() > now);
    sessions
}

#[async_trait]
impl Store for MemoryStore {
    fn late(&self, within: Duration) -> StoreError {
        StoreError::Unavailable(format!(
            "the embedded store gave no answer within {within:?}; raise REDIS_TIMEOUT_MS"
        ))
    }

    async fn create(&self, new: &NewSession<'_>) -> Result<Created, StoreError> {
        self.with(new.subject, |sessions, now, policy| {
            transitions::create(sessions, new, new.deadline.on(&self.clock), now, policy)
        })
    }

    async fn rotate(&self, rotation: &Rotation<'_>) -> Result<Rotated, StoreError> {
        self.with(rotation.subject, |sessions, now, policy| {
            transitions::rotate(sessions, rotation, rotation.sent_at.on(&self.clock), now, policy)
        })
    }

    async fn end_session(
        &self,
        subject: &Subject,
        session: SessionId,
        reason: Reason,
    ) -> Result<EndOutcome, StoreError> {
        self.with(subject, |sessions, now, policy| transitions::end(sessions, session, reason, now, policy))
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionId>,
        reason: Reason,
        sent_at: Moment,
    ) -> Result<Ends, StoreError> {
        self.with(subject, |sessions, now, policy| {
            let sent_at = sent_at.on(&self.clock);
            transitions::end_where(sessions, reason, now, policy, |session, live| {
                Some(session) != except && live.is_older(sent_at, now)
            })
        })
    }

    async fn get(&self, subject: &Subject, session: SessionId) -> Result<Lookup, StoreError> {
        self.with(subject, |sessions, now, policy| match sessions.get(&session) {
            None => Lookup::Missing,
            Some(Record::Live(live)) => match live.record(session, now, policy) {
                None => Lookup::Missing,
                Some(record) => Lookup::Live {
                    record: Box::new(record),
                    jti: live.jti,
                    claims: live.claims.clone(),
                    first_client: live.client.clone(),
                },
            },
            Some(Record::Ended { reason, ended_at, published, .. }) => {
                Lookup::Ended { reason: *reason, ended_at: *ended_at, published: *published }
            }
        })
    }

    async fn list(&self, subject: &Subject, asked: PageRequest) -> Result<Page, StoreError> {
        self.with(subject, |sessions, now, policy| {
            let live = transitions::live(sessions);
            let records = live.filter_map(|(session, live)| live.record(session, now, policy));
            Page::of(records.collect(), asked)
        })
    }

    async fn set_claims(
        &self,
        subject: &Subject,
        session: Option<SessionId>,
        claims: &str,
    ) -> Result<Vec<SessionId>, StoreError> {
        self.with(subject, |sessions, now, policy| {
            let mut updated = Vec::new();
            for (id, record) in sessions.iter_mut() {
                if let Record::Live(live) = record
                    && session.is_none_or(|only| only == *id)
                    && !live.is_over(now, policy)
                {
                    live.claims = claims.to_owned();
                    updated.push(*id);
                }
            }
            updated
        })
    }

    async fn unpublished(&self, subject: &Subject) -> Result<Vec<EndedSession>, StoreError> {
        self.with(subject, |sessions, _, _| transitions::unpublished(sessions).collect())
    }

    async fn publish(&self, subject: &Subject, ended: &[EndedSession]) -> Result<(), StoreError> {
        let at = self.read_clock();
        let events =
            ended.iter().map(|one| RevocationEvent { subject: subject.clone(), ended: one.clone(), at });
        self.feed.append(events, at.minus(self.policy.feed_retention));
        Ok(())
    }

    async fn mark_published(&self, subject: &Subject, ended: &[EndedSession]) -> Result<(), StoreError> {
        self.with(subject, |sessions, _, _| {
            for one in ended {
                if let Some(Record::Ended { published, .. }) = sessions.get_mut(&one.session) {
                    *published = true;
                }
            }
        })
    }

    async fn now(&self, _: &Subject) -> Result<Timestamp, StoreError> {
        Ok(self.read_clock())
    }

    fn lower_bound(&self, _: &Subject, moment: Instant) -> Option<Timestamp> {
        self.clock.lower_bound(moment)
    }

    async fn subscribe(&self, listener: &(dyn Listener + Sync)) {
        self.feed.subscribe(listener).await;
    }

    async fn ready(&self) -> Result<Vec<String>, StoreError> {
        Ok(vec!["the embedded store forgets every session when this process ends".to_owned()])
    }
}
