//! The error of every backend.

use token_gateway_redis_link::LinkError;

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
