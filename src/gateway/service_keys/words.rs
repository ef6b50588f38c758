//! The words of an entry before its `=`: a name, roles and marks.

use std::str::FromStr;

use super::invalid_service_keys::InvalidServiceKeys;

/// The mark of an entry whose service is a confidential client (RFC 6749 section 2.1): its sessions are refreshed and
/// revoked with its key alone.
pub const CONFIDENTIAL: &str = "confidential";

/// A permission of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Create sessions.
    Issue,
    /// Introspect tokens (RFC 7662).
    Introspect,
    /// See, change and end users' sessions.
    Manage,
    /// Read the revocation feed.
    Feed,
    /// Read the security events. It is reserved: no endpoint asks for this role yet.
    Events,
}

impl Role {
    pub const ALL: [Self; 5] = [Self::Issue, Self::Introspect, Self::Manage, Self::Feed, Self::Events];

    /// Whether nothing serves it yet.
    pub fn is_reserved(self) -> bool {
        self == Self::Events
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Introspect => "introspect",
            Self::Manage => "manage",
            Self::Feed => "feed",
            Self::Events => "events",
        }
    }
}

impl FromStr for Role {
    type Err = InvalidServiceKeys;

    fn from_str(text: &str) -> Result<Self, InvalidServiceKeys> {
        let role = Self::ALL.into_iter().find(|role| role.as_str() == text);
        role.ok_or_else(|| InvalidServiceKeys::Role(text.to_owned()))
    }
}

/// A service name, of characters that need no escapes in Basic credentials and in `SERVICE_KEYS`.
pub fn check_name(name: &str) -> Result<String, InvalidServiceKeys> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
        Ok(name.to_owned())
    } else {
        Err(InvalidServiceKeys::Name(name.chars().take(64).collect()))
    }
}
