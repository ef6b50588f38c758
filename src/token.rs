//! Tokens, pure: no HTTP, no store, no async, no files.
//!
//! - [`jwk`]: private keys. [`key_set`]: the file with these keys.
//! - `signing_key`: a key at work. [`keyring`]: all keys of a node at work.
//! - `mint`: minting a pair. `payload`: the claims of a token in their order. [`session_claims`]: the claims of the login service in it.
//!
//! The checks are in [`token_gateway_core::token`]: signatures, and the one place where a string becomes trusted claims.
//!
//! Both kinds are JWTs (RFC 7519) in compact form:
//!
//! - An *access token* has `typ: at+jwt` (RFC 9068), or `JWT` for an audience that insists. The active key of the key
//!   set or `SIGNING_SECRET` signs it.
//! - A *refresh token* has `typ: rt+jwt`. Its algorithm is always HS256, under a secret that no verifier ever holds:
//!   its signed `gen` is evidence after a failover.

pub mod jwk;
pub mod key_set;
pub mod keyring;
mod mint;
mod payload;
pub mod session_claims;
mod signing_key;

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use token_gateway_core::checker::Keys;
use token_gateway_core::session::Subject;
use token_gateway_core::token::{
    Acceptance, AccessToken, Audiences, Parts, RefreshToken, TokenRefusal, Typ, VerifyingKey,
};

pub use keyring::Keyring;
use mint::Minter;
pub use mint::{Grant, Pair, TokenSettings};
pub use payload::CorruptClaims;

/// Mints and checks tokens with keys prepared once. Shared by all workers.
pub struct Tokens {
    minter: Minter,
    keyring: ArcSwap<Keyring>,
}

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
    pub fn new(settings: &TokenSettings, keyring: Arc<Keyring>) -> Self {
        Self { minter: Minter::new(settings), keyring: ArcSwap::new(keyring) }
    }

    /// Puts other keys to work for all later calls.
    pub fn replace_keys(&self, keyring: Keyring) {
        self.keyring.store(Arc::new(keyring));
    }

    pub fn keys(&self) -> Guard<Arc<Keyring>> {
        self.keyring.load()
    }

    /// Mints a pair with the keys at work now.
    pub fn mint(&self, grant: &Grant<'_>) -> Result<Pair, CorruptClaims> {
        self.minter.mint(&self.keys(), grant)
    }

    /// Checks everything about a token of either kind, for any audience, but its times.
    pub fn open(&self, token: &str) -> Result<Opened, TokenRefusal> {
        let keys = self.keys();
        if let Ok((payload, typ)) = keys.access_payload(token) {
            let token = self.access_token(&payload, typ, Audiences::Any)?;
            return Ok(Opened { kind: Kind::Access(token), payload });
        }
        let payload = keys.refresh_payload(token)?;
        Ok(Opened {
            kind: Kind::Refresh(RefreshToken::read(&payload, &self.minter.settings.issuer)?),
            payload,
        })
    }

    /// Checks everything about a refresh token but its times, so that a logout with an expired token
    /// still ends its session; use [`RefreshToken::live_at`] for all else.
    pub fn open_refresh(&self, token: &str) -> Result<RefreshToken, TokenRefusal> {
        let payload = self.keys().refresh_payload(token)?;
        RefreshToken::read(&payload, &self.minter.settings.issuer)
    }

    /// Checks everything about an access token for one of these audiences but its times; see
    /// [`AccessToken::live_at`]. The issuer is never among them, because it is the audience of refresh tokens.
    pub fn open_access(&self, token: &str, audiences: Audiences<'_>) -> Result<AccessToken, TokenRefusal> {
        let (payload, typ) = self.keys().access_payload(token)?;
        self.access_token(&payload, typ, audiences)
    }

    fn access_token(
        &self,
        payload: &[u8],
        typ: Typ,
        audiences: Audiences<'_>,
    ) -> Result<AccessToken, TokenRefusal> {
        let acceptance = Acceptance {
            issuer: &self.minter.settings.issuer,
            audiences,
            typ_jwt: Audiences::Only(&self.minter.settings.jwt_audiences),
        };
        AccessToken::accept(typ, payload, &acceptance)
    }
}

impl Keys for Tokens {
    fn find(&self, parts: &Parts<'_>) -> Result<(Arc<VerifyingKey>, Typ), TokenRefusal> {
        let keys = self.keys();
        let (key, typ) = keys.find_access_key(parts)?;
        Ok((key.clone(), typ))
    }
}
