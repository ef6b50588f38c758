//! The transitions of the embedded store, pure: each changes the sessions of one subject at one moment. They are the
//! specification of the scripts.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use token_gateway_core::clock::Timestamp;
use token_gateway_core::feed::EndedSession;
use token_gateway_core::session::{Reason, SessionId};

use super::record::{Live, Record};
use crate::store::{Created, EndOutcome, Ends, NewSession, Policy, ReuseScope, Rotated, Rotation};

/// A refresh token at most this many generations behind may have been late rather than stolen, though its call came
/// straight through.
const LATE_GENERATIONS: u64 = 4;

/// A login reads so many of the subject's sessions, so that it costs the same however many there are.
const LOGIN_READS: usize = 64;

/// Where none of those lives, it reads on until one does, but no more than these.
const MOST_LOGIN_READS: usize = 1024;

/// The sessions of one subject.
pub(super) type Sessions = HashMap<SessionId, Record>;

/// The table of transitions, line by line.
pub(super) fn rotate(
    sessions: &mut Sessions,
    rotation: &Rotation<'_>,
    sent_at: Timestamp,
    now: Timestamp,
    policy: &Policy,
) -> Rotated {
    let Rotation { presented, generation, successor, .. } = *rotation;
    let live = match sessions.get_mut(&presented.session()) {
        None => return Rotated::Missing,
        Some(Record::Ended { reason, published, .. }) => {
            return Rotated::Ended { reason: *reason, published: *published };
        }
        Some(Record::Live(live)) if live.is_over(now, policy) => {
            sessions.remove(&presented.session());
            return Rotated::Missing;
        }
        Some(Record::Live(live)) => live,
    };
    let is_prev = live.prev == Some(presented);
    if is_prev && live.jti == successor {
        return Rotated::Replayed(live.grant(now, policy));
    }
    if presented == live.jti && generation == live.generation {
        return Rotated::Rotated(live.move_on(rotation, now, policy));
    }
    if is_prev && now < live.rotated_at.plus(policy.refresh_grace) {
        return Rotated::Replayed(live.grant(now, policy));
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
) -> Ends {
    let mut ended = match policy.reuse_scope {
        ReuseScope::Session => Ends::default(),
        ReuseScope::Subject => end_where(sessions, Reason::Reuse, now, policy, |sid, live| {
            sid != own && live.is_older(sent_at, now)
        }),
    };
    sessions.insert(own, Record::tombstone(Reason::Reuse, now, policy));
    ended.now.push(EndedSession { session: own, reason: Reason::Reuse });
    ended
}

/// Ends the live sessions picked by `chosen`; returns them, and earlier ends not yet published.
pub(super) fn end_where(
    sessions: &mut Sessions,
    reason: Reason,
    now: Timestamp,
    policy: &Policy,
    chosen: impl Fn(SessionId, &Live) -> bool,
) -> Ends {
    let mut ended = Ends::default();
    for (&session, record) in sessions.iter_mut() {
        match record {
            Record::Live(live) if chosen(session, live) => {
                *record = Record::tombstone(reason, now, policy);
                ended.now.push(EndedSession { session, reason });
            }
            Record::Ended { reason, published: false, .. } => {
                ended.before.push(EndedSession { session, reason: *reason });
            }
            _ => {}
        }
    }
    ended
}

pub(super) fn create(
    sessions: &mut Sessions,
    new: &NewSession<'_>,
    deadline: Timestamp,
    now: Timestamp,
    policy: &Policy,
) -> Created {
    let members = Members::of(sessions);
    match sessions.get(&new.jti.session()) {
        Some(Record::Live(live)) if live.jti == new.jti && live.generation == 0 => {
            let (created_at, absolute_expires_at) = (live.created_at, live.absolute_end(policy));
            return Created::Created {
                created_at,
                absolute_expires_at,
                ended: members.end(sessions, &[], now, policy),
            };
        }
        Some(_) => return Created::Exists,
        None if now > deadline => return Created::Late,
        None => {}
    }
    let evicted = members.surplus(sessions, now, policy);
    let ended = members.end(sessions, &evicted, now, policy);
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
        last_client: None,
        client_id: new.client_id.to_owned(),
        scope: new.scope.to_owned(),
        aud: new.aud.to_owned(),
    };
    sessions.insert(new.jti.session(), Record::Live(Box::new(record)));
    Created::Created { created_at: now, absolute_expires_at, ended }
}

/// The members of the subject's set, as a login reads them: live sessions, and ended ones until they are published.
struct Members {
    count: usize,
    /// All of them, or as many as a login reads, drawn at random.
    read: HashSet<SessionId>,
}

impl Members {
    fn of(sessions: &Sessions) -> Self {
        let ended = unpublished(sessions).map(|one| one.session);
        let mut all: Vec<_> = live(sessions).map(|(session, _)| session).chain(ended).collect();
        let (count, shuffled) = (all.len(), RandomState::new());
        all.sort_unstable_by_key(|session| shuffled.hash_one(session));
        let is_live = |session: &SessionId| matches!(sessions.get(session), Some(Record::Live(_)));
        let first_live = all.iter().position(is_live).map_or(count, |passed| passed + 1);
        all.truncate(first_live.clamp(LOGIN_READS, MOST_LOGIN_READS));
        Self { count, read: all.into_iter().collect() }
    }

    /// The sessions to evict for one more: first those that are over, then those refreshed the longest ago.
    fn surplus(&self, sessions: &Sessions, now: Timestamp, policy: &Policy) -> Vec<SessionId> {
        let rank =
            |(session, live): (SessionId, &Live)| (!live.is_over(now, policy), live.rotated_at, session);
        let mut live: Vec<_> =
            live(sessions).filter(|(session, _)| self.read.contains(session)).map(rank).collect();
        live.sort_unstable();
        let ended = self.read.len() - live.len();
        let surplus = (self.count - ended + 1).saturating_sub(policy.max_sessions);
        // Ended ones that were not read count as live. Where some turn up, the count is too high.
        let is_too_high = self.count > self.read.len() && ended > 0;
        let most = if is_too_high { live.len().min(1) } else { live.len() };
        live[..surplus.min(most)].iter().map(|(.., session)| *session).collect()
    }

    /// Ends these; returns them, and earlier ends not yet published, as far as they were read.
    fn end(&self, sessions: &mut Sessions, evicted: &[SessionId], now: Timestamp, policy: &Policy) -> Ends {
        let mut ended =
            end_where(sessions, Reason::Evicted, now, policy, |session, _| evicted.contains(&session));
        ended.before.retain(|one| self.read.contains(&one.session));
        ended
    }
}

/// Ends one session, live or not.
pub(super) fn end(
    sessions: &mut Sessions,
    session: SessionId,
    reason: Reason,
    now: Timestamp,
    policy: &Policy,
) -> EndOutcome {
    match sessions.get_mut(&session) {
        None => EndOutcome::Missing,
        Some(Record::Ended { reason, published, .. }) => {
            EndOutcome::Already { reason: *reason, published: *published }
        }
        Some(record) => {
            *record = Record::tombstone(reason, now, policy);
            EndOutcome::Ended
        }
    }
}

pub(super) fn live(sessions: &Sessions) -> impl Iterator<Item = (SessionId, &Live)> {
    sessions.iter().filter_map(|(session, record)| match record {
        Record::Live(live) => Some((*session, live.as_ref())),
        Record::Ended { .. } => None,
    })
}

pub(super) fn unpublished(sessions: &Sessions) -> impl Iterator<Item = EndedSession> {
    sessions.iter().filter_map(|(session, record)| match record {
        Record::Ended { reason, published: false, .. } => {
            Some(EndedSession { session: *session, reason: *reason })
        }
        _ => None,
    })
}
