//! Reading sessions, and changing their claims.

use token_gateway_core::session::{SessionId, Subject};

use super::{Deadline, Gateway, GatewayError};
use crate::store::{Lookup, Page, PageRequest};
use crate::telemetry::metrics::Operation;
use crate::token::session_claims::SessionClaims;

impl Gateway {
    /// A page of the subject's live sessions.
    pub async fn list(
        &self,
        deadline: Deadline,
        subject: &Subject,
        asked: PageRequest,
    ) -> Result<Page, GatewayError> {
        let _admitted = self.admission.list(deadline, subject).await?;
        self.page(deadline, subject, asked).await
    }

    /// The same for a request that is admitted already, or is a logout.
    pub(super) async fn page(
        &self,
        deadline: Deadline,
        subject: &Subject,
        asked: PageRequest,
    ) -> Result<Page, GatewayError> {
        let mut page = self.in_time(deadline, Operation::Read, self.store.list(subject, asked)).await?;
        for record in &page.sessions {
            self.repair_revoked(deadline, subject, record.session).await?;
        }
        page.sessions.retain(|record| self.denylist.reason(subject, record.session).is_none());
        Ok(page)
    }

    /// One session, live or ended.
    pub async fn get(
        &self,
        deadline: Deadline,
        subject: &Subject,
        session: SessionId,
    ) -> Result<Lookup, GatewayError> {
        let _admitted = self.admission.other(deadline).await?;
        self.repair_revoked(deadline, subject, session).await?;
        self.in_time(deadline, Operation::Read, self.store.get(subject, session)).await
    }

    /// Replaces the claims of one session, from its next refresh on. Returns the session.
    pub async fn set_claims(
        &self,
        deadline: Deadline,
        subject: &Subject,
        session: SessionId,
        claims: &SessionClaims,
    ) -> Result<Lookup, GatewayError> {
        let _admitted = self.admission.other(deadline).await?;
        self.repair_revoked(deadline, subject, session).await?;
        let part = async {
            let updated = self.store.set_claims(subject, Some(session), claims.as_str()).await?;
            if updated.is_empty() { Ok(Lookup::Missing) } else { self.store.get(subject, session).await }
        };
        self.in_time(deadline, Operation::Write, part).await
    }

    /// Replaces the claims of all live sessions of the subject; returns their ids.
    pub async fn set_subject_claims(
        &self,
        deadline: Deadline,
        subject: &Subject,
        claims: &SessionClaims,
    ) -> Result<Vec<SessionId>, GatewayError> {
        let _admitted = self.admission.other(deadline).await?;
        let part = self.store.set_claims(subject, None, claims.as_str());
        self.in_time(deadline, Operation::Write, part).await
    }
}
