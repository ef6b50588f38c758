//! A refresh token is exchanged for its successor: one round trip to the store.

use token_gateway_core::clock::Moment;
use token_gateway_core::feed::EndedSession;
use token_gateway_core::session::{Attempt, Reason};
use token_gateway_core::token::RefreshToken;

use super::{Call, Error, Gateway, Issued, Refusal};
use crate::store::{self, Rotated, Rotation};
use crate::telemetry::metrics::{Operation, RefreshOutcome};
use crate::token::{Grant, Pair};

/// A request for RFC 6749 section 6.
pub struct Refresh<'a> {
    pub token: &'a str,
    /// The client, where it names itself.
    pub client_id: Option<&'a str>,
    /// A narrower scope for the access token.
    pub scope: Option<&'a str>,
    pub attempt: Attempt,
}

impl Gateway {
    pub async fn refresh(&self, call: Call, request: &Refresh<'_>) -> Result<Issued, Error> {
        let outcome = self.exchange(call, request).await;
        if let Err(error) = &outcome {
            self.metrics.refreshed(match error {
                Error::Store(_) | Error::NotFound => RefreshOutcome::Unavailable,
                Error::Overtaken => RefreshOutcome::Late,
                // Counted on detection: the answer may be lost, and still the reuse happened.
                Error::Grant(Refusal::Reused) => return outcome,
                Error::Grant(Refusal::Ended) => RefreshOutcome::Ended,
                Error::Grant(Refusal::Unknown) => RefreshOutcome::Unknown,
                Error::Grant(_) | Error::Access(_) | Error::Scope => RefreshOutcome::Refused,
            });
        }
        outcome
    }

    async fn exchange(&self, call: Call, request: &Refresh<'_>) -> Result<Issued, Error> {
        let token = self.open_refresh(call, request).await?;
        let scope = narrowed(request.scope, token.scope.as_deref())?;
        if let Some(met) = self.remembered(&token.subject, token.jti.session()) {
            self.insist(call, &token.subject, met).await?;
            return Err(Error::Grant(Refusal::Ended));
        }
        let rotated = self.in_time(call, Operation::Refresh, self.rotate(call, &token, request)).await?;
        let (outcome, grant) = match rotated {
            Rotated::Rotated(grant) => (RefreshOutcome::Rotated, grant),
            Rotated::Replayed(grant) => (RefreshOutcome::Replayed, grant),
            Rotated::RolledBack(grant) => {
                log::warn!("session {}: the store had lost its last rotations; healed", token.jti.session());
                (RefreshOutcome::RolledBack, grant)
            }
            Rotated::Late | Rotated::Suspect => return Err(Error::Overtaken),
            Rotated::Unknown => return Err(Error::Grant(Refusal::Unknown)),
            Rotated::Ended { .. } => return Err(Error::Grant(Refusal::Ended)),
            Rotated::Reused(_) => return Err(Error::Grant(Refusal::Reused)),
        };
        let pair = self.mint(&Grant {
            subject: &token.subject,
            jti: &grant.jti,
            generation: grant.generation,
            issued_at: grant.issued_at,
            now: grant.now,
            absolute_expires_at: grant.absolute_expires_at,
            client_id: &token.client_id,
            audience: if grant.aud.is_empty() { &self.settings.audience } else { &grant.aud },
            scope: Some(grant.scope.as_str()).filter(|scope| !scope.is_empty()),
            narrowed: scope,
            claims: &grant.claims,
        })?;
        self.metrics.refreshed(outcome);
        let scope = scope.map(str::to_owned).or(Some(grant.scope).filter(|scope| !scope.is_empty()));
        Ok(Issued { pair, session: grant.jti.session(), scope })
    }

    async fn open_refresh(&self, call: Call, request: &Refresh<'_>) -> Result<RefreshToken, Error> {
        let refused = |refusal| Error::Grant(Refusal::Token(refusal));
        let token = self.tokens.open_refresh(request.token).map_err(refused)?;
        let now = self.now(call, &token.subject).await?;
        let token = token.live_at(now).map_err(refused)?;
        if request.client_id.is_some_and(|client| client != token.client_id) {
            return Err(Error::Grant(Refusal::Client));
        }
        Ok(token)
    }

    /// The rotation, and the publishing of ended sessions before any answer.
    async fn rotate(
        &self,
        call: Call,
        token: &RefreshToken,
        request: &Refresh<'_>,
    ) -> Result<Rotated, store::Error> {
        let mut rotation = Rotation {
            subject: &token.subject,
            presented: token.jti,
            generation: token.generation,
            successor: token.jti.successor(&request.attempt),
            sent_at: Moment::Local(call.arrived),
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
                log::warn!("session {session}: refresh token reused, {} sessions ended", ended.now.len());
                self.publish(call, token.subject.clone(), ended.clone()).await?;
            }
            Rotated::Ended { reason, announced: false } => {
                if *reason == Reason::Reuse {
                    log::warn!("session {session}: ended by a reuse whose answer was lost");
                }
                self.settle(call, token.subject.clone(), EndedSession { session, reason: *reason }).await?;
            }
            _ => {}
        }
        Ok(rotated)
    }

    pub(super) fn mint(&self, grant: &Grant<'_>) -> Result<Pair, store::Error> {
        self.tokens.mint(grant).map_err(|error| store::Error::Corrupt(error.to_string()))
    }
}

/// Scope may be narrowed at a refresh, never widened (RFC 6749 section 6).
fn narrowed<'a>(asked: Option<&'a str>, granted: Option<&str>) -> Result<Option<&'a str>, Error> {
    let held = |scope| granted.unwrap_or_default().split(' ').any(|one| one == scope);
    match asked {
        Some(asked) if asked.split(' ').all(held) => Ok(Some(asked)),
        Some(_) => Err(Error::Scope),
        None => Ok(None),
    }
}
