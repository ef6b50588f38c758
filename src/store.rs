//! Where sessions live: one trait in our own vocabulary, and two backends.
//!
//! - [`redis`]: the real one. Every change of state is one atomic Lua script.
//! - [`memory`]: in-process, for `dev` and for tests of everything above it. Its sequential code is the
//!   specification; `tests/store` runs the same operations against both and compares every answer.
//!
//! # Adding a backend
//!
//! Implement [`Store`], then add it to `Bench` in `tests/store/mod.rs`: the contract suite and the model-based test
//! take it from there. Two rules matter more than all else. Each change of state is atomic, and [`StoreError`] means
//! "could not know", never a verdict.

pub mod memory;
pub mod redis;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use token_gateway_core::clock::{Moment, Timestamp};
use token_gateway_core::feed::{EndedSession, Listener};
use token_gateway_core::session::{Jti, Reason, SessionId, Subject};
use token_gateway_redis_link::LinkError;

/// The rules of every backend, fixed at start-up.
#[derive(Debug, Clone)]
pub struct Policy {
    /// A session not refreshed for this long is gone.
    pub refresh_ttl: Duration,
    /// A session never lives longer than this after its creation.
    pub session_max_age: Option<Duration>,
    /// For how long after a rotation the superseded token still gets the same successor.
    pub refresh_grace: Duration,
    pub reuse_scope: ReuseScope,
    /// The longest delay of a call between the arrival of its request and the store. A call delayed further was held
    /// up: its client may have hung up, repeated the request elsewhere, and moved on by any number of generations.
    pub held_up: Duration,
    pub max_sessions: usize,
    /// How long the tombstone of an ended session is kept.
    pub tombstone_ttl: Duration,
    /// How long the revocation feed is kept: longer than any access token lives.
    pub feed_retention: Duration,
}

impl Policy {
    /// For a command that only ends sessions: no session could live under this policy.
    pub fn only_to_end(tombstone_ttl: Duration, feed_retention: Duration) -> Self {
        Self {
            refresh_ttl: Duration::ZERO,
            session_max_age: None,
            refresh_grace: Duration::ZERO,
            reuse_scope: ReuseScope::Session,
            held_up: Duration::ZERO,
            max_sessions: 0,
            tombstone_ttl,
            feed_retention,
        }
    }
}

/// The sessions to end when a superseded refresh token comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReuseScope {
    /// Every session of the subject.
    Subject,
    /// Only the session of the token.
    Session,
}

impl ReuseScope {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Session => "session",
        }
    }
}

/// The store could not be asked, or its answer did not arrive: **the outcome is unknown**.
///
/// Never a verdict on a token. The messages are for logs and hold no token, claim or secret.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum StoreError {
    /// Unreachable, too slow, read-only, out of memory, loading.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// As many calls as allowed are in flight (`REDIS_MAX_IN_FLIGHT`).
    #[error("too many store calls in flight")]
    Overloaded,
    /// A stored record cannot be read: changed by hand, or of another layout.
    #[error("unreadable record in the store: {0}")]
    Corrupt(String),
}

impl From<LinkError> for StoreError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Unavailable(cause) => Self::Unavailable(cause),
            LinkError::Overloaded => Self::Overloaded,
            LinkError::Corrupt(cause) => Self::Corrupt(cause),
        }
    }
}

impl StoreError {
    /// Whether the store has answered, with an unreadable record.
    pub fn is_corrupt(&self) -> bool {
        matches!(self, Self::Corrupt(_))
    }
}

/// The calls on the store. Each change of state is atomic, and any call may be repeated when its outcome is unknown.
#[async_trait]
pub trait Store: Send + Sync {
    /// Stores a new session, if nothing was ever stored under its id.
    async fn create(&self, new: &NewSession<'_>) -> Result<Created, StoreError>;

    /// Exchanges a refresh token for its successor, or says why not. The heart of the gateway.
    async fn rotate(&self, rotation: &Rotation<'_>) -> Result<Rotated, StoreError>;

    /// Ends one session. Ending an ended one changes nothing.
    async fn end_session(
        &self,
        subject: &Subject,
        session: SessionId,
        reason: Reason,
    ) -> Result<EndOutcome, StoreError>;

    /// Ends the subject's sessions created until `sent_at`, all or all but one.
    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionId>,
        reason: Reason,
        sent_at: Moment,
    ) -> Result<Ends, StoreError>;

    /// One session, from the authority: a deposed primary refuses to answer.
    async fn get(&self, subject: &Subject, session: SessionId) -> Result<Lookup, StoreError>;

    /// The subject's live sessions, the most recently refreshed first.
    async fn list(&self, subject: &Subject) -> Result<Vec<SessionRecord>, StoreError>;

    /// Replaces the claims carried from the next refresh on, in one session or in all the subject's live ones. Returns
    /// the changed sessions.
    async fn set_claims(
        &self,
        subject: &Subject,
        session: Option<SessionId>,
        claims: &str,
    ) -> Result<Vec<SessionId>, StoreError>;

    /// The subject's ended sessions that are not marked as published yet.
    async fn unpublished(&self, subject: &Subject) -> Result<Vec<EndedSession>, StoreError>;

    /// Appends ended sessions to the revocation feed. Publishing twice is harmless.
    async fn publish(&self, subject: &Subject, ended: &[EndedSession]) -> Result<(), StoreError>;

    /// Marks the tombstones of sessions as published. Comes after [`publish`](Self::publish): a node lost in between
    /// leaves work to repeat.
    async fn mark_published(&self, subject: &Subject, ended: &[EndedSession]) -> Result<(), StoreError>;

    /// The time, freshly asked, of the server in charge of the subject's sessions.
    async fn now(&self, subject: &Subject) -> Result<Timestamp, StoreError>;

    /// A lower bound of the same server's clock at `moment`, as far as earlier answers allow one.
    fn lower_bound(&self, subject: &Subject, moment: Instant) -> Option<Timestamp>;

    /// Passes the revocation feed to `listener`: the events it holds, then each new one, for as long as the future is
    /// polled.
    async fn subscribe(&self, listener: &(dyn Listener + Sync));

    /// Whether the store can serve: reachable, writable, and of a layout known to this node. Returns the remaining
    /// dangers to the promises, in words.
    async fn ready(&self) -> Result<Vec<String>, StoreError>;
}

/// A session to be created. Empty strings are not stored.
#[derive(Debug, Clone)]
pub struct NewSession<'a> {
    pub subject: &'a Subject,
    /// The id of the first refresh token; names the session.
    pub jti: Jti,
    /// A create is refused after this moment. Doubled on its way, a create could otherwise revive a session ended in
    /// between.
    pub deadline: Moment,
    /// A JSON object. All values here are printable ASCII.
    pub claims: &'a str,
    pub client: &'a str,
    pub client_id: &'a str,
    pub scope: &'a str,
    pub aud: &'a str,
}

#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// The session stands. `ended` holds the sessions evicted to make room, and earlier ends not yet published.
    Created { created_at: Timestamp, absolute_expires_at: Option<Timestamp>, ended: Ends },
    /// The id has a record or a tombstone already.
    Exists,
    /// The deadline had passed.
    Late,
}

/// A refresh token presented to be exchanged.
#[derive(Debug, Clone)]
pub struct Rotation<'a> {
    pub subject: &'a Subject,
    pub presented: Jti,
    pub generation: u64,
    pub successor: Jti,
    /// When the request arrived. A lower bound of this moment on the store's clock decides.
    pub sent_at: Moment,
    /// Whether a superseded token ends sessions. If not, the answer is [`Rotated::Suspect`], and nothing is written.
    pub accuse: bool,
}

/// The answers of [`Store::rotate`], in the order in which they are tried.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotated {
    /// No record, or its absolute lifetime is over.
    Unknown,
    /// The session has ended. No alarm: a token of a logged-out session is no theft.
    Ended {
        reason: Reason,
        published: bool,
    },
    /// The same successor again; nothing was written.
    Replayed(Successor),
    Rotated(Successor),
    /// A failover had rolled the record back, and the token was ahead of it. The record has been brought up.
    RolledBack(Successor),
    /// Sent before the latest rotation of the record, so the request proves nothing; nothing was written.
    Late,
    /// Reuse, but the call may not accuse; nothing was written.
    Suspect,
    /// A superseded token came back: theft is assumed, and these sessions have ended.
    Reused(Ends),
}

/// The data for minting the successor of a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Successor {
    pub now: Timestamp,
    pub jti: Jti,
    pub generation: u64,
    pub issued_at: Timestamp,
    pub absolute_expires_at: Option<Timestamp>,
    pub claims: String,
    pub scope: String,
    pub aud: String,
}

/// The ends of one subject's sessions that are to be published.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ends {
    /// Ended by this call.
    pub now: Vec<EndedSession>,
    /// Ended earlier, by a node cut short before it published them.
    pub before: Vec<EndedSession>,
}

impl Ends {
    /// The end of one session, by this call.
    pub fn of(session: EndedSession) -> Self {
        Self { now: vec![session], before: Vec::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.now.is_empty() && self.before.is_empty()
    }

    pub fn all(&self) -> Vec<EndedSession> {
        self.now.iter().chain(&self.before).cloned().collect()
    }

    pub fn ids(&self) -> Vec<SessionId> {
        self.now.iter().chain(&self.before).map(|one| one.session).collect()
    }
}

/// The answers of [`Store::end_session`].
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndOutcome {
    Ended,
    Already { reason: Reason, published: bool },
    Unknown,
}

#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    Live {
        record: Box<SessionRecord>,
        /// The id of the current refresh token.
        jti: Jti,
        /// A JSON object.
        claims: String,
    },
    Ended {
        reason: Reason,
        ended_at: Timestamp,
        published: bool,
    },
    Unknown,
}

/// A live session, as operators and users see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    pub session: SessionId,
    pub generation: u64,
    pub created_at: Timestamp,
    pub last_refreshed_at: Timestamp,
    pub expires_at: Timestamp,
    pub absolute_expires_at: Option<Timestamp>,
    /// Empty, or a JSON object.
    pub client: String,
    pub client_id: String,
}

impl SessionRecord {
    /// The most recently refreshed first; ties by id, for the same order everywhere.
    pub(crate) fn sort(records: &mut [Self]) {
        records.sort_by_key(|record| (std::cmp::Reverse(record.last_refreshed_at), record.session));
    }
}
