//! The header of a token (RFC 7515 section 4.1): the algorithm of its key, and its type.

use std::str::FromStr;

/// How a key signs (RFC 7518 section 3.1, RFC 8037 section 3.1, RFC 9864 section 2.2). The same signature has two
/// names, [`EdDsa`](Self::EdDsa) and [`Ed25519`](Self::Ed25519). A key has one of them, and so have its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alg {
    /// HMAC with SHA-256, under a shared secret.
    Hs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519, under the name of RFC 8037, which more verifiers know.
    EdDsa,
    /// Ed25519, under the name of RFC 9864, which deprecates the other.
    Ed25519,
    /// RSA PKCS #1 v1.5 with SHA-256.
    Rs256,
    /// RSA-PSS with SHA-256.
    Ps256,
}

impl Alg {
    /// Every algorithm.
    pub const ALL: [Self; 6] =
        [Self::Hs256, Self::Es256, Self::EdDsa, Self::Ed25519, Self::Rs256, Self::Ps256];

    /// The value of the header parameter `alg`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Ed25519 => "Ed25519",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
        }
    }
}

/// A string that is no [`Alg`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("'alg' must be ES256, EdDSA, Ed25519, RS256, PS256 or HS256")]
pub struct UnknownAlg;

impl FromStr for Alg {
    type Err = UnknownAlg;

    fn from_str(text: &str) -> Result<Self, UnknownAlg> {
        Self::ALL.into_iter().find(|alg| alg.as_str() == text).ok_or(UnknownAlg)
    }
}

/// The header parameter `typ` (RFC 7515 section 4.1.9), the purpose of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typ {
    /// An access token as RFC 9068 has it.
    AtJwt,
    /// An access token for verifiers that know no other `typ`.
    Jwt,
    /// A refresh token.
    RtJwt,
}

impl Typ {
    /// The types of access tokens.
    pub const ACCESS: [Self; 2] = [Self::AtJwt, Self::Jwt];
    /// The type of refresh tokens.
    pub const REFRESH: [Self; 1] = [Self::RtJwt];

    /// The value of the header parameter `typ`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtJwt => "at+jwt",
            Self::Jwt => "JWT",
            Self::RtJwt => "rt+jwt",
        }
    }
}
