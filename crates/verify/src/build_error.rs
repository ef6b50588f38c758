//! The error of a verifier that cannot be made.

/// A verifier cannot be made. The message names the part at fault and a right value; it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BuildError(pub(crate) String);
