//! The embedded store: the same semantics in one process, and the specification of the scripts.
//!
//! It forgets everything when the process ends. Its code is plain and sequential, with one lock on all sessions. When a
//! script and this file disagree, one of them is wrong, and `tests/store` says so.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use token_gateway_core::clock::{Clock, Moment, Timestamp};
use token_gateway_core::feed::{EndedSession, Listener, RevocationEvent, timing};
use token_gateway_core::session::{Jti, Reason, SessionId, Subject};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{
    Created, EndedMany, EndedOne, Error, Lookup, NewSession, Policy, ReuseScope, Rotated, Rotation,
    SessionRecord, Store, Successor,
};

/// A refresh token at most this many generations behind may have been late rather than stolen, though its call came
/// straight through.
const LATE_GENERATIONS: u64 = 4;

/// Fewer subjects than this are never swept.
const FIRST_SWEEP: usize = 1024;

pub struct MemoryStore {
    policy: Policy,
    clock: Clock,
    subjects: Mutex<HashMap<Subject, Sessions>>,
    feed: Feed,
    /// The number of subjects at which expired ones are next swept out.
    sweep_at: AtomicUsize,
}

#[derive(Debug, Clone)]
enum Record {
    Live(Box<Live>),
    Ended { reason: Reason, ended_at: Timestamp, announced: bool, expires_at: Timestamp },
}

#[derive(Debug, Clone)]
struct Live {
    jti: Jti,
    generation: u64,
    prev: Option<Jti>,
    created_at: Timestamp,
    rotated_at: Timestamp,
    issued_at: Timestamp,
    absolute_expires_at: Option<Timestamp>,
    expires_at: Timestamp,
    claims: String,
    client: String,
    client_id: String,
    scope: String,
    aud: String,
}

type Sessions = HashMap<SessionId, Record>;

/// The revocation feed.
struct Feed {
    entries: Mutex<Entries>,
    /// The number of events ever appended.
    appended: watch::Sender<usize>,
}

#[derive(Default)]
struct Entries {
    /// The events within the retention, the newest last.
    held: VecDeque<RevocationEvent>,
    /// The number of older events, trimmed by now.
    trimmed: usize,
}

impl Feed {
    fn append(&self, entries: impl Iterator<Item = RevocationEvent>, oldest: Timestamp) {
        let mut all = self.lock();
        all.held.extend(entries);
        while all.held.front().is_some_and(|entry| entry.at < oldest) {
            all.held.pop_front();
            all.trimmed += 1;
        }
        self.appended.send_replace(all.trimmed + all.held.len());
    }

    /// The events after the first `known`, and the number of all.
    fn after(&self, known: usize) -> (Vec<RevocationEvent>, usize) {
        let all = self.lock();
        let new = all.held.iter().skip(known.saturating_sub(all.trimmed)).cloned().collect();
        (new, all.trimmed + all.held.len())
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().expect("no panic while the feed is held")
    }
}

impl MemoryStore {
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            clock: Clock::default(),
            subjects: Mutex::default(),
            feed: Feed { entries: Mutex::default(), appended: watch::Sender::new(0) },
            sweep_at: AtomicUsize::new(FIRST_SWEEP),
        }
    }

    /// Lets time pass for all records, by moving them into the past. For tests.
    pub fn age(&self, by: Duration) {
        for record in self.lock().values_mut().flat_map(HashMap::values_mut) {
            match record {
                Record::Live(live) => {
                    for time in [
                        &mut live.created_at,
                        &mut live.rotated_at,
                        &mut live.issued_at,
                        &mut live.expires_at,
                    ] {
                        *time = time.minus(by);
                    }
                    live.absolute_expires_at = live.absolute_expires_at.map(|at| at.minus(by));
                }
                Record::Ended { ended_at, expires_at, .. } => {
                    *ended_at = ended_at.minus(by);
                    *expires_at = expires_at.minus(by);
                }
            }
        }
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
    ) -> Result<T, Error> {
        let mut subjects = self.lock();
        let now = self.read_clock();
        if subjects.len() >= self.sweep_at.load(Ordering::Relaxed) {
            subjects.retain(|_, sessions| !expire(sessions, now).is_empty());
            self.sweep_at.store(FIRST_SWEEP.max(2 * subjects.len()), Ordering::Relaxed);
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

impl Record {
    /// When the record is gone: idle for too long, past the absolute lifetime, or a tombstone's end.
    fn expires_at(&self) -> Timestamp {
        match self {
            Self::Live(live) => live.absolute_expires_at.map_or(live.expires_at, |a| a.min(live.expires_at)),
            Self::Ended { expires_at, .. } => *expires_at,
        }
    }

    fn tombstone(reason: Reason, now: Timestamp, policy: &Policy) -> Self {
        let expires_at = now.plus(policy.tombstone_ttl);
        Self::Ended { reason, ended_at: now, announced: false, expires_at }
    }
}

impl Live {
    /// Created before a call sent at `sent_at`. A session from the future was created by a clock ahead of this one, not
    /// after the call.
    fn is_older(&self, sent_at: Timestamp, now: Timestamp) -> bool {
        self.created_at <= sent_at || self.created_at > now
    }

    fn grant(&self, now: Timestamp) -> Successor {
        Successor {
            now,
            jti: self.jti,
            generation: self.generation,
            issued_at: self.issued_at,
            absolute_expires_at: self.absolute_expires_at,
            claims: self.claims.clone(),
            scope: self.scope.clone(),
            aud: self.aud.clone(),
        }
    }

    fn move_on(&mut self, rotation: &Rotation<'_>, now: Timestamp, policy: &Policy) -> Successor {
        self.jti = rotation.successor;
        self.generation = rotation.generation + 1;
        self.prev = Some(rotation.presented);
        self.rotated_at = now;
        self.issued_at = now;
        self.expires_at = now.plus(policy.refresh_ttl);
        self.grant(now)
    }

    fn record(&self, session: SessionId) -> SessionRecord {
        SessionRecord {
            session,
            generation: self.generation,
            created_at: self.created_at,
            last_refreshed_at: self.rotated_at,
            expires_at: self.absolute_expires_at.map_or(self.expires_at, |a| a.min(self.expires_at)),
            absolute_expires_at: self.absolute_expires_at,
            client: self.client.clone(),
            client_id: self.client_id.clone(),
        }
    }
}

/// Drops expired records, as Redis does by itself.
fn expire(sessions: &mut Sessions, now: Timestamp) -> &Sessions {
    sessions.retain(|_, record| record.expires_at() > now);
    sessions
}

/// The table of transitions, line by line.
fn rotate(
    sessions: &mut Sessions,
    rotation: &Rotation<'_>,
    sent_at: Timestamp,
    now: Timestamp,
    policy: &Policy,
) -> Rotated {
    let Rotation { presented, generation, successor, .. } = *rotation;
    let live = match sessions.get_mut(&presented.session()) {
        None => return Rotated::Unknown,
        Some(Record::Ended { reason, announced, .. }) => {
            return Rotated::Ended { reason: *reason, announced: *announced };
        }
        Some(Record::Live(live)) => live,
    };
    let is_prev = live.prev == Some(presented);
    if is_prev && live.jti == successor {
        return Rotated::Replayed(live.grant(now));
    }
    if presented == live.jti && generation == live.generation {
        return Rotated::Rotated(live.move_on(rotation, now, policy));
    }
    if is_prev && now < live.rotated_at.plus(policy.refresh_grace) {
        return Rotated::Replayed(live.grant(now));
    }
    if generation > live.generation {
        return Rotated::RolledBack(live.move_on(rotation, now, policy));
    }
    let was_held_up = now > sent_at.plus(policy.held_up);
    if sent_at <= live.rotated_at && (was_held_up || generation + LATE_GENERATIONS >= live.generation) {
        return Rotated::Late;
    }
    if !rotation.accuse {
        return Rotated::Suspect;
    }
    Rotated::Reused(end_reused(sessions, presented.session(), sent_at, now, policy))
}

fn end_reused(
    sessions: &mut Sessions,
    own: SessionId,
    sent_at: Timestamp,
    now: Timestamp,
    policy: &Policy,
) -> EndedMany {
    let mut ended = match policy.reuse_scope {
        ReuseScope::Session => EndedMany::default(),
        ReuseScope::Subject => end_where(sessions, Reason::Reuse, now, policy, |sid, live| {
            sid != own && live.is_older(sent_at, now)
        }),
    };
    sessions.insert(own, Record::tombstone(Reason::Reuse, now, policy));
    ended.now.push(EndedSession { session: own, reason: Reason::Reuse });
    ended
}

/// Ends the live sessions picked by `chosen`; returns them, and earlier ends not yet published.
fn end_where(
    sessions: &mut Sessions,
    reason: Reason,
    now: Timestamp,
    policy: &Policy,
    chosen: impl Fn(SessionId, &Live) -> bool,
) -> EndedMany {
    let mut ended = EndedMany::default();
    for (&session, record) in sessions.iter_mut() {
        match record {
            Record::Live(live) if chosen(session, live) => {
                *record = Record::tombstone(reason, now, policy);
                ended.now.push(EndedSession { session, reason });
            }
            Record::Ended { reason, announced: false, .. } => {
                ended.before.push(EndedSession { session, reason: *reason });
            }
            _ => {}
        }
    }
    ended
}

fn create(
    sessions: &mut Sessions,
    new: &NewSession<'_>,
    deadline: Timestamp,
    now: Timestamp,
    policy: &Policy,
) -> Created {
    match sessions.get(&new.jti.session()) {
        Some(Record::Live(live)) if live.jti == new.jti && live.generation == 0 => {
            let (created_at, absolute_expires_at) = (live.created_at, live.absolute_expires_at);
            return Created::Created {
                created_at,
                absolute_expires_at,
                ended: end_where(sessions, Reason::Evicted, now, policy, |_, _| false),
            };
        }
        Some(_) => return Created::Exists,
        None if now > deadline => return Created::Late,
        None => {}
    }
    let mut live: Vec<_> = sessions
        .iter()
        .filter_map(|(session, record)| match record {
            Record::Live(live) => Some((live.rotated_at, *session)),
            Record::Ended { .. } => None,
        })
        .collect();
    live.sort_unstable();
    let surplus = (live.len() + 1).saturating_sub(policy.max_sessions);
    let evicted: Vec<_> = live[..surplus].iter().map(|(_, session)| *session).collect();
    let ended = end_where(sessions, Reason::Evicted, now, policy, |sid, _| evicted.contains(&sid));

    let absolute_expires_at = policy.session_max_age.map(|age| now.plus(age));
    let record = Live {
        jti: new.jti,
        generation: 0,
        prev: None,
        created_at: now,
        rotated_at: now,
        issued_at: now,
        absolute_expires_at,
        expires_at: now.plus(policy.refresh_ttl),
        claims: new.claims.to_owned(),
        client: new.client.to_owned(),
        client_id: new.client_id.to_owned(),
        scope: new.scope.to_owned(),
        aud: new.aud.to_owned(),
    };
    sessions.insert(new.jti.session(), Record::Live(Box::new(record)));
    Created::Created { created_at: now, absolute_expires_at, ended }
}

#[async_trait]
impl Store for MemoryStore {
    async fn create(&self, new: &NewSession<'_>) -> Result<Created, Error> {
        self.with(new.subject, |sessions, now, policy| {
            create(sessions, new, new.deadline.on(&self.clock), now, policy)
        })
    }

    async fn rotate(&self, rotation: &Rotation<'_>) -> Result<Rotated, Error> {
        self.with(rotation.subject, |sessions, now, policy| {
            rotate(sessions, rotation, rotation.sent_at.on(&self.clock), now, policy)
        })
    }

    async fn end_session(
        &self,
        subject: &Subject,
        session: SessionId,
        reason: Reason,
    ) -> Result<EndedOne, Error> {
        self.with(subject, |sessions, now, policy| match sessions.get_mut(&session) {
            None => EndedOne::Unknown,
            Some(Record::Ended { reason, announced, .. }) => {
                EndedOne::Already { reason: *reason, announced: *announced }
            }
            Some(record) => {
                *record = Record::tombstone(reason, now, policy);
                EndedOne::Ended
            }
        })
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionId>,
        reason: Reason,
        sent_at: Moment,
    ) -> Result<EndedMany, Error> {
        self.with(subject, |sessions, now, policy| {
            let sent_at = sent_at.on(&self.clock);
            end_where(sessions, reason, now, policy, |session, live| {
                Some(session) != except && live.is_older(sent_at, now)
            })
        })
    }

    async fn get(&self, subject: &Subject, session: SessionId) -> Result<Lookup, Error> {
        self.with(subject, |sessions, _, _| match sessions.get(&session) {
            None => Lookup::Unknown,
            Some(Record::Live(live)) => Lookup::Live {
                record: Box::new(live.record(session)),
                jti: live.jti,
                claims: live.claims.clone(),
            },
            Some(Record::Ended { reason, ended_at, announced, .. }) => {
                Lookup::Ended { reason: *reason, ended_at: *ended_at, announced: *announced }
            }
        })
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<SessionRecord>, Error> {
        self.with(subject, |sessions, _, _| {
            let mut records: Vec<_> = sessions
                .iter()
                .filter_map(|(session, record)| match record {
                    Record::Live(live) => Some(live.record(*session)),
                    Record::Ended { .. } => None,
                })
                .collect();
            SessionRecord::sort(&mut records);
            records
        })
    }

    async fn set_claims(
        &self,
        subject: &Subject,
        session: Option<SessionId>,
        claims: &str,
    ) -> Result<Vec<SessionId>, Error> {
        self.with(subject, |sessions, _, _| {
            let mut updated = Vec::new();
            for (id, record) in sessions.iter_mut() {
                if let Record::Live(live) = record
                    && session.is_none_or(|only| only == *id)
                {
                    live.claims = claims.to_owned();
                    updated.push(*id);
                }
            }
            updated
        })
    }

    async fn publish(&self, subject: &Subject, ended: &[EndedSession]) -> Result<(), Error> {
        let at = self.read_clock();
        let entries =
            ended.iter().map(|one| RevocationEvent { subject: subject.clone(), ended: one.clone(), at });
        self.feed.append(entries, at.minus(self.policy.feed_retention));
        self.with(subject, |sessions, _, _| {
            for one in ended {
                if let Some(Record::Ended { announced, .. }) = sessions.get_mut(&one.session) {
                    *announced = true;
                }
            }
        })
    }

    async fn now(&self, _: &Subject) -> Result<Timestamp, Error> {
        Ok(self.read_clock())
    }

    fn lower_bound(&self, _: &Subject, moment: Instant) -> Option<Timestamp> {
        self.clock.lower_bound(moment)
    }

    async fn follow(&self, listener: &(dyn Listener + Sync)) {
        listener.opened(1);
        let mut news = self.feed.appended.subscribe();
        let (held, mut known) = self.feed.after(0);
        listener.snapshot(0, held, Some(Instant::now()));
        loop {
            let _ = timeout(timing::WATERMARK_INTERVAL, news.changed()).await; // its sender lives as long as this
            let (more, all) = self.feed.after(known);
            known = all;
            listener.events(0, more, Some(Instant::now()));
        }
    }

    async fn ready(&self) -> Result<Vec<String>, Error> {
        Ok(vec!["the embedded store forgets every session when this process ends".to_owned()])
    }
}
