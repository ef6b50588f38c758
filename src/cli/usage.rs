//! Mistakes of the caller.

use anyhow::Result;

/// A mistake of the caller: exit code 2 instead of 1.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Marks errors in settings as the caller's.
pub fn as_usage<T, E: Into<anyhow::Error>>(settings: Result<T, E>) -> Result<T> {
    settings.map_err(|error| UsageError(format!("{:#}", error.into())).into())
}
