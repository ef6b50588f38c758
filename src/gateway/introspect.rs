//! Is this token good now, and what does it say? (RFC 7662). Asking changes nothing.

use std::sync::Arc;

use super::bearer::Standing;
use super::{Deadline, Gateway, GatewayError};
use crate::token::{Kind, Opened};

impl Gateway {
    /// The claims of an active token, a JSON object; `None` for a token that is expired, foreign, malformed or
    /// rotated, and for one whose session has ended or is unknown.
    pub async fn introspect(
        self: &Arc<Self>,
        deadline: Deadline,
        token: &str,
    ) -> Result<Option<Vec<u8>>, GatewayError> {
        let Ok(opened) = self.tokens.open(token) else { return Ok(None) };
        let admitted = self.admission.other(deadline).await?;
        self.admitted(admitted, |gateway| async move { gateway.told_by(deadline, opened).await }).await
    }

    async fn told_by(&self, deadline: Deadline, opened: Opened) -> Result<Option<Vec<u8>>, GatewayError> {
        let now = self.now(deadline, opened.kind.subject()).await?;
        let (live, jti) = match opened.kind {
            Kind::Access(token) => (token.live_at(now).map(|it| (it.subject, it.session)), None),
            Kind::Refresh(token) => {
                let jti = token.jti;
                (token.live_at(now).map(|it| (it.subject, jti.session())), Some(jti))
            }
        };
        let Ok((subject, session)) = live else { return Ok(None) };
        let standing = self.standing(deadline, &subject, session).await?;
        let is_active =
            matches!(standing, Standing::Live { jti: current } if jti.is_none_or(|jti| jti == current));
        Ok(is_active.then_some(opened.payload))
    }
}
