//! The error of a key in a key set file.

use token_gateway_core::token::UnknownAlg;

/// Why a key cannot be used: the member at fault and a right value, never the wrong one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    #[error(transparent)]
    Alg(#[from] UnknownAlg),
    #[error("'alg' is missing; it says how the key signs, such as ES256")]
    NoAlg,
    #[error("'kty' must be {0}, because 'alg' is {1}")]
    Kty(&'static str, &'static str),
    #[error("'crv' must be {0}")]
    Crv(&'static str),
    #[error("'use' must be sig")]
    Use,
    #[error("'{0}' is missing or no base64url without padding; a private key is needed")]
    Member(&'static str),
    #[error("'{0}' must have {1} bytes")]
    Length(&'static str, usize),
    #[error(
        "RSA keys need at least 2048 and at most 8192 bits; make one with `token-gateway keys new --alg RS256`"
    )]
    RsaSize,
    #[error("'k' needs at least 32 bytes; make one with `token-gateway keys new --alg HS256`")]
    ShortSecret,
    #[error("its members do not belong together")]
    Inconsistent,
    #[error("'kid' must be its RFC 7638 thumbprint, '{0}'; leave it out to have it computed")]
    Kid(String),
    #[error("a key that signs refresh tokens must have the 'alg' HS256")]
    RefreshAlg,
}
