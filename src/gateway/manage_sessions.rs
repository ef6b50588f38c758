//! Reading sessions, and changing their claims.

use std::sync::Arc;

use token_gateway_core::session::{SessionId, Subject};

use super::{Deadline, Gateway, GatewayError};
use crate::store::{Lookup, Page, PageRequest};
use crate::telemetry::metrics::Operation;
use crate::token::session_claims::SessionClaims;

impl Gateway {
    /// A page of the subject's live sessions.
    pub async fn list(
        self: &Arc<Self>,
        deadline: Deadline,
        subject: Subject,
        asked: PageRequest,
    ) -> Result<Page, GatewayError> {
        let admitted = self.admission.list(deadline, &subject).await?;
        self.admitted(admitted, |gateway| async move { gateway.page(deadline, &subject, asked).await }).await
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
        self: &Arc<Self>,
        deadline: Deadline,
        subject: Subject,
        session: SessionId,
    ) -> Result<Lookup, GatewayError> {
        let admitted = self.admission.other(deadline).await?;
        let part = |gateway: Arc<Self>| async move {
            gateway.repair_revoked(deadline, &subject, session).await?;
            gateway.in_time(deadline, Operation::Read, gateway.store.get(&subject, session)).await
        };
        self.admitted(admitted, part).await
    }

    /// Replaces the claims of one session, from its next refresh on. Returns the session.
    pub async fn set_claims(
        self: &Arc<Self>,
        deadline: Deadline,
        subject: Subject,
        session: SessionId,
        claims: SessionClaims,
    ) -> Result<Lookup, GatewayError> {
        let admitted = self.admission.other(deadline).await?;
        let part = |gateway: Arc<Self>| async move {
            gateway.repair_revoked(deadline, &subject, session).await?;
            let store = &gateway.store;
            let part = async {
                let updated = store.set_claims(&subject, Some(session), claims.as_str()).await?;
                if updated.is_empty() { Ok(Lookup::Missing) } else { store.get(&subject, session).await }
            };
            gateway.in_time(deadline, Operation::Write, part).await
        };
        self.admitted(admitted, part).await
    }

    /// Replaces the claims of all live sessions of the subject; returns their ids.
    pub async fn set_subject_claims(
        self: &Arc<Self>,
        deadline: Deadline,
        subject: Subject,
        claims: SessionClaims,
    ) -> Result<Vec<SessionId>, GatewayError> {
        let admitted = self.admission.other(deadline).await?;
        let part = |gateway: Arc<Self>| async move {
            let part = gateway.store.set_claims(&subject, None, claims.as_str());
            gateway.in_time(deadline, Operation::Write, part).await
        };
        self.admitted(admitted, part).await
    }
}
