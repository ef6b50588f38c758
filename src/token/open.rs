//! Tokens of this gateway, opened: signature and claims, but for their times.

use token_gateway_core::session::Subject;
use token_gateway_core::token::{Acceptance, AccessToken, Audiences, RefreshToken, TokenRefusal, Typ};

use super::Tokens;

/// A token of either kind, and all that it says.
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
    /// Checks everything about a token of either kind but its times.
    pub fn open(&self, token: &str) -> Result<Opened, TokenRefusal> {
        let keys = self.keys();
        if let Ok((payload, typ)) = keys.open_access(token) {
            return Ok(Opened { kind: Kind::Access(self.access_token(&payload, typ)?), payload });
        }
        let payload = keys.open_refresh(token)?;
        Ok(Opened { kind: Kind::Refresh(RefreshToken::read(&payload, &self.settings.issuer)?), payload })
    }

    /// Checks everything about a refresh token but its times, so that a logout with an expired token
    /// still ends its session; use [`RefreshToken::live_at`] for all else.
    pub fn open_refresh(&self, token: &str) -> Result<RefreshToken, TokenRefusal> {
        let payload = self.keys().open_refresh(token)?;
        RefreshToken::read(&payload, &self.settings.issuer)
    }

    /// Checks everything about an access token but its times; see [`AccessToken::live_at`]. Any
    /// audience will do but the issuer, which is the audience of refresh tokens.
    pub fn open_access(&self, token: &str) -> Result<AccessToken, TokenRefusal> {
        let (payload, typ) = self.keys().open_access(token)?;
        self.access_token(&payload, typ)
    }

    fn access_token(&self, payload: &[u8], typ: Typ) -> Result<AccessToken, TokenRefusal> {
        let acceptance = Acceptance {
            issuer: &self.settings.issuer,
            audiences: Audiences::Any,
            typ_jwt: Audiences::Only(&self.settings.jwt_audiences),
        };
        AccessToken::accept(typ, payload, &acceptance)
    }
}
