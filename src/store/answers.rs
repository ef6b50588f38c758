//! The answers of a store, and the error in place of one.

use std::time::Duration;

use token_gateway_core::clock::Timestamp;
use token_gateway_core::feed::EndedSession;
use token_gateway_core::session::{Jti, Reason, SessionId};
use token_gateway_redis_link::{ErrorReply, LinkError};

use super::policy::absolute_end;

/// The store could not be asked, or its answer did not arrive: **the outcome is unknown**.
///
/// Never a verdict on a token. The messages are for logs and hold no token, claim or secret.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum StoreError {
    /// Unreachable, too slow, read-only, loading.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// Redis answered with an error that somebody must mend: a right or a command is missing, a password is wrong.
    #[error("store unavailable: {0}")]
    Replied(ErrorReply),
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
            LinkError::Unavailable(diagnosis) => Self::Unavailable(diagnosis.to_string()),
            LinkError::Replied(refusal) => Self::Replied(refusal),
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

    /// Whether the store is out of memory.
    pub fn is_of_memory(&self) -> bool {
        matches!(self, Self::Replied(reply) if reply.is_of_memory())
    }
}

/// The answers of `create`.
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

/// The answers of `rotate`, in the order in which they are tried.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotated {
    /// No record, or its absolute lifetime is over.
    Missing,
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

/// The answers of `end_session`.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndOutcome {
    Ended,
    Already { reason: Reason, published: bool },
    Missing,
}

/// The answers of `get`.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    Live {
        record: Box<SessionRecord>,
        /// The id of the current refresh token.
        jti: Jti,
        /// A JSON object.
        claims: String,
        /// The client of the login: empty, or a JSON object.
        first_client: String,
    },
    Ended {
        reason: Reason,
        ended_at: Timestamp,
        published: bool,
    },
    Missing,
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
    /// The last known client: that of the latest refresh with one, else that of the login. Empty, or a JSON object.
    pub client: String,
    pub client_id: String,
}

impl SessionRecord {
    /// The record with its ends under a setting that may have changed since it was written; `None` where the session is
    /// over.
    pub(crate) fn within(mut self, max_age: Option<Duration>, now: Timestamp) -> Option<Self> {
        self.absolute_expires_at = absolute_end(self.created_at, self.absolute_expires_at, max_age);
        if let Some(end) = self.absolute_expires_at {
            self.expires_at = self.expires_at.min(end);
        }
        self.absolute_expires_at.is_none_or(|end| now < end).then_some(self)
    }

    /// The most recently refreshed first; ties by id, for the same order everywhere.
    pub(crate) fn sort(records: &mut [Self]) {
        records.sort_by_key(|record| (std::cmp::Reverse(record.last_refreshed_at), record.session));
    }
}
