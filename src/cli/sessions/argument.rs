//! Sessions and subjects as an operator names them.

use anyhow::Result;
use token_gateway_core::session::{Jti, SessionId, Subject};

use crate::cli::usage::UsageError;

/// A session as named by an operator.
pub struct Wanted {
    pub session: SessionId,
    /// That of the refresh token, if the name was the `jti` of one of its tokens.
    pub jti: Option<Jti>,
}

pub fn wanted(argument: &str, text: &str) -> Result<Wanted> {
    if let Ok(jti) = text.parse::<Jti>().or_else(|_| Jti::beside_access(text)) {
        return Ok(Wanted { session: jti.session(), jti: Some(jti) });
    }
    let wrong = if is_token(text) { IS_A_TOKEN } else { IS_NO_ID };
    let session = text.parse().map_err(|_| UsageError(format!("{argument}: {wrong}")))?;
    Ok(Wanted { session, jti: None })
}

const IS_NO_ID: &str = "must be a session id (19 digits), or the jti of a token: the session id, and 22 characters behind \
                        a dot, twice for an access token";

/// The token is not shown: it is a secret.
const IS_A_TOKEN: &str = "is a whole token, which is a secret and does not belong on a command line; give the value of \
                          its claim jti, or of sid";

/// A JWT, with or without its scheme: its header is JSON, and a brace in base64url begins with `ey`.
fn is_token(text: &str) -> bool {
    let token = text.rsplit(' ').next().unwrap_or_default();
    token.starts_with("ey") && token.contains('.')
}

pub fn subject(argument: &str, text: &str) -> Result<Subject> {
    text.parse().map_err(|error| UsageError(format!("{argument}: {error}")).into())
}
