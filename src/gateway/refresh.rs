//! A refresh token is exchanged for its successor: one round trip to the store.

use token_gateway_core::clock::Moment;
use token_gateway_core::feed::EndedSession;
use token_gateway_core::session::{Attempt, Reason};
use token_gateway_core::token::RefreshToken;

use super::caller::Caller;
use super::theft::{self, Sender};
use super::{Deadline, Gateway, GatewayError, GrantRefusal, Issued, Verdict};
use crate::store::{Rotated, Rotation, StoreError, Successor};
use crate::telemetry::metrics::{Operation, RefreshOutcome};
use crate::token::Grant;

/// A request for RFC 6749 section 6.
pub struct Refresh<'a> {
    pub token: &'a str,
    pub caller: &'a Caller,
    /// A narrower scope for the access token.
    pub scope: Option<&'a str>,
    /// The device as a service describes it: a JSON object, or empty.
    pub client: &'a str,
    pub attempt: Attempt,
    /// For the alarm of a theft.
    pub sender: Sender<'a>,
}

impl Gateway {
    pub async fn refresh(
        &self,
        deadline: Deadline,
        request: &Refresh<'_>,
    ) -> Result<Verdict<Issued>, GatewayError> {
        let answer = self.exchange(deadline, request).await;
        let outcome = match &answer {
            Err(GatewayError::Store(_) | GatewayError::Overloaded(_)) => RefreshOutcome::Unavailable,
            Err(GatewayError::Overtaken) => RefreshOutcome::Late,
            // Counted on detection: the answer may be lost, and still the reuse happened.
            Ok(Err(GrantRefusal::Reused)) | Ok(Ok(_)) => return answer,
            Ok(Err(GrantRefusal::Ended)) => RefreshOutcome::Ended,
            Ok(Err(GrantRefusal::NoSession)) => RefreshOutcome::Unknown,
            Ok(Err(
                GrantRefusal::Token(_) | GrantRefusal::Client | GrantRefusal::NoKey | GrantRefusal::Scope,
            )) => RefreshOutcome::Refused,
        };
        self.metrics.refreshed(outcome);
        answer
    }

    async fn exchange(
        &self,
        deadline: Deadline,
        request: &Refresh<'_>,
    ) -> Result<Verdict<Issued>, GatewayError> {
        let (token, narrowed) = match self.admit(deadline, request).await? {
            Ok(admitted) => admitted,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let session = token.jti.session();
        if self.repair_revoked(deadline, &token.subject, session).await?.is_some() {
            return Ok(Err(GrantRefusal::Ended));
        }
        let rotated =
            self.in_time(deadline, Operation::Refresh, self.rotate(deadline, &token, request)).await?;
        let (outcome, successor) = match rotated {
            Rotated::Rotated(successor) => (RefreshOutcome::Rotated, successor),
            Rotated::Replayed(successor) => (RefreshOutcome::Replayed, successor),
            Rotated::RolledBack(successor) => {
                log::warn!(sid = session.as_str(); "session {session}: the store had lost its last rotations; healed");
                (RefreshOutcome::RolledBack, successor)
            }
            Rotated::Late | Rotated::Suspect => return Err(GatewayError::Overtaken),
            Rotated::Missing => return Ok(Err(GrantRefusal::NoSession)),
            Rotated::Ended { .. } => return Ok(Err(GrantRefusal::Ended)),
            Rotated::Reused(_) => return Ok(Err(GrantRefusal::Reused)),
        };
        let issued = self.grant(&token, successor, narrowed)?;
        self.metrics.refreshed(outcome);
        Ok(Ok(issued))
    }

    /// The token of a request, and the narrower scope that it asks for.
    async fn admit<'a>(
        &self,
        deadline: Deadline,
        request: &Refresh<'a>,
    ) -> Result<Verdict<(RefreshToken, Option<&'a str>)>, GatewayError> {
        let token = match self.tokens.open_refresh(request.token) {
            Ok(token) => token,
            Err(refusal) => return Ok(Err(GrantRefusal::Token(refusal))),
        };
        if let Err(refusal) = self.check_caller(request.caller, &token.client_id) {
            return Ok(Err(refusal));
        }
        let now = self.now(deadline, &token.subject).await?;
        let token = match token.live_at(now) {
            Ok(token) => token,
            Err(refusal) => return Ok(Err(GrantRefusal::Token(refusal))),
        };
        Ok(narrowed(request.scope, token.scope.as_deref()).map(|scope| (token, scope)))
    }

    fn grant(
        &self,
        token: &RefreshToken,
        successor: Successor,
        narrowed: Option<&str>,
    ) -> Result<Issued, GatewayError> {
        let granted = Some(successor.scope).filter(|scope| !scope.is_empty());
        let pair = self.tokens.mint(&Grant {
            subject: &token.subject,
            jti: &successor.jti,
            generation: successor.generation,
            issued_at: successor.issued_at,
            now: successor.now,
            absolute_expires_at: successor.absolute_expires_at,
            client_id: &token.client_id,
            audience: if successor.aud.is_empty() { &self.settings.audience } else { &successor.aud },
            scope: granted.as_deref(),
            narrowed,
            claims: &successor.claims,
        })?;
        Ok(Issued { pair, session: successor.jti.session(), scope: narrowed.map(str::to_owned).or(granted) })
    }

    /// The rotation, and the publishing of ended sessions before any answer.
    async fn rotate(
        &self,
        deadline: Deadline,
        token: &RefreshToken,
        request: &Refresh<'_>,
    ) -> Result<Rotated, StoreError> {
        let mut rotation = Rotation {
            subject: &token.subject,
            presented: token.jti,
            generation: token.generation,
            successor: token.jti.successor(&request.attempt),
            sent_at: Moment::Local(deadline.arrived),
            client: request.client,
            accuse: false,
        };
        let (mut rotated, session) = (self.store.rotate(&rotation).await?, token.jti.session());
        if rotated == Rotated::Suspect {
            // The client may have hung up before this node got to its request, repeated it elsewhere, and moved on. The
            // server drops such a request as soon as it waits. So a client still here has not hung up.
            tokio::task::yield_now().await;
            rotation.accuse = true;
            rotated = self.store.rotate(&rotation).await?;
        }
        match &rotated {
            Rotated::Reused(ended) => {
                self.metrics.refreshed(RefreshOutcome::Reused);
                theft::reused(token, &request.sender, ended.now.len());
                self.ender().publish_ends(deadline, token.subject.clone(), ended.clone()).await?;
            }
            Rotated::Ended { reason, published: false } => {
                if *reason == Reason::Reuse {
                    theft::met_again(token, &request.sender);
                }
                let met = EndedSession { session, reason: *reason };
                self.ender().publish_tombstone(deadline, token.subject.clone(), met).await?;
            }
            _ => {}
        }
        Ok(rotated)
    }
}

/// Scope may be narrowed at a refresh, never widened (RFC 6749 section 6).
fn narrowed<'a>(asked: Option<&'a str>, granted: Option<&str>) -> Verdict<Option<&'a str>> {
    let held = |scope| granted.unwrap_or_default().split(' ').any(|one| one == scope);
    match asked {
        Some(asked) if asked.split(' ').all(held) => Ok(Some(asked)),
        Some(_) => Err(GrantRefusal::Scope),
        None => Ok(None),
    }
}
