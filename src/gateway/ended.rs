//! Sessions that are known to have ended, whatever the store says.
//!
//! A failover may lose an end that was acknowledged, and bring the session back. Each node remembers the ends of which
//! the feed told it, and those of its own, for longer than any access token lives. What it remembers it refuses; what
//! a new master does not know of it ends again ([`follower`]).

pub mod follower;

use std::collections::{HashMap, HashSet};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use crate::session::{Reason, SessionId, Subject};
use crate::store::{Announced, Ended};

/// A feed tells of an end within this, or the end may have been lost.
const HEARD_OF: Duration = Duration::from_secs(2);

/// A feed that is followed is heard every second; when not for this long, somebody should look.
pub const STALE: Duration = Duration::from_secs(5);

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
    /// When each part of the feed was last heard.
    heard: Vec<Instant>,
}

#[derive(Debug, Clone)]
struct End {
    subject: Subject,
    reason: Reason,
    learnt: Instant,
    /// The part of the feed that has told of it, if any has.
    part: Option<usize>,
    /// No feed has told of it, so it was ended again to be sure.
    doubted: bool,
    chase: Chase,
}

/// Whether a session is being ended again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chase {
    Idle,
    UnderWay,
    /// It was missing once more, so the answer that is awaited may be of a master that is gone.
    Again,
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

    /// For how long the feed, or the part of it that is furthest behind, has not been heard.
    pub fn stale(&self) -> Duration {
        self.read().heard.iter().map(Instant::elapsed).max().unwrap_or_default()
    }

    fn listen(&self, parts: usize) {
        self.write().heard = vec![Instant::now(); parts];
    }

    /// Own ends of which no feed has told for a while: what acknowledged them may have been a master that was deposed.
    /// Each is named once.
    fn unheard(&self) -> Vec<(Subject, Ended)> {
        self.write().chase(|_, end| {
            let unheard = end.part.is_none() && !end.doubted && end.learnt.elapsed() > HEARD_OF;
            end.doubted |= unheard;
            unheard
        })
    }

    fn hear(&self, part: usize, announced: &[Announced]) {
        let mut memory = self.write();
        memory.heard[part] = Instant::now();
        for one in announced {
            memory.learn(&one.subject, &one.ended, Some(part));
        }
        memory.sweep(self.retention);
    }

    /// What this part of the feed has told of, and does not hold any more: ends that were lost.
    fn missing(&self, part: usize, held: &[Announced]) -> Vec<(Subject, Ended)> {
        let held: HashSet<_> = held.iter().map(|one| one.ended.session).collect();
        self.write().chase(|session, end| {
            end.part.is_none_or(|told| told == part)
                && end.learnt.elapsed() < self.retention
                && !held.contains(session)
        })
    }

    /// A session has been ended again; whether it must be once more.
    fn caught(&self, session: SessionId) -> bool {
        let mut memory = self.write();
        let Some(end) = memory.ends.get_mut(&session) else { return false };
        let again = end.chase == Chase::Again;
        end.chase = if again { Chase::UnderWay } else { Chase::Idle };
        again
    }

    fn read(&self) -> RwLockReadGuard<'_, Memory> {
        self.memory.read().expect("no panic while the ends are held")
    }

    fn write(&self) -> RwLockWriteGuard<'_, Memory> {
        self.memory.write().expect("no panic while the ends are held")
    }
}

impl Memory {
    /// Those to be ended again that are not at it already.
    fn chase(&mut self, mut wanted: impl FnMut(&SessionId, &mut End) -> bool) -> Vec<(Subject, Ended)> {
        let mut chased = Vec::new();
        for (session, end) in &mut self.ends {
            if !wanted(session, end) {
                continue;
            }
            if end.chase == Chase::Idle {
                end.chase = Chase::UnderWay;
                chased.push((end.subject.clone(), Ended { session: *session, reason: end.reason }));
            } else {
                end.chase = Chase::Again;
            }
        }
        chased
    }

    fn learn(&mut self, subject: &Subject, ended: &Ended, part: Option<usize>) {
        let end = self.ends.entry(ended.session).or_insert_with(|| End {
            subject: subject.clone(),
            reason: ended.reason,
            learnt: Instant::now(),
            part,
            doubted: false,
            chase: Chase::Idle,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_ended_again_is_named_once_and_once_more_if_it_was_lost_meanwhile() {
        let ended = EndedSessions::new(Duration::from_secs(60));
        let session: SessionId = "1000000000000000001".parse().expect("an id");
        let subject = Subject::from_encoded("alice").expect("a subject");
        ended.remember(&subject, &[Ended { session, reason: Reason::Logout }]);
        assert_eq!(ended.missing(0, &[]).len(), 1);
        assert!(!ended.caught(session));
        assert_eq!((ended.missing(0, &[]).len(), ended.missing(0, &[]).len()), (1, 0));
        assert!(ended.caught(session), "it was missing again before it had been ended again");
        assert!(!ended.caught(session));
        assert_eq!(ended.missing(0, &[]).len(), 1);
    }
}
