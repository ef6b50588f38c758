//! Reading sessions, and changing their claims.

use token_gateway_core::feed::EndedSession;
use token_gateway_core::session::{SessionId, Subject};

use super::{Call, Error, Gateway, Refusal};
use crate::store::{Lookup, SessionRecord};
use crate::telemetry::metrics::Operation;
use crate::token::session_claims::SessionClaims;

/// The bearer of an access token, after its session was looked up in the store.
#[derive(Debug)]
pub enum Caller {
    Live {
        subject: Subject,
        session: SessionId,
    },
    /// The session has ended, and these ends are published only now. Perhaps this repeats a logout with "unavailable"
    /// as its first answer.
    JustAnnounced {
        subject: Subject,
        announced: Vec<SessionId>,
    },
}

impl Gateway {
    /// Checks an access token, and in the store whether its session is live.
    pub async fn caller(&self, call: Call, token: &str) -> Result<Caller, Error> {
        let refused = |refusal| Error::Access(Refusal::Token(refusal));
        let token = self.tokens.open_access(token).map_err(refused)?;
        let now = self.now(call, &token.subject).await?;
        let token = token.live_at(now).map_err(refused)?;
        let (subject, session) = (token.subject, token.session);
        if let Some(met) = self.remembered(&subject, session) {
            let announced = self.insist(call, &subject, met).await?;
            if announced.is_empty() {
                return Err(Error::Access(Refusal::Ended));
            }
            return Ok(Caller::JustAnnounced { subject, announced });
        }
        match self.in_time(call, Operation::Read, self.store.get(&subject, session)).await? {
            Lookup::Live { .. } => Ok(Caller::Live { subject, session }),
            Lookup::Ended { reason, announced: false, .. } => {
                let settling = self.settle(call, subject.clone(), EndedSession { session, reason });
                let announced = self.in_time(call, Operation::End, settling).await?;
                Ok(Caller::JustAnnounced { subject, announced })
            }
            Lookup::Ended { announced: true, .. } => Err(Error::Access(Refusal::Ended)),
            Lookup::Unknown => Err(Error::Access(Refusal::Unknown)),
        }
    }

    pub async fn list(&self, call: Call, subject: &Subject) -> Result<Vec<SessionRecord>, Error> {
        let mut live = self.in_time(call, Operation::Read, self.store.list(subject)).await?;
        for met in live.iter().filter_map(|record| self.remembered(subject, record.session)) {
            self.insist(call, subject, met).await?;
        }
        live.retain(|record| self.remembered(subject, record.session).is_none());
        Ok(live)
    }

    /// One session, live or ended.
    pub async fn get(&self, call: Call, subject: &Subject, session: SessionId) -> Result<Lookup, Error> {
        if let Some(met) = self.remembered(subject, session) {
            self.insist(call, subject, met).await?;
        }
        match self.in_time(call, Operation::Read, self.store.get(subject, session)).await? {
            Lookup::Unknown => Err(Error::NotFound),
            found => Ok(found),
        }
    }

    /// Replaces the claims of one session, from its next refresh on.
    pub async fn set_claims(
        &self,
        call: Call,
        subject: &Subject,
        session: SessionId,
        claims: &SessionClaims,
    ) -> Result<Lookup, Error> {
        if let Some(met) = self.remembered(subject, session) {
            self.insist(call, subject, met).await?;
        }
        let part = async {
            let updated = self.store.set_claims(subject, Some(session), claims.as_str()).await?;
            if updated.is_empty() { Ok(None) } else { self.store.get(subject, session).await.map(Some) }
        };
        match self.in_time(call, Operation::Write, part).await? {
            None | Some(Lookup::Unknown) => Err(Error::NotFound),
            Some(found) => Ok(found),
        }
    }

    /// Replaces the claims of all live sessions of the subject; returns their ids.
    pub async fn set_subject_claims(
        &self,
        call: Call,
        subject: &Subject,
        claims: &SessionClaims,
    ) -> Result<Vec<SessionId>, Error> {
        let part = self.store.set_claims(subject, None, claims.as_str());
        self.in_time(call, Operation::Write, part).await
    }
}
