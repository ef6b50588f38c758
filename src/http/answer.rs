//! What is answered when all went well. Nothing here may be cached.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, PRAGMA};
use serde::Serialize;

use crate::gateway::Issued;
use crate::session::SessionId;
use crate::store::{Lookup, SessionRecord};
use crate::view;

pub fn json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((PRAGMA, "no-cache"))
        .json(body)
}

/// RFC 6749 section 5.1.
#[derive(Serialize)]
struct Tokens<'a> {
    access_token: &'a str,
    refresh_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    refresh_expires_in: u64,
    session_id: SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
}

pub fn tokens(status: StatusCode, issued: &Issued) -> HttpResponse {
    let body = Tokens {
        access_token: &issued.pair.access_token,
        refresh_token: &issued.pair.refresh_token,
        token_type: "Bearer",
        expires_in: issued.pair.expires_in,
        refresh_expires_in: issued.pair.refresh_expires_in,
        session_id: issued.session,
        scope: issued.scope.as_deref(),
    };
    json(status, &body)
}

/// `current` is the session of the caller, where the caller has one.
pub fn list(records: &[SessionRecord], current: Option<SessionId>) -> HttpResponse {
    json(StatusCode::OK, &view::List::new(records, current))
}

/// One session, live or ended; `None` when it is neither.
pub fn session(session: SessionId, found: &Lookup) -> Option<HttpResponse> {
    view::Session::new(session, found).map(|found| json(StatusCode::OK, &found))
}

pub fn ended(sessions: &[SessionId]) -> HttpResponse {
    json(StatusCode::OK, &serde_json::json!({ "ended": sessions }))
}

pub fn updated(sessions: &[SessionId]) -> HttpResponse {
    json(StatusCode::OK, &serde_json::json!({ "updated": sessions }))
}
