//! The strict token checks, in the one place that every caller uses.
//!
//! The JWT library accepts more than one thinks (60 s past `exp`, any `typ`, unknown `crit`, missing or
//! oddly typed `iss` and `aud`), so it only checks signatures here; all else is ours.
//! Leeway: none for `exp`; 10 seconds for `iat` and `nbf`, which another node's clock has set.

use super::Tokens;
use super::claims::{self, Presented};
use crate::clock::Timestamp;
use crate::session::{Jti, SessionId, Subject};

/// Seconds that `iat` and `nbf` may lie in the future.
const LEEWAY: u64 = 10;

/// Why a token is not trusted. Told to logs and metrics; a client hears less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    #[error("malformed")]
    Malformed,
    #[error("another kind of token")]
    WrongKind,
    #[error("bad signature")]
    Signature,
    #[error("another issuer or audience")]
    Foreign,
    #[error("not yet valid")]
    NotYetValid,
    #[error("expired")]
    Expired,
}

/// A refresh token whose signature and claims hold.
#[derive(Debug)]
pub struct RefreshToken {
    pub subject: Subject,
    pub jti: Jti,
    pub generation: u64,
    pub client_id: String,
    pub scope: Option<String>,
    pub expires_at: u64,
}

/// An access token whose signature and claims hold.
#[derive(Debug)]
pub struct AccessToken {
    pub subject: Subject,
    pub session: SessionId,
    pub client_id: String,
    pub expires_at: u64,
}

impl Tokens {
    /// Checks everything about a refresh token but its expiry, so that a logout with an expired token
    /// still ends its session; use [`RefreshToken::live_at`] for all else.
    pub fn open_refresh(&self, token: &str, now: Timestamp) -> Result<RefreshToken, Rejected> {
        let payload = match (self.refresh.open(token), &self.refresh_previous) {
            (Err(Rejected::Signature), Some(previous)) => previous.open(token)?,
            (opened, _) => opened?,
        };
        let claims = self.check(&payload, claims::REFRESH, now)?;
        let jti: Jti = claims.jti.parse().map_err(|_| Rejected::Malformed)?;
        if claims.aud != self.issuer {
            return Err(Rejected::Foreign);
        }
        if jti.session().as_str() != claims.sid {
            return Err(Rejected::Malformed);
        }
        Ok(RefreshToken {
            subject: subject(&claims)?,
            jti,
            generation: claims.generation.ok_or(Rejected::Malformed)?,
            client_id: claims.client_id.into_owned(),
            scope: claims.scope,
            expires_at: claims.exp,
        })
    }

    /// Checks everything about an access token but its expiry; see [`AccessToken::live_at`]. Any
    /// audience will do but the issuer, which is the audience of refresh tokens.
    pub fn open_access(&self, token: &str, now: Timestamp) -> Result<AccessToken, Rejected> {
        let payload = self.access.open(token)?;
        let claims = self.check(&payload, claims::ACCESS, now)?;
        if claims.aud.is_empty() || claims.aud == self.issuer {
            return Err(Rejected::Foreign);
        }
        Ok(AccessToken {
            subject: subject(&claims)?,
            session: claims.sid.parse().map_err(|_| Rejected::Malformed)?,
            client_id: claims.client_id.into_owned(),
            expires_at: claims.exp,
        })
    }

    fn check<'a>(&self, payload: &'a [u8], kind: &str, now: Timestamp) -> Result<Presented<'a>, Rejected> {
        let claims: Presented<'a> = serde_json::from_slice(payload).map_err(|_| Rejected::Malformed)?;
        if claims.kind != kind {
            return Err(Rejected::WrongKind);
        }
        if claims.iss != self.issuer {
            return Err(Rejected::Foreign);
        }
        let latest = now.seconds() + LEEWAY;
        if claims.iat > latest || claims.nbf.is_some_and(|nbf| nbf > latest) {
            return Err(Rejected::NotYetValid);
        }
        Ok(claims)
    }
}

impl RefreshToken {
    pub fn live_at(self, now: Timestamp) -> Result<Self, Rejected> {
        if now.seconds() < self.expires_at { Ok(self) } else { Err(Rejected::Expired) }
    }
}

impl AccessToken {
    pub fn live_at(self, now: Timestamp) -> Result<Self, Rejected> {
        if now.seconds() < self.expires_at { Ok(self) } else { Err(Rejected::Expired) }
    }
}

fn subject(claims: &Presented<'_>) -> Result<Subject, Rejected> {
    claims.sub.parse().map_err(|_| Rejected::Malformed)
}
