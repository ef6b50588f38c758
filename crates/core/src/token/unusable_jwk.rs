//! The error of a published key.

/// Why a key of a JWK Set cannot check our tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableJwk {
    /// With another algorithm, or for another use.
    #[error("is not a key for signatures of ES256, EdDSA, Ed25519, RS256 or PS256")]
    Algorithm,
    /// Without a `kid`.
    #[error("has no kid")]
    Nameless,
    /// With numbers that are no key.
    #[error("is malformed")]
    Malformed,
}
