//! Tokens, pure: no HTTP, no store, no async, no files.
//!
//! - [`jwk`]: private keys. [`key_set`]: the file with these keys.
//! - `signing_key`: a key at work. [`keyring`]: all keys of a node at work.
//! - [`session_claims`], `payload`: the claims of a token, written.
//! - `mint`: minting a pair.
//! - [`open`]: reading one.
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
pub mod open;
mod payload;
pub mod session_claims;
mod signing_key;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use token_gateway_core::checker::Keys;
use token_gateway_core::token::{AccessToken, Parts, RefreshToken, TokenRefusal, Typ, VerifyingKey};

pub use keyring::Keyring;
pub use mint::{Grant, Pair};
use payload::Beginning;

/// Settings of the gateway's tokens, without keys.
#[derive(Debug, Clone)]
pub struct TokenSettings {
    /// `iss` of every token, and `aud` of refresh tokens.
    pub issuer: String,
    pub access_ttl: Duration,
    pub refresh_ttl: Duration,
    /// Audiences whose verifiers want `typ: JWT` instead of `at+jwt`.
    pub jwt_audiences: Vec<String>,
}

/// Mints and checks tokens with keys prepared once. Shared by all workers.
pub struct Tokens {
    settings: TokenSettings,
    access_beginning: Beginning,
    refresh_beginning: Beginning,
    keyring: ArcSwap<Keyring>,
}

impl Tokens {
    pub fn new(settings: &TokenSettings, keyring: Arc<Keyring>) -> Self {
        Self {
            settings: settings.clone(),
            access_beginning: Beginning::new(&settings.issuer, AccessToken::TYPE),
            refresh_beginning: Beginning::new(&settings.issuer, RefreshToken::TYPE),
            keyring: ArcSwap::new(keyring),
        }
    }

    /// Puts other keys to work for all later calls.
    pub fn replace_keys(&self, keyring: Keyring) {
        self.keyring.store(Arc::new(keyring));
    }

    pub fn keys(&self) -> Guard<Arc<Keyring>> {
        self.keyring.load()
    }

    /// The `typ` of access tokens for this audience.
    pub fn typ(&self, audience: &str) -> Typ {
        if self.settings.jwt_audiences.iter().any(|listed| listed == audience) {
            Typ::Jwt
        } else {
            Typ::AtJwt
        }
    }
}

impl Keys for Tokens {
    fn find(&self, parts: &Parts<'_>) -> Result<(Arc<VerifyingKey>, Typ), TokenRefusal> {
        let keys = self.keys();
        let (key, typ) = keys.find_access_key(parts)?;
        Ok((key.clone(), typ))
    }
}
