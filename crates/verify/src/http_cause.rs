//! The cause of a failed request in the system's words, and the remedy.

use std::error::Error as _;

use reqwest::{Error, StatusCode};

/// The innermost cause, such as `Connection refused`. The outer ones say no more than that a request failed. Holds no URL,
/// whose query may be secret, where [`Error::without_url`] has taken it out.
pub fn cause(error: &Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        words = inner.to_string();
        source = inner.source();
    }
    words
}

/// The remedy for an operator.
pub fn remedy(error: &Error) -> &'static str {
    match error.status() {
        Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            "give it a service key that the gateway knows, with the role feed"
        }
        Some(StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) => "correct the path of the URL",
        Some(status) if status.is_server_error() => "look at the gateway's log",
        Some(_) => "correct the URL",
        None if error.is_connect() => "start the gateway, or correct the host and the port of the URL",
        None => "look at the network and at the gateway's log",
    }
}
