//! The strict token checks, in one place for all callers.
//!
//! JWT libraries accept more than one thinks (60 s past `exp`, any `typ`, unknown `crit`, missing or oddly typed
//! `iss` and `aud`), so all of that is checked here, and signatures by the crypto library (`verifying.rs`).
//! Leeway: none for `exp`; 10 seconds for `iat` and `nbf`. A refresh token's `iat` is not held against it: the
//! store is the authority there, and its clock may have gone back since (a failover).

use std::time::Duration;

use super::presented::Presented;
use crate::clock::Timestamp;
use crate::session::{Jti, SessionId, Subject};

/// Seconds by which `iat` and `nbf` may lie in the future.
const LEEWAY: u64 = 10;

/// Lua counts in doubles, and these are exact up to this number. No session rotates so often.
const MAX_GENERATION: u64 = 1 << 52;

/// Why a token is not trusted. For logs and metrics; a client is told less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Not in the compact form, or with a header or claims of another form.
    #[error("malformed")]
    Malformed,
    /// Another `typ`, `type` or `alg` than the one in demand.
    #[error("another kind of token")]
    WrongKind,
    /// No key has its `kid`.
    #[error("key unknown")]
    UnknownKey,
    /// The signature does not match.
    #[error("bad signature")]
    Signature,
    /// Another `iss` or `aud`.
    #[error("another issuer or audience")]
    Foreign,
    /// Its `iat` or `nbf` is in the future.
    #[error("not yet valid")]
    NotYetValid,
    /// Its `exp` has passed.
    #[error("expired")]
    Expired,
}

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
    not_before: u64,
    expires_at: u64,
}

/// An access token whose signature and claims hold.
#[derive(Debug)]
pub struct AccessToken {
    /// `sub`
    pub subject: Subject,
    /// `sid`
    pub session: SessionId,
    /// `client_id` (RFC 9068 section 2.2)
    pub client_id: String,
    /// `scope`, as it stands (RFC 6749 section 3.3).
    pub scope: Option<String>,
    not_before: u64,
    expires_at: u64,
}

fn check<'a>(payload: &'a [u8], kind: &str, issuer: &str) -> Result<Presented<'a>, Rejected> {
    let claims: Presented<'a> = serde_json::from_slice(payload).map_err(|_| Rejected::Malformed)?;
    if claims.kind != kind {
        return Err(Rejected::WrongKind);
    }
    if claims.iss != issuer {
        return Err(Rejected::Foreign);
    }
    Ok(claims)
}

impl RefreshToken {
    /// The claim `type`.
    pub const TYPE: &str = "refresh";

    /// Checks the claims of a payload whose signature holds, but not its times; see [`live_at`](Self::live_at).
    ///
    /// # Errors
    ///
    /// Why the token is not trusted.
    pub fn read(payload: &[u8], issuer: &str) -> Result<Self, Rejected> {
        let claims = check(payload, Self::TYPE, issuer)?;
        let jti: Jti = claims.jti.parse().map_err(|_| Rejected::Malformed)?;
        if claims.aud != issuer {
            return Err(Rejected::Foreign);
        }
        if jti.session().as_str() != claims.sid {
            return Err(Rejected::Malformed);
        }
        Ok(Self {
            subject: subject(&claims)?,
            jti,
            generation: claims.generation.filter(|it| *it <= MAX_GENERATION).ok_or(Rejected::Malformed)?,
            client_id: claims.client_id.into_owned(),
            scope: claims.scope,
            not_before: claims.nbf.unwrap_or(0),
            expires_at: claims.exp,
        })
    }

    /// The token, where it is valid at `now`.
    ///
    /// # Errors
    ///
    /// [`Rejected::Expired`] or [`Rejected::NotYetValid`].
    pub fn live_at(self, now: Timestamp) -> Result<Self, Rejected> {
        check_times(self.not_before, self.expires_at, now).map(|()| self)
    }
}

impl AccessToken {
    /// The claim `type`.
    pub const TYPE: &str = "access";

    /// Checks the claims of a payload whose signature holds, its audience by `admit`, but not its times.
    ///
    /// # Errors
    ///
    /// Why the token is not trusted.
    pub fn read(
        payload: &[u8],
        issuer: &str,
        admit: impl FnOnce(&str) -> Result<(), Rejected>,
    ) -> Result<Self, Rejected> {
        let claims = check(payload, Self::TYPE, issuer)?;
        admit(&claims.aud)?;
        if claims.aud.is_empty() || claims.aud == issuer {
            return Err(Rejected::Foreign);
        }
        Ok(Self {
            subject: subject(&claims)?,
            session: claims.sid.parse().map_err(|_| Rejected::Malformed)?,
            client_id: claims.client_id.into_owned(),
            scope: claims.scope,
            not_before: claims.nbf.unwrap_or(0).max(claims.iat),
            expires_at: claims.exp,
        })
    }

    /// The token, where it is valid at `now`.
    ///
    /// # Errors
    ///
    /// [`Rejected::Expired`] or [`Rejected::NotYetValid`].
    pub fn live_at(self, now: Timestamp) -> Result<Self, Rejected> {
        self.check_live_at(now).map(|()| self)
    }

    /// Whether it is valid at `now`.
    ///
    /// # Errors
    ///
    /// [`Rejected::Expired`] or [`Rejected::NotYetValid`].
    pub fn check_live_at(&self, now: Timestamp) -> Result<(), Rejected> {
        check_times(self.not_before, self.expires_at, now)
    }

    /// From the later of `iat` and `nbf` to `exp`.
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(self.expires_at.saturating_sub(self.not_before))
    }

    /// `exp`, in seconds since the epoch.
    pub fn expires_at(&self) -> u64 {
        self.expires_at
    }
}

fn check_times(not_before: u64, expires_at: u64, now: Timestamp) -> Result<(), Rejected> {
    if now.seconds() >= expires_at {
        Err(Rejected::Expired)
    } else if not_before > now.seconds() + LEEWAY {
        Err(Rejected::NotYetValid)
    } else {
        Ok(())
    }
}

fn subject(claims: &Presented<'_>) -> Result<Subject, Rejected> {
    claims.sub.parse().map_err(|_| Rejected::Malformed)
}
