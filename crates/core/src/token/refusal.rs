//! The verdict of no on a token.

/// Why a token is not trusted. For logs and metrics; a client is told less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
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
