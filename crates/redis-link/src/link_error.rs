//! The error of a link.

/// The server could not be asked, or its answer did not arrive: **the outcome is unknown**.
///
/// The messages are for logs. They hold no argument of a call, and no secret.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum LinkError {
    /// Unreachable, too slow, read-only, out of memory, loading.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// As many calls as allowed are in flight (`REDIS_MAX_IN_FLIGHT`).
    #[error("too many store calls in flight")]
    Overloaded,
    /// An answer of another form than its script promises, or one that the handshake cannot read.
    #[error("unreadable record in the store: {0}")]
    Corrupt(String),
}
