//! Logout: the holder of a token ends sessions of the token's subject.

use std::sync::Arc;

use token_gateway_core::session::{Reason, SessionId, Subject};
use token_gateway_core::token::Audiences;

use super::bearer::Bearer;
use super::caller::Caller;
use super::{Deadline, Gateway, GatewayError, GrantRefusal, Verdict};
use crate::store::{Page, PageRequest};

impl Gateway {
    /// RFC 7009: ends the session of a refresh or access token for any audience, expired ones included. A token of another
    /// issuer has no session here, and that is fine too.
    pub async fn revoke(
        &self,
        deadline: Deadline,
        token: &str,
        caller: &Caller,
    ) -> Result<Verdict<()>, GatewayError> {
        let (subject, session, issued_to) = if let Ok(token) = self.tokens.open_refresh(token) {
            (token.subject, token.jti.session(), token.client_id)
        } else if let Ok(token) = self.tokens.open_access(token, Audiences::Any) {
            (token.subject, token.session, token.client_id)
        } else {
            return Ok(Ok(()));
        };
        if let Err(refusal) = self.check_caller(caller, &issued_to) {
            return Ok(Err(refusal));
        }
        self.ender().end_proven(deadline, subject, session).await?;
        Ok(Ok(()))
    }

    /// A page of the sessions of the bearer's subject, and the bearer's own session. No session is read before it is the
    /// subject's turn.
    pub async fn own_sessions(
        self: &Arc<Self>,
        deadline: Deadline,
        access_token: &str,
        asked: PageRequest,
    ) -> Result<Verdict<(Page, SessionId)>, GatewayError> {
        let named = match self.named_by(deadline, access_token).await? {
            Ok(named) => named,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let admitted = self.admission.list(deadline, &named.0).await?;
        let part = |gateway: Arc<Self>| async move {
            Ok(match gateway.bearer_named(deadline, named).await? {
                Ok(Bearer::Live { subject, session }) => {
                    Ok((gateway.page(deadline, &subject, asked).await?, session))
                }
                Ok(Bearer::JustPublished { .. }) => Err(GrantRefusal::Ended),
                Err(refusal) => Err(refusal),
            })
        };
        self.admitted(admitted, part).await
    }

    /// Ends all sessions of the bearer's subject, or all but the bearer's own. Returns the sessions whose ends this call
    /// has published.
    pub async fn log_out_everywhere(
        &self,
        deadline: Deadline,
        access_token: &str,
        spares_own: bool,
    ) -> Result<Verdict<Vec<SessionId>>, GatewayError> {
        Ok(match self.bearer(deadline, access_token).await? {
            Ok(Bearer::Live { subject, session }) => {
                let except = spares_own.then_some(session);
                Ok(self.ender().end_all(deadline, subject, except, Reason::Logout).await?.ids())
            }
            // A call repeated after a 503 gets its 200, if only the publishing was left to do.
            Ok(Bearer::JustPublished { subject, published }) => {
                let left = self.page(deadline, &subject, PageRequest::default()).await?;
                let all_ended = !spares_own && left.sessions.is_empty() && left.next.is_none();
                if all_ended { Ok(published) } else { Err(GrantRefusal::Ended) }
            }
            Err(refusal) => Err(refusal),
        })
    }

    /// Ends one session of the bearer's subject. `None` stands for a text that is no session id.
    pub async fn log_out(
        &self,
        deadline: Deadline,
        access_token: &str,
        session: Option<SessionId>,
    ) -> Result<Verdict<Vec<SessionId>>, GatewayError> {
        Ok(match self.bearer(deadline, access_token).await? {
            Ok(Bearer::Live { subject, .. }) => Ok(self.log_out_one(deadline, subject, session).await?),
            Ok(Bearer::JustPublished { published, .. }) => {
                let was_it = session.is_some_and(|session| published.contains(&session));
                if was_it { Ok(published) } else { Err(GrantRefusal::Ended) }
            }
            Err(refusal) => Err(refusal),
        })
    }

    async fn log_out_one(
        &self,
        deadline: Deadline,
        subject: Subject,
        session: Option<SessionId>,
    ) -> Result<Vec<SessionId>, GatewayError> {
        let Some(session) = session else { return Ok(Vec::new()) };
        Ok(self.ender().end_one(deadline, subject, session, Reason::Logout).await?.ids())
    }
}
