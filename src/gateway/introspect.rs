//! Is this token good now, and what does it say? (RFC 7662). Asking changes nothing.

use token_gateway_core::feed::EndedSession;

use super::{Call, Error, Gateway};
use crate::store::Lookup;
use crate::telemetry::metrics::Operation;
use crate::token::open::Kind;

impl Gateway {
    /// The claims of an active token, a JSON object; `None` for a token that is expired, foreign, malformed or
    /// rotated, and for one whose session has ended or is unknown.
    pub async fn introspect(&self, call: Call, token: &str) -> Result<Option<Vec<u8>>, Error> {
        let Ok(opened) = self.tokens.open(token) else { return Ok(None) };
        let now = self.now(call, opened.kind.subject()).await?;
        let (live, jti) = match opened.kind {
            Kind::Access(token) => (token.live_at(now).map(|it| (it.subject, it.session)), None),
            Kind::Refresh(token) => {
                let jti = token.jti;
                (token.live_at(now).map(|it| (it.subject, jti.session())), Some(jti))
            }
        };
        let Ok((subject, session)) = live else { return Ok(None) };
        if let Some(met) = self.remembered(&subject, session) {
            return self.insist(call, &subject, met).await.map(|_| None);
        }
        match self.in_time(call, Operation::Read, self.store.get(&subject, session)).await? {
            Lookup::Live { jti: current, .. } if jti.is_none_or(|jti| jti == current) => {
                Ok(Some(opened.payload))
            }
            Lookup::Ended { reason, announced: false, .. } => {
                let settling = self.settle(call, subject, EndedSession { session, reason });
                self.in_time(call, Operation::End, settling).await.map(|_| None)
            }
            Lookup::Live { .. } | Lookup::Ended { .. } | Lookup::Unknown => Ok(None),
        }
    }
}
