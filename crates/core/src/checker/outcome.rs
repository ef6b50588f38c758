//! The three outcomes of a check, and the reasons for two of them.

use super::Access;
use crate::token::TokenRefusal;

/// The outcome of a check. A verdict is `Accepted` or `Refused`; `Unknown` is none.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Serve the request.
    Accepted(Access),
    /// Answer 401: the token is not good, or its session has ended.
    Refused(AccessRefusal),
    /// Answer 503: the token may be good, and the request may be repeated.
    Unknown(Unknown),
}

/// Why an access token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccessRefusal {
    /// The token itself is not good.
    #[error("{0}")]
    Token(#[from] TokenRefusal),
    /// A logout, or another end, came before.
    #[error("its session has ended")]
    Ended,
}

/// Why there is no verdict on an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// The revocation feed has not been read yet, so no logout is known.
    #[error("the revocation feed has not been read yet")]
    FeedUnread,
    /// The lag of the revocation feed is beyond the limit, so a logout may be unknown.
    #[error("the revocation feed is stale")]
    FeedStale,
    /// The keys have not been fetched. Or the token names an unknown key, and the last fetch has failed.
    #[error("the keys have not been fetched")]
    KeysUnfetched,
    /// The token lives longer than the denylist keeps an entry, so the denylist may have dropped its session.
    #[error("the token outlives the entries of the denylist")]
    OutlivesDenylist,
    /// The denylist was full, so it lacks ends. Rules for a stale feed change nothing about that.
    #[error("the denylist was full, and lacks ends")]
    DenylistFull,
}
