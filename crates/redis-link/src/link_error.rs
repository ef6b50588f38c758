//! The error of a link.

use crate::{Diagnosis, ErrorReply};

/// The server could not be asked, or its answer did not arrive: **the outcome is unknown**.
///
/// The messages are for logs. They hold no argument of a call, and no secret.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum LinkError {
    /// Unreachable, too slow, read-only, loading.
    #[error("store unavailable: {0}")]
    Unavailable(Box<Diagnosis>),
    /// The server answered with an error that somebody must mend: a right or a command is missing, a password is wrong.
    #[error("store unavailable: {0}")]
    Replied(ErrorReply),
    /// As many calls as allowed are in flight (`REDIS_MAX_IN_FLIGHT`).
    #[error("too many store calls in flight")]
    Overloaded,
    /// An answer of another form than its script promises, or one that the handshake cannot read.
    #[error("unreadable record in the store: {0}")]
    Corrupt(String),
}

impl From<Diagnosis> for LinkError {
    fn from(diagnosis: Diagnosis) -> Self {
        Self::Unavailable(Box::new(diagnosis))
    }
}

impl LinkError {
    /// Whether a further try helps only after somebody has mended something.
    pub fn is_lasting(&self) -> bool {
        matches!(self, Self::Replied(reply) if !reply.may_pass())
    }

    /// Whether the server could not be reached, or could not serve just now.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// The error without the words that begin each one.
    pub fn cause(&self) -> String {
        match self {
            Self::Unavailable(diagnosis) => diagnosis.to_string(),
            Self::Replied(reply) => reply.to_string(),
            error => error.to_string(),
        }
    }

    /// A name for failures of one kind. Servers that cannot be reached are of one kind, whatever the cause.
    pub fn kind(&self) -> String {
        match self {
            Self::Unavailable(_) => "unavailable".to_owned(),
            Self::Replied(reply) => reply.kind(),
            error => error.to_string(),
        }
    }
}
