//! The two kinds of servers.

/// A server with data, or a Sentinel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Data,
    Sentinel,
}
