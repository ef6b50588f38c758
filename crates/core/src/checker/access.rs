//! The content of a valid token.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::session::{SessionId, Subject};
use crate::token::AccessToken;

/// An access token found valid. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access(Arc<AccessContent>);

#[derive(PartialEq, Eq)]
struct AccessContent {
    token: AccessToken,
    /// A JSON object: the claims as they stand in the token.
    payload: Vec<u8>,
}

impl std::fmt::Debug for AccessContent {
    /// Without the claims: these may say more of a person than a log should hold.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.token.fmt(f)
    }
}

impl Access {
    pub(super) fn new(token: AccessToken, payload: Vec<u8>) -> Self {
        Self(Arc::new(AccessContent { token, payload }))
    }

    pub(super) fn token(&self) -> &AccessToken {
        &self.0.token
    }

    /// `sub`: the user.
    pub fn subject(&self) -> &Subject {
        &self.0.token.subject
    }

    /// `sid`
    pub fn session(&self) -> SessionId {
        self.0.token.session
    }

    /// `client_id` (RFC 9068 section 2.2)
    pub fn client_id(&self) -> &str {
        &self.0.token.client_id
    }

    /// `scope`, as it stands (RFC 6749 section 3.3).
    pub fn scope(&self) -> Option<&str> {
        self.0.token.scope.as_deref()
    }

    /// Whether the token has this scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scope().is_some_and(|held| held.split(' ').any(|one| one == scope))
    }

    /// `exp`, in seconds since the epoch.
    pub fn expires_at(&self) -> u64 {
        self.0.token.expires_at()
    }

    /// All claims, those of the login service among them, as a type of your own.
    ///
    /// # Errors
    ///
    /// When the claims do not fit that type.
    pub fn claims<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.0.payload)
    }
}
