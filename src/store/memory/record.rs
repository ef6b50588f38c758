//! The record of a session, live or ended, as the embedded store keeps it.

use std::time::Duration;

use token_gateway_core::clock::Timestamp;
use token_gateway_core::session::{Jti, Reason, SessionId};

use crate::store::{Policy, Rotation, SessionRecord, Successor, absolute_end};

#[derive(Debug, Clone)]
pub(super) enum Record {
    Live(Box<Live>),
    Ended { reason: Reason, ended_at: Timestamp, published: bool, expires_at: Timestamp },
}

#[derive(Debug, Clone)]
pub(super) struct Live {
    pub jti: Jti,
    pub generation: u64,
    pub prev: Option<Jti>,
    pub created_at: Timestamp,
    pub rotated_at: Timestamp,
    pub issued_at: Timestamp,
    pub absolute_expires_at: Option<Timestamp>,
    pub expires_at: Timestamp,
    pub claims: String,
    /// That of the login, and that of the latest refresh with one.
    pub client: String,
    pub last_client: Option<String>,
    pub client_id: String,
    pub scope: String,
    pub aud: String,
}

impl Record {
    /// When the record is gone: idle for too long, past the absolute lifetime, or a tombstone's end.
    pub fn expires_at(&self) -> Timestamp {
        match self {
            Self::Live(live) => live.gone_at(),
            Self::Ended { expires_at, .. } => *expires_at,
        }
    }

    /// Lets time pass for the record, by moving it into the past.
    pub fn age(&mut self, by: Duration) {
        match self {
            Self::Live(live) => live.age(by),
            Self::Ended { ended_at, expires_at, .. } => {
                *ended_at = ended_at.minus(by);
                *expires_at = expires_at.minus(by);
            }
        }
    }

    pub fn tombstone(reason: Reason, now: Timestamp, policy: &Policy) -> Self {
        let expires_at = now.plus(policy.tombstone_ttl);
        Self::Ended { reason, ended_at: now, published: false, expires_at }
    }
}

impl Live {
    fn gone_at(&self) -> Timestamp {
        self.absolute_expires_at.map_or(self.expires_at, |absolute| absolute.min(self.expires_at))
    }

    fn age(&mut self, by: Duration) {
        for time in [&mut self.created_at, &mut self.rotated_at, &mut self.issued_at, &mut self.expires_at] {
            *time = time.minus(by);
        }
        self.absolute_expires_at = self.absolute_expires_at.map(|at| at.minus(by));
    }

    /// Created before a call sent at `sent_at`. A session from the future was created by a clock ahead of this one, not
    /// after the call.
    pub fn is_older(&self, sent_at: Timestamp, now: Timestamp) -> bool {
        self.created_at <= sent_at || self.created_at > now
    }

    /// The end of its absolute lifetime, under a policy that may not be the one of its creation.
    pub fn absolute_end(&self, policy: &Policy) -> Option<Timestamp> {
        absolute_end(self.created_at, self.absolute_expires_at, policy.session_max_age)
    }

    /// Whether its absolute lifetime is over.
    pub fn is_over(&self, now: Timestamp, policy: &Policy) -> bool {
        self.absolute_end(policy).is_some_and(|end| now >= end)
    }

    pub fn grant(&self, now: Timestamp, policy: &Policy) -> Successor {
        Successor {
            now,
            jti: self.jti,
            generation: self.generation,
            issued_at: self.issued_at,
            absolute_expires_at: self.absolute_end(policy),
            claims: self.claims.clone(),
            scope: self.scope.clone(),
            aud: self.aud.clone(),
        }
    }

    pub fn move_on(&mut self, rotation: &Rotation<'_>, now: Timestamp, policy: &Policy) -> Successor {
        self.jti = rotation.successor;
        self.generation = rotation.generation + 1;
        self.prev = Some(rotation.presented);
        self.rotated_at = now;
        self.issued_at = now;
        self.expires_at = now.plus(policy.refresh_ttl);
        self.absolute_expires_at = self.absolute_end(policy);
        if !rotation.client.is_empty() {
            self.last_client = Some(rotation.client.to_owned());
        }
        self.grant(now, policy)
    }

    /// `None` where its absolute lifetime is over.
    pub fn record(&self, session: SessionId, now: Timestamp, policy: &Policy) -> Option<SessionRecord> {
        let stored = SessionRecord {
            session,
            generation: self.generation,
            created_at: self.created_at,
            last_refreshed_at: self.rotated_at,
            expires_at: self.gone_at(),
            absolute_expires_at: self.absolute_expires_at,
            client: self.last_client.as_ref().unwrap_or(&self.client).clone(),
            client_id: self.client_id.clone(),
        };
        stored.within(policy.session_max_age, now)
    }
}
