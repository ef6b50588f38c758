//! The answers of success. Nothing here may be cached.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ContentType, HeaderValue, PRAGMA};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;
use serde_json::Value;
use token_gateway_core::session::SessionId;
use utoipa::ToSchema;

use crate::gateway::Issued;
use crate::store::{Lookup, Page};
use crate::token::Pair;
use crate::view::{self, schema};

pub fn json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    uncached(status).json(body)
}

/// An answer of headers alone; the caller adds them.
pub fn empty() -> HttpResponseBuilder {
    uncached(StatusCode::OK)
}

fn uncached(status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer.insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")));
    answer.insert_header((PRAGMA, HeaderValue::from_static("no-cache")));
    answer
}

/// RFC 6749 section 5.1. No token outlives the session's absolute lifetime.
#[derive(ToSchema)]
#[schema(as = Tokens, example = json!({
    "access_token": "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJIUzI1NiJ9.e30.c2ln",
    "refresh_token": "eyJ0eXAiOiJydCtqd3QiLCJhbGciOiJIUzI1NiJ9.e30.c2ln",
    "token_type": "Bearer",
    "expires_in": 900,
    "refresh_expires_in": 604800,
    "session_id": "4830719265501837429"
}))]
#[expect(dead_code, reason = "`tokens` writes it without going through it")]
pub struct TokenResponse {
    /// A JWT (RFC 9068), signed by this gateway.
    access_token: String,
    /// Works once; exchange it at `POST /oauth/token`.
    refresh_token: String,
    #[schema(pattern = "^Bearer$")]
    token_type: String,
    /// Seconds until the access token expires.
    expires_in: u64,
    /// Seconds until the refresh token expires.
    refresh_expires_in: u64,
    #[schema(value_type = schema::SessionIdSchema)]
    session_id: SessionId,
    /// Scopes of the access token, where the session has some.
    #[schema(nullable = false)]
    scope: Option<String>,
}

/// Written out: tokens and ids need no escape, and an escaper would look at every byte of them.
pub fn tokens(status: StatusCode, issued: &Issued) -> HttpResponse {
    let (pair, session_id) = (&issued.pair, issued.session);
    let Pair { access_token, refresh_token, expires_in, refresh_expires_in } = pair;
    let scope = issued.scope.as_deref().map(|scope| format!(r#","scope":{}"#, Value::from(scope)));
    let body = [
        r#"{"access_token":""#,
        access_token,
        r#"","refresh_token":""#,
        refresh_token,
        r#"","token_type":"Bearer","expires_in":"#,
        &expires_in.to_string(),
        r#","refresh_expires_in":"#,
        &refresh_expires_in.to_string(),
        r#","session_id":""#,
        session_id.as_str(),
        r#"""#,
        scope.as_deref().unwrap_or_default(),
        "}",
    ]
    .concat();
    uncached(status).content_type(ContentType::json()).body(body)
}

/// `current` is the session of the caller, where the caller has one.
pub fn list(page: &Page, current: Option<SessionId>) -> HttpResponse {
    json(StatusCode::OK, &view::SessionList::of_page(page, current))
}

/// One session, live or ended; `None` when it is neither.
pub fn session(session: SessionId, found: &Lookup) -> Option<HttpResponse> {
    view::Session::new(session, found).map(|found| json(StatusCode::OK, &found))
}

/// The sessions that have ended, some of them perhaps by an earlier call whose answer was lost.
#[derive(Serialize, ToSchema)]
#[schema(as = Ended, example = json!({"ended": ["4830719265501837429"]}))]
pub struct EndedSessions<'a> {
    #[schema(value_type = Vec<schema::SessionIdSchema>)]
    ended: &'a [SessionId],
}

/// The sessions whose claims were replaced.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"updated": ["4830719265501837429"]}))]
pub struct Updated<'a> {
    #[schema(value_type = Vec<schema::SessionIdSchema>)]
    updated: &'a [SessionId],
}

pub fn ended(sessions: &[SessionId]) -> HttpResponse {
    json(StatusCode::OK, &EndedSessions { ended: sessions })
}

pub fn updated(sessions: &[SessionId]) -> HttpResponse {
    json(StatusCode::OK, &Updated { updated: sessions })
}
