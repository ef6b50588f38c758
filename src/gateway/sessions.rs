//! Looking at sessions, and changing what they carry.

use super::{Error, Gateway, Refusal};
use crate::session::{SessionId, Subject};
use crate::store::{Ended, Lookup, SessionRecord};
use crate::telemetry::metrics::Operation;
use crate::token::claims::SessionClaims;

/// Who an access token speaks for, its session having been looked up in the store.
#[derive(Debug)]
pub enum Caller {
    Live {
        subject: Subject,
        session: SessionId,
    },
    /// The session has ended, but these ends had not been announced before now: a logout is repeated
    /// whose first answer was "unavailable".
    JustAnnounced(Vec<SessionId>),
}

impl Gateway {
    /// Checks an access token, and in the store that its session is live.
    pub async fn caller(&self, token: &str) -> Result<Caller, Error> {
        let now = self.store.clock().now();
        let token = self.tokens.open_access(token, now).and_then(|token| token.live_at(now));
        let token = token.map_err(|rejected| Error::Access(Refusal::Token(rejected)))?;
        let part = async {
            Ok(match self.store.get(&token.subject, token.session).await? {
                Lookup::Live(_) => {
                    Ok(Caller::Live { subject: token.subject.clone(), session: token.session })
                }
                Lookup::Ended { reason, announced: false, .. } => {
                    let met = Ended { session: token.session, reason };
                    Ok(Caller::JustAnnounced(self.settle(token.subject.clone(), met).await?))
                }
                Lookup::Ended { announced: true, .. } => Err(Refusal::Ended),
                Lookup::Unknown => Err(Refusal::Unknown),
            })
        };
        self.in_time(Operation::Read, part).await?.map_err(Error::Access)
    }

    pub async fn list(&self, subject: &Subject) -> Result<Vec<SessionRecord>, Error> {
        self.in_time(Operation::Read, self.store.list(subject)).await
    }

    /// One session, live or ended.
    pub async fn get(&self, subject: &Subject, session: SessionId) -> Result<Lookup, Error> {
        match self.in_time(Operation::Read, self.store.get(subject, session)).await? {
            Lookup::Unknown => Err(Error::NotFound),
            found => Ok(found),
        }
    }

    /// Replaces the claims that one session carries from its next refresh on.
    pub async fn set_claims(
        &self,
        subject: &Subject,
        session: SessionId,
        claims: &SessionClaims,
    ) -> Result<Lookup, Error> {
        let part = async {
            let updated = self.store.set_claims(subject, Some(session), claims.as_str()).await?;
            if updated.is_empty() { Ok(None) } else { self.store.get(subject, session).await.map(Some) }
        };
        match self.in_time(Operation::Write, part).await? {
            None | Some(Lookup::Unknown) => Err(Error::NotFound),
            Some(found) => Ok(found),
        }
    }

    /// Replaces the claims of all live sessions of the subject; tells which.
    pub async fn set_subject_claims(
        &self,
        subject: &Subject,
        claims: &SessionClaims,
    ) -> Result<Vec<SessionId>, Error> {
        let part = self.store.set_claims(subject, None, claims.as_str());
        self.in_time(Operation::Write, part).await
    }
}
