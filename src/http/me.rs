//! `/v1/me/sessions`: users and their own sessions, by access token.
//!
//! The session of the token is looked up in the store each time. So a token is refused as soon as its session has
//! ended, before it expires.

use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use token_gateway_core::session::Reason;

use super::arrival::Arrived;
use super::error::ApiError;
use super::request::AnySession;
use super::{answer, credentials, request};
use crate::gateway::Gateway;
use crate::gateway::sessions::Caller;
use crate::view;

/// `?except=current` spares the session of the caller. Anything else is refused: a typing error must not end all
/// sessions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    except: Option<String>,
}

impl Which {
    pub fn spares_current(http: &HttpRequest) -> Result<bool, ApiError> {
        match Query::<Self>::from_query(http.query_string()).map(Query::into_inner) {
            Ok(Self { except: None }) => Ok(false),
            Ok(Self { except: Some(except) }) if except == "current" => Ok(true),
            Ok(_) => Err(ApiError::field("except", "must be 'current'")),
            Err(_) => Err(ApiError::Request("the only parameter here is 'except'")),
        }
    }
}

/// List one's own sessions
#[utoipa::path(
    get,
    path = "/v1/me/sessions",
    tag = "Own sessions",
    operation_id = "list_own_sessions",
    responses((status = 200, description = "The live sessions of the subject", body = view::SessionList)),
    security(("access_token" = [])),
)]
pub async fn list(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let call = gateway.begin(arrived);
    match gateway.caller(call, credentials::access_token(&http)?).await? {
        Caller::Live { subject, session } => {
            Ok(answer::list(&gateway.list(call, &subject).await?, Some(session)))
        }
        Caller::JustAnnounced { .. } => Err(ApiError::Access),
    }
}

/// Log out everywhere, or everywhere else
#[utoipa::path(
    delete,
    path = "/v1/me/sessions",
    tag = "Own sessions",
    operation_id = "end_own_sessions",
    params((
        "except" = Option<String>,
        Query,
        description = "`current` spares the session of the access token. No other parameter is taken.",
        pattern = "^current$",
        nullable = false,
        example = "current",
    )),
    responses((status = 200, description = "What has ended, also when nothing was live", body = answer::EndedSessions)),
    security(("access_token" = [])),
)]
pub async fn end_all(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    // A call repeated after a 503 gets its 200, if only the publishing was left to do.
    let token = credentials::access_token(&http)?;
    let spares_current = Which::spares_current(&http)?;
    let call = gateway.begin(arrived);
    match gateway.caller(call, token).await? {
        Caller::Live { subject, session } => {
            let except = spares_current.then_some(session);
            Ok(answer::ended(&gateway.end_subject(call, subject, except, Reason::Logout).await?))
        }
        Caller::JustAnnounced { subject, announced } => {
            let all_ended = !spares_current && gateway.list(call, &subject).await?.is_empty();
            if all_ended { Ok(answer::ended(&announced)) } else { Err(ApiError::Access) }
        }
    }
}

/// Log out one's own session, one device
#[utoipa::path(
    delete,
    path = "/v1/me/sessions/{sid}",
    tag = "Own sessions",
    operation_id = "end_own_session",
    params(("sid" = AnySession, Path)),
    responses((status = 200, description = "What has ended, also when nothing was live", body = answer::EndedSessions)),
    security(("access_token" = [])),
)]
pub async fn end_one(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let (call, session) = (gateway.begin(arrived), request::session(&http));
    match gateway.caller(call, credentials::access_token(&http)?).await? {
        Caller::Live { subject, .. } => {
            let Some(session) = session else { return Ok(answer::ended(&[])) };
            Ok(answer::ended(&gateway.end_session(call, subject, session, Reason::Logout).await?))
        }
        Caller::JustAnnounced { announced, .. } => {
            let was_it = session.is_some_and(|session| announced.contains(&session));
            if was_it { Ok(answer::ended(&announced)) } else { Err(ApiError::Access) }
        }
    }
}
