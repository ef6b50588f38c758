//! Tokens, pure: no HTTP, no store, no async.
//!
//! - [`secret`]: what signs. - [`claims`], `payload`: what a token says, read and written. - `sign`: minting a pair.
//! - [`verify`]: the one place where a string becomes trusted claims.
//!
//! Both kinds are JWTs (RFC 7519) in compact form. An *access token* has `typ: at+jwt` (RFC 9068) and is
//! signed with `SIGNING_SECRET`; a *refresh token* has `typ: rt+jwt` and is always HS256 under
//! `REFRESH_SECRET`, which no verifier ever holds: its signed `gen` is evidence after a failover.

pub mod claims;
mod key;
mod payload;
pub mod secret;
mod sign;
pub mod verify;

use std::time::Duration;

pub use secret::Secret;
pub use sign::{Grant, Pair};
pub use verify::Rejected;

use key::Key;
use payload::Beginning;

/// What the tokens of this gateway are made of.
#[derive(Debug, Clone)]
pub struct TokenSettings {
    /// `iss` of every token, and `aud` of refresh tokens.
    pub issuer: String,
    pub signing_secret: Secret,
    pub refresh_secret: Secret,
    /// Still accepted while `REFRESH_SECRET` is being replaced; never signs.
    pub refresh_secret_previous: Option<Secret>,
    pub access_ttl: Duration,
    pub refresh_ttl: Duration,
}

/// Mints and checks tokens with keys prepared once. Not `Sync`: each worker has its own.
pub struct Tokens {
    issuer: String,
    access: Key,
    access_beginning: Beginning,
    refresh: Key,
    refresh_beginning: Beginning,
    refresh_previous: Option<Key>,
    access_ttl: Duration,
    refresh_ttl: Duration,
}

impl Tokens {
    pub fn new(settings: &TokenSettings) -> Self {
        Self {
            issuer: settings.issuer.clone(),
            access: Key::hs256(&settings.signing_secret, "at+jwt"),
            access_beginning: Beginning::new(&settings.issuer, claims::ACCESS),
            refresh: Key::hs256(&settings.refresh_secret, "rt+jwt"),
            refresh_beginning: Beginning::new(&settings.issuer, claims::REFRESH),
            refresh_previous: settings
                .refresh_secret_previous
                .as_ref()
                .map(|secret| Key::hs256(secret, "rt+jwt")),
            access_ttl: settings.access_ttl,
            refresh_ttl: settings.refresh_ttl,
        }
    }
}
