//! The errors of the API, each with its status code and the text for the client. Only `/readyz` has a 503 of its own.
//!
//! One body everywhere: `{"error": code, "error_description": text}` (RFC 6749 section 5.2).
//!
//! docs/reference/errors.md has all of them, with their descriptions; a test compares the page with this file.
//!
//! | situation | status | `error` |
//! |---|---|---|
//! | missing, repeated or invalid parameter, field or header | 400 | `invalid_request` |
//! | refresh token malformed, expired, unknown, ended, reused, another client's | 400 | `invalid_grant` |
//! | grant type other than `refresh_token` | 400 | `unsupported_grant_type` |
//! | malformed scope at a refresh, or more than granted | 400 | `invalid_scope` |
//! | bad or missing service key, also of a confidential client | 401 | `invalid_client` |
//! | bad or missing access token | 401 | `invalid_token` |
//! | service key without the role, access token without the scope | 403 | `insufficient_scope` |
//! | no such path, or no such session | 404 | `not_found` |
//! | wrong method, slow, large or mistyped body | 405, 408, 413, 415 | `invalid_request` |
//! | store unreachable, too slow, read-only, out of memory; outcome unknown; overtaken; too many in flight | 503 | `temporarily_unavailable` |
//!
//! Some requests are refused before routing, with an empty body. The answer to more than 96 headers, or to a head over 128
//! KiB, is 431. Broken HTTP, conflicting lengths, and no or two `Host` get 400.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use percent_encoding::{CONTROLS, utf8_percent_encode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::gateway::{GatewayError, GrantRefusal};
use crate::store::StoreError;
use crate::telemetry::overloads::Bound;

/// Seconds until a client may repeat a call answered with 503.
const RETRY_AFTER_SECONDS: &str = "1";

/// The answer of a handler to a request it cannot fulfil.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ErrorResponse {
    /// A parameter, field or header is missing or wrong.
    #[error("'{field}' {problem}")]
    Field { field: Cow<'static, str>, problem: Cow<'static, str> },
    #[error("{0}")]
    Request(&'static str),
    #[error("the body took too long")]
    Slow,
    #[error("the body may have at most {0} bytes")]
    TooLarge(usize),
    #[error("the body must be {0}")]
    MediaType(&'static str),
    #[error("use {0} here")]
    MethodNotAllowed(Cow<'static, str>),
    #[error("there is nothing at this path")]
    UnknownPath,
    #[error("the service key is missing or wrong")]
    Service(Challenge),
    #[error("this service lacks the role '{0}'")]
    Role(&'static str),
    #[error("an access token is missing")]
    NoAccessToken,
    #[error("the grant type must be refresh_token")]
    GrantType,
    #[error("the session store cannot be asked right now; repeat the request")]
    Unavailable,
    #[error("too many requests are in flight; repeat the request")]
    Overloaded,
    #[error("too many requests for this user are in flight; repeat the request")]
    SubjectOverloaded,
    #[error("another request of the same session came in between; repeat the request")]
    Overtaken,
    #[error("too many streams of the feed are open here; ask another node, or ask again later")]
    TooManyStreams,
    #[error("{}", grant_description(*.0))]
    Grant(GrantRefusal),
    #[error("the access token is not valid, or its session has ended")]
    Access,
    #[error("the access token lacks a scope that is needed here")]
    LacksScope,
    #[error("there is no such session")]
    NoSession,
}

/// How a client is asked for credentials (RFC 9110 section 11.6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// None came.
    Missing,
    /// A Bearer token came.
    Bearer,
    /// Basic credentials came, some in the body, or a scheme that is not supported.
    Basic,
}

/// Names the class of a refusal only as far as this helps the rightful client.
fn grant_description(refusal: GrantRefusal) -> &'static str {
    match refusal {
        GrantRefusal::Token(_) => "the refresh token is malformed, expired or not issued here",
        GrantRefusal::Client => "the refresh token was issued to another client",
        GrantRefusal::NoKey => "the client of this token must show its service key",
        GrantRefusal::Scope => "the scope is malformed, or exceeds what the session was granted",
        GrantRefusal::NoSession | GrantRefusal::Ended => "the session has ended or expired; sign in again",
        GrantRefusal::Reused => {
            "the refresh token was used before, so its sessions have ended; sign in again"
        }
    }
}

impl From<GatewayError> for ErrorResponse {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Store(error) => error.into(),
            GatewayError::Overtaken => Self::Overtaken,
            GatewayError::Overloaded(Bound::SubjectLists | Bound::SubjectLogins) => Self::SubjectOverloaded,
            GatewayError::Overloaded(Bound::Store | Bound::Others | Bound::Lists) => Self::Overloaded,
        }
    }
}

impl From<StoreError> for ErrorResponse {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Overloaded => Self::Overloaded,
            StoreError::Unavailable(_) | StoreError::Replied(_) | StoreError::Corrupt(_) => Self::Unavailable,
        }
    }
}

impl ErrorResponse {
    pub fn field(field: impl Into<Cow<'static, str>>, problem: impl Into<Cow<'static, str>>) -> Self {
        Self::Field { field: field.into(), problem: problem.into() }
    }

    fn parts(&self) -> (StatusCode, Code) {
        match self {
            Self::Field { .. } | Self::Request(_) => (StatusCode::BAD_REQUEST, Code::InvalidRequest),
            Self::Slow => (StatusCode::REQUEST_TIMEOUT, Code::InvalidRequest),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, Code::InvalidRequest),
            Self::MediaType(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidRequest),
            Self::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, Code::InvalidRequest),
            Self::UnknownPath => (StatusCode::NOT_FOUND, Code::NotFound),
            Self::Service(_) => (StatusCode::UNAUTHORIZED, Code::InvalidClient),
            Self::Role(_) | Self::LacksScope => (StatusCode::FORBIDDEN, Code::InsufficientScope),
            Self::NoAccessToken => (StatusCode::UNAUTHORIZED, Code::InvalidToken),
            Self::GrantType => (StatusCode::BAD_REQUEST, Code::UnsupportedGrantType),
            Self::Unavailable
            | Self::Overloaded
            | Self::SubjectOverloaded
            | Self::Overtaken
            | Self::TooManyStreams => (StatusCode::SERVICE_UNAVAILABLE, Code::TemporarilyUnavailable),
            Self::Grant(GrantRefusal::NoKey) => (StatusCode::UNAUTHORIZED, Code::InvalidClient),
            Self::Grant(GrantRefusal::Scope) => (StatusCode::BAD_REQUEST, Code::InvalidScope),
            Self::Grant(_) => (StatusCode::BAD_REQUEST, Code::InvalidGrant),
            Self::Access => (StatusCode::UNAUTHORIZED, Code::InvalidToken),
            Self::NoSession => (StatusCode::NOT_FOUND, Code::NotFound),
        }
    }

    fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::NoAccessToken | Self::Service(Challenge::Missing) => {
                Some(r#"Bearer realm="token-gateway""#)
            }
            Self::Service(Challenge::Bearer) | Self::Access => {
                Some(r#"Bearer realm="token-gateway", error="invalid_token""#)
            }
            Self::LacksScope => Some(r#"Bearer realm="token-gateway", error="insufficient_scope""#),
            Self::Service(Challenge::Basic) | Self::Grant(GrantRefusal::NoKey) => {
                Some(r#"Basic realm="token-gateway""#)
            }
            _ => None,
        }
    }
}

/// The value of `error`: from RFC 6749 sections 4.1.2.1 and 5.2, RFC 6750 section 3.1, and `not_found`.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ErrorCode)]
pub enum Code {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    InvalidScope,
    InvalidToken,
    InsufficientScope,
    UnsupportedGrantType,
    NotFound,
    TemporarilyUnavailable,
}

/// The body of every error (RFC 6749 section 5.2).
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub struct ErrorBody {
    error: Code,
    /// For people; programs go by `error`.
    #[schema(pattern = r"^[ !#-\[\]-~]+$", min_length = 1, max_length = 300)]
    error_description: String,
}

impl ResponseError for ErrorResponse {
    fn status_code(&self) -> StatusCode {
        self.parts().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, error) = self.parts();
        let mut response = HttpResponse::build(status);
        response.insert_header((CACHE_CONTROL, "no-store")).insert_header((PRAGMA, "no-cache"));
        if let Some(challenge) = self.challenge() {
            response.insert_header((WWW_AUTHENTICATE, challenge));
        }
        if let Self::MethodNotAllowed(methods) = self {
            response.insert_header((ALLOW, methods.as_ref()));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
        }
        response.json(ErrorBody { error, error_description: printable(&self.to_string()) })
    }
}

/// The characters of an `error_description`: %x20-21 / %x23-5B / %x5D-7E (RFC 6749 section 5.2).
fn printable(text: &str) -> String {
    let replace = |character| match character {
        '"' | '`' => "'".to_owned(),
        '\\' => "/".to_owned(),
        character => utf8_percent_encode(character.encode_utf8(&mut [0; 4]), CONTROLS).to_string(),
    };
    let mut printable: String = text.chars().map(replace).collect();
    printable.truncate(300); // it is ASCII now
    printable
}

#[cfg(test)]
mod page;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_holds_only_the_characters_that_rfc_6749_allows() {
        assert_eq!(printable("a\"b\\c\u{e9}\n`d`"), "a'b/c%C3%A9%0A'd'");
    }

    #[test]
    fn not_knowing_is_503_and_never_a_verdict() {
        for error in [
            GatewayError::Store(StoreError::Overloaded),
            GatewayError::Store(StoreError::Unavailable("secret detail".into())),
            GatewayError::Store(StoreError::Corrupt("secret detail".into())),
            GatewayError::Overtaken,
        ] {
            let error = ErrorResponse::from(error);
            assert_eq!(error.status_code(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(error.error_response().headers().get(RETRY_AFTER).unwrap(), RETRY_AFTER_SECONDS);
            assert!(!error.to_string().contains("secret detail"));
        }
    }
}
