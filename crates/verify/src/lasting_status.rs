//! Answers over HTTP that stay the same until somebody mends something: a wrong service key, a wrong path.

use reqwest::{Error, StatusCode};

/// The status of an answer that lasts; `None` for a failure that passes by itself, as 429 and every 5xx do.
pub fn of(error: &Error) -> Option<u16> {
    let passes =
        |status: &StatusCode| matches!(*status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    let status = error.status().filter(|status| status.is_client_error() && !passes(status))?;
    Some(status.as_u16())
}
