//! The bearer of an access token, and the session of a token as the store knows it.

use token_gateway_core::feed::EndedSession;
use token_gateway_core::session::{Jti, SessionId, Subject};
use token_gateway_core::token::Audiences;

use super::{Deadline, Gateway, GatewayError, GrantRefusal, Verdict};
use crate::store::Lookup;
use crate::telemetry::metrics::Operation;

/// The bearer of a valid access token.
pub(super) enum Bearer {
    Live {
        subject: Subject,
        session: SessionId,
    },
    /// The session has ended, and these ends are published only now. Perhaps this repeats a logout with "unavailable"
    /// as its first answer.
    JustPublished {
        subject: Subject,
        published: Vec<SessionId>,
    },
}

/// The subject and the session that a valid access token names.
pub(super) type Named = (Subject, SessionId);

/// The session of a signed token.
pub(super) enum Standing {
    /// `jti` is the id of the current refresh token.
    Live {
        jti: Jti,
    },
    /// `published` holds the ends that are published only now.
    Ended {
        published: Vec<SessionId>,
    },
    NoSession,
}

impl Gateway {
    /// Checks an access token for one of `ME_AUDIENCES`, and asks the store whether its session is live.
    pub(super) async fn bearer(
        &self,
        deadline: Deadline,
        token: &str,
    ) -> Result<Verdict<Bearer>, GatewayError> {
        match self.named_by(deadline, token).await? {
            Ok(named) => self.bearer_named(deadline, named).await,
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// Checks an access token for one of `ME_AUDIENCES`. Its session may have ended.
    pub(super) async fn named_by(
        &self,
        deadline: Deadline,
        token: &str,
    ) -> Result<Verdict<Named>, GatewayError> {
        let audiences = Audiences::Only(&self.settings.me_audiences);
        let token = match self.tokens.open_access(token, audiences) {
            Ok(token) => token,
            Err(refusal) => return Ok(Err(GrantRefusal::Token(refusal))),
        };
        let now = self.now(deadline, &token.subject).await?;
        if let Err(refusal) = token.check_live_at(now) {
            return Ok(Err(GrantRefusal::Token(refusal)));
        }
        Ok(Ok((token.subject, token.session)))
    }

    /// Asks the store whether the session is live.
    pub(super) async fn bearer_named(
        &self,
        deadline: Deadline,
        (subject, session): Named,
    ) -> Result<Verdict<Bearer>, GatewayError> {
        Ok(match self.standing(deadline, &subject, session).await? {
            Standing::Live { .. } => Ok(Bearer::Live { subject, session }),
            Standing::Ended { published } if published.is_empty() => Err(GrantRefusal::Ended),
            Standing::Ended { published } => Ok(Bearer::JustPublished { subject, published }),
            Standing::NoSession => Err(GrantRefusal::NoSession),
        })
    }

    /// The session of a token. An end that is not published yet is published now.
    pub(super) async fn standing(
        &self,
        deadline: Deadline,
        subject: &Subject,
        session: SessionId,
    ) -> Result<Standing, GatewayError> {
        if let Some(ends) = self.repair_revoked(deadline, subject, session).await? {
            return Ok(Standing::Ended { published: ends.ids() });
        }
        match self.in_time(deadline, Operation::Read, self.store.get(subject, session)).await? {
            Lookup::Live { jti, .. } => Ok(Standing::Live { jti }),
            Lookup::Ended { reason, published: false, .. } => {
                let ender = self.ender();
                let part =
                    ender.publish_tombstone(deadline, subject.clone(), EndedSession { session, reason });
                let ends = self.in_time(deadline, Operation::End, part).await?;
                Ok(Standing::Ended { published: ends.ids() })
            }
            Lookup::Ended { published: true, .. } => Ok(Standing::Ended { published: Vec::new() }),
            Lookup::Missing => Ok(Standing::NoSession),
        }
    }
}
