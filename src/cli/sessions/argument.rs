//! Sessions and subjects as an operator names them.

use anyhow::Result;
use token_gateway_core::session::{Jti, SessionId, Subject};

use crate::cli::usage::UsageError;

/// A session as named by an operator.
pub struct Wanted {
    pub session: SessionId,
    /// Present if the name was the `jti` of one of its refresh tokens.
    pub jti: Option<Jti>,
}

pub fn wanted(argument: &str, text: &str) -> Result<Wanted> {
    if let Ok(jti) = text.parse::<Jti>() {
        return Ok(Wanted { session: jti.session(), jti: Some(jti) });
    }
    let wrong = "must be a session id, 19 digits, or a jti, which is that, a dot and 22 characters";
    let session = text.parse().map_err(|_| UsageError(format!("{argument}: {wrong}")))?;
    Ok(Wanted { session, jti: None })
}

pub fn subject(argument: &str, text: &str) -> Result<Subject> {
    text.parse().map_err(|error| UsageError(format!("{argument}: {error}")).into())
}
