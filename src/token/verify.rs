//! The strict token checks, in one place for all callers.
//!
//! JWT libraries accept more than one thinks: 60 s past `exp`, any `typ`, unknown `crit`, missing or oddly typed `iss`
//! and `aud`. So the gateway checks everything itself: claims and times here, headers in `jws.rs` and `verifying.rs`,
//! signatures in `verifying.rs`.
//!
//! Leeway: none for `exp`; 10 seconds for `iat` and `nbf`. The `iat` of a refresh token may lie in the future. The
//! store is the authority there, and its clock may have gone back since, in a failover.

use std::time::Duration;

use super::Tokens;
use super::claims::{self, Presented};
use super::key::Typ;
use crate::clock::Timestamp;
use crate::session::{Jti, SessionId, Subject};

/// Seconds by which `iat` and `nbf` may lie in the future.
const LEEWAY: u64 = 10;

/// Lua counts in doubles, and these are exact up to this number. No session rotates so often.
const MAX_GENERATION: u64 = 1 << 52;

/// Why a token is not trusted. For logs and metrics; a client is told less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    #[error("malformed")]
    Malformed,
    #[error("another kind of token")]
    WrongKind,
    #[error("key unknown")]
    UnknownKey,
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
    not_before: u64,
    expires_at: u64,
}

/// An access token whose signature and claims hold.
#[derive(Debug)]
pub struct AccessToken {
    pub subject: Subject,
    pub session: SessionId,
    pub client_id: String,
    pub scope: Option<String>,
    not_before: u64,
    expires_at: u64,
}

/// A token of either kind, with all its claims.
pub struct Opened {
    pub kind: Kind,
    /// A JSON object: the claims as they stand in the token.
    pub payload: Vec<u8>,
}

pub enum Kind {
    Access(AccessToken),
    Refresh(RefreshToken),
}

impl Kind {
    pub fn subject(&self) -> &Subject {
        match self {
            Self::Access(token) => &token.subject,
            Self::Refresh(token) => &token.subject,
        }
    }
}

impl Tokens {
    /// Checks a token of either kind, except its times.
    pub fn open(&self, token: &str) -> Result<Opened, Rejected> {
        let keys = self.keys();
        if let Ok((payload, typ)) = keys.open_access(token) {
            return Ok(Opened { kind: Kind::Access(self.access_token(&payload, typ)?), payload });
        }
        let payload = keys.open_refresh(token)?;
        Ok(Opened { kind: Kind::Refresh(self.refresh_token(&payload)?), payload })
    }

    /// Checks a refresh token, except its times: a logout with an expired token must still end its session. All other
    /// callers must use [`RefreshToken::live_at`], too.
    pub fn open_refresh(&self, token: &str) -> Result<RefreshToken, Rejected> {
        let payload = self.keys().open_refresh(token)?;
        self.refresh_token(&payload)
    }

    fn refresh_token(&self, payload: &[u8]) -> Result<RefreshToken, Rejected> {
        let claims = check(payload, claims::REFRESH, &self.settings.issuer)?;
        let jti: Jti = claims.jti.parse().map_err(|_| Rejected::Malformed)?;
        if claims.aud != self.settings.issuer {
            return Err(Rejected::Foreign);
        }
        if jti.session().as_str() != claims.sid {
            return Err(Rejected::Malformed);
        }
        Ok(RefreshToken {
            subject: subject(&claims)?,
            jti,
            generation: claims.generation.filter(|it| *it <= MAX_GENERATION).ok_or(Rejected::Malformed)?,
            client_id: claims.client_id.into_owned(),
            scope: claims.scope,
            not_before: claims.nbf.unwrap_or(0),
            expires_at: claims.exp,
        })
    }

    /// Checks an access token, except its times; see [`AccessToken::live_at`]. Accepts any audience but the issuer, the
    /// audience of refresh tokens.
    pub fn open_access(&self, token: &str) -> Result<AccessToken, Rejected> {
        let (payload, typ) = self.keys().open_access(token)?;
        self.access_token(&payload, typ)
    }

    fn access_token(&self, payload: &[u8], typ: Typ) -> Result<AccessToken, Rejected> {
        AccessToken::read(payload, &self.settings.issuer, |audience| {
            if typ == Typ::AtJwt || typ == self.typ(audience) { Ok(()) } else { Err(Rejected::WrongKind) }
        })
    }
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
    pub fn live_at(self, now: Timestamp) -> Result<Self, Rejected> {
        check_times(self.not_before, self.expires_at, now).map(|()| self)
    }
}

impl AccessToken {
    /// Checks the claims of a payload, but not its times. The caller has checked the signature; `admit` checks the
    /// audience.
    pub fn read(
        payload: &[u8],
        issuer: &str,
        admit: impl FnOnce(&str) -> Result<(), Rejected>,
    ) -> Result<Self, Rejected> {
        let claims = check(payload, claims::ACCESS, issuer)?;
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

    pub fn live_at(self, now: Timestamp) -> Result<Self, Rejected> {
        self.check_live_at(now).map(|()| self)
    }

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
