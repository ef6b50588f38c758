//! A new session and its first pair of tokens, after a login service has authenticated the user.

use std::sync::Arc;
use std::time::Instant;

use token_gateway_core::clock::Moment;
use token_gateway_core::session::{Jti, SessionId, Subject};

use super::{Deadline, Gateway, GatewayError, Issued};
use crate::store::{Created, NewSession, StoreError};
use crate::telemetry::metrics::Operation;
use crate::token::Grant;
use crate::token::session_claims::SessionClaims;

/// A login to be turned into a session; all fields are already valid.
#[derive(Debug)]
pub struct Login {
    pub subject: Subject,
    pub claims: SessionClaims,
    /// A JSON object describing the device, or empty.
    pub client: String,
    pub client_id: String,
    pub scope: Option<String>,
    /// The audience of its access tokens; the gateway's own where there is none.
    pub audience: Option<String>,
}

impl Gateway {
    pub async fn issue(self: &Arc<Self>, deadline: Deadline, login: Login) -> Result<Issued, GatewayError> {
        let admitted = self.admission.login(deadline, &login.subject).await?;
        self.admitted(admitted, |gateway| async move { gateway.log_in(deadline, &login).await }).await
    }

    async fn log_in(&self, deadline: Deadline, login: &Login) -> Result<Issued, GatewayError> {
        let session = SessionId::random();
        let jti = Jti::first(session);
        let audience = login.audience.as_deref().unwrap_or(&self.settings.audience);
        let created = self.in_time(deadline, Operation::Issue, async {
            let new = NewSession {
                subject: &login.subject,
                jti,
                deadline: Moment::Local(Instant::now() + self.settings.store_timeout),
                claims: login.claims.as_str(),
                client: &login.client,
                client_id: &login.client_id,
                scope: login.scope.as_deref().unwrap_or_default(),
                aud: login.audience.as_deref().unwrap_or_default(),
            };
            self.store.create(&new).await
        });
        let (created_at, absolute_expires_at, ended) = match created.await? {
            Created::Created { created_at, absolute_expires_at, ended } => {
                (created_at, absolute_expires_at, ended)
            }
            Created::Late => return Err(unavailable("the new session arrived too late").into()),
            Created::Exists => return Err(unavailable("the new session's id is taken").into()),
        };
        // The login stands even if the evictions cannot be published now. The next request to meet them publishes them.
        if let Err(error) = self.ender().publish_ends(deadline, login.subject.clone(), ended).await {
            // The store logs an error reply by itself, and not once for each login.
            let is_logged = matches!(error, StoreError::Replied(_));
            let level = if is_logged { log::Level::Debug } else { log::Level::Warn };
            log::log!(level, error:% = error; "evicted sessions are not published yet: {error}");
        }
        self.metrics.sessions_created.inc();
        let pair = self.tokens.mint(&Grant {
            subject: &login.subject,
            jti: &jti,
            generation: 0,
            issued_at: created_at,
            now: created_at,
            absolute_expires_at,
            client_id: &login.client_id,
            audience,
            scope: login.scope.as_deref(),
            narrowed: None,
            claims: login.claims.as_str(),
        })?;
        Ok(Issued { pair, session, scope: login.scope.clone() })
    }
}

fn unavailable(what: &str) -> StoreError {
    StoreError::Unavailable(what.to_owned())
}
