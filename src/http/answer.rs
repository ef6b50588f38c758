//! What is answered when all went well. Nothing here may be cached.

use std::fmt::Write;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ContentType, HeaderValue, PRAGMA};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::gateway::Issued;
use crate::session::{Reason, SessionId};
use crate::store::{Lookup, SessionRecord};
use crate::token::Pair;

pub fn json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    uncached(status).json(body)
}

fn uncached(status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer.insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")));
    answer.insert_header((PRAGMA, HeaderValue::from_static("no-cache")));
    answer
}

/// RFC 6749 section 5.1. Written out, because tokens and ids need no escape, and an escaper would look at
/// every byte of them.
pub fn tokens(status: StatusCode, issued: &Issued) -> HttpResponse {
    let (pair, session_id) = (&issued.pair, issued.session);
    let Pair { access_token, refresh_token, expires_in, refresh_expires_in } = pair;
    let mut body = String::with_capacity(access_token.len() + refresh_token.len() + 256);
    let _ = write!(
        body,
        r#"{{"access_token":"{access_token}","refresh_token":"{refresh_token}","token_type":"Bearer","expires_in":{expires_in},"refresh_expires_in":{refresh_expires_in},"session_id":"{session_id}""#
    );
    if let Some(scope) = &issued.scope {
        let _ = write!(body, r#","scope":{}"#, Value::from(scope.as_str()));
    }
    body.push('}');
    uncached(status).content_type(ContentType::json()).body(body)
}

/// A live session in a list.
#[derive(Serialize)]
struct Item {
    session_id: SessionId,
    created_at: String,
    last_refreshed_at: String,
    expires_at: String,
    absolute_expires_at: Option<String>,
    generation: u64,
    client: Value,
    client_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<bool>,
}

impl Item {
    fn new(record: &SessionRecord, current: Option<SessionId>) -> Self {
        Self {
            session_id: record.session,
            created_at: rfc3339(record.created_at),
            last_refreshed_at: rfc3339(record.last_refreshed_at),
            expires_at: rfc3339(record.expires_at),
            absolute_expires_at: record.absolute_expires_at.map(rfc3339),
            generation: record.generation,
            client: value(&record.client),
            client_id: record.client_id.clone(),
            current: current.map(|current| current == record.session),
        }
    }
}

/// `current` is the session of the caller, where the caller has one.
pub fn list(records: &[SessionRecord], current: Option<SessionId>) -> HttpResponse {
    #[derive(Serialize)]
    struct List {
        sessions: Vec<Item>,
    }
    let sessions = records.iter().map(|record| Item::new(record, current)).collect();
    json(StatusCode::OK, &List { sessions })
}

/// One session, live or ended; `None` when it is neither.
pub fn session(session: SessionId, found: &Lookup) -> Option<HttpResponse> {
    #[derive(Serialize)]
    struct Live {
        #[serde(flatten)]
        item: Item,
        state: &'static str,
        claims: Value,
    }
    #[derive(Serialize)]
    struct Ended {
        session_id: SessionId,
        state: &'static str,
        reason: Reason,
        ended_at: String,
    }
    match found {
        Lookup::Live(record, claims) => {
            let body = Live { item: Item::new(record, None), state: "live", claims: value(claims) };
            Some(json(StatusCode::OK, &body))
        }
        Lookup::Ended { reason, ended_at, .. } => {
            let body =
                Ended { session_id: session, state: "ended", reason: *reason, ended_at: rfc3339(*ended_at) };
            Some(json(StatusCode::OK, &body))
        }
        Lookup::Unknown => None,
    }
}

pub fn ended(sessions: &[SessionId]) -> HttpResponse {
    json(StatusCode::OK, &serde_json::json!({ "ended": sessions }))
}

pub fn updated(sessions: &[SessionId]) -> HttpResponse {
    json(StatusCode::OK, &serde_json::json!({ "updated": sessions }))
}

/// Stored JSON; `null` where nothing was stored.
fn value(stored: &str) -> Value {
    serde_json::from_str(stored).unwrap_or_default()
}

fn rfc3339(time: Timestamp) -> String {
    let micros = i64::try_from(time.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(micros).map(|at| format!("{at:.3}")).unwrap_or_default()
}
