//! A refresh token, after its signature was checked.

use super::claims::{Claims, Validity};
use super::refusal::TokenRefusal;
use crate::clock::Timestamp;
use crate::session::{Jti, Subject};

/// Lua counts in doubles, and these are exact up to this number. No session rotates so often.
const MAX_GENERATION: u64 = 1 << 52;

/// A refresh token whose signature and claims hold.
#[derive(Debug)]
pub struct RefreshToken {
    /// `sub`
    pub subject: Subject,
    /// `jti`
    pub jti: Jti,
    /// `gen`: how often its session was rotated.
    pub generation: u64,
    /// `client_id`
    pub client_id: String,
    /// `scope`, as it stands.
    pub scope: Option<String>,
    validity: Validity,
}

impl RefreshToken {
    /// The claim `type`.
    pub const TYPE: &str = "refresh";

    /// Checks the claims of a payload whose signature holds, but not its times; see [`live_at`](Self::live_at).
    ///
    /// # Errors
    ///
    /// Why the token is not trusted.
    pub fn read(payload: &[u8], issuer: &str) -> Result<Self, TokenRefusal> {
        let claims = Claims::read(payload, Self::TYPE, issuer)?;
        let jti: Jti = claims.jti.parse().map_err(|_| TokenRefusal::Malformed)?;
        if claims.aud != issuer {
            return Err(TokenRefusal::Foreign);
        }
        if jti.session().as_str() != claims.sid {
            return Err(TokenRefusal::Malformed);
        }
        Ok(Self {
            subject: claims.subject()?,
            jti,
            generation: claims
                .generation
                .filter(|it| *it <= MAX_GENERATION)
                .ok_or(TokenRefusal::Malformed)?,
            client_id: claims.client_id.into_owned(),
            scope: claims.scope,
            // The store decides about `iat`, and its clock may have gone back since then (a failover).
            validity: Validity { not_before: claims.nbf.unwrap_or(0), expires_at: claims.exp },
        })
    }

    /// The token, where it is valid at `now`.
    ///
    /// # Errors
    ///
    /// [`TokenRefusal::Expired`] or [`TokenRefusal::NotYetValid`].
    pub fn live_at(self, now: Timestamp) -> Result<Self, TokenRefusal> {
        self.validity.check(now).map(|()| self)
    }
}
