//! Ends that are to be published.

use token_gateway_core::feed::EndedSession;
use token_gateway_core::session::SessionId;

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
