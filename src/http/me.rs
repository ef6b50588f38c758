//! `/v1/me/sessions`: users and their own sessions, by access token.
//!
//! The session of the token is looked up in the store each time. So a token is refused as soon as its session has
//! ended, before it expires. Its audience must be among `ME_AUDIENCES` (RFC 9068 section 4): a service for which a token is
//! meant must not list or end the devices of its user.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::arrival::Arrived;
use super::error::ErrorResponse;
use super::page::{self, PageParameters};
use super::query::{self, Query};
use super::request::AnySession;
use super::{answer, credentials, request};
use crate::gateway::Gateway;
use crate::view;

/// `?except=current` spares the session of the caller. Anything else is refused: a typing error must not end all
/// sessions.
pub fn spares_current(http: &HttpRequest) -> Result<bool, ErrorResponse> {
    match Query::read(http, &["except"])?.get("except") {
        None => Ok(false),
        Some("current") => Ok(true),
        Some(_) => Err(ErrorResponse::field("except", "must be 'current'")),
    }
}

/// List one's own sessions
///
/// Needs an access token whose `aud` is in `ME_AUDIENCES`. Its session is looked up each time.
#[utoipa::path(
    get,
    path = "/v1/me/sessions",
    tag = "Own sessions",
    operation_id = "list_own_sessions",
    params(PageParameters),
    responses((status = 200, description = "Live sessions of the subject", body = view::SessionList)),
    security(("access_token" = [])),
)]
pub async fn list(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    payload: Payload,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ErrorResponse> {
    let token = credentials::access_token(&http)?;
    let asked = page::asked(&http)?;
    request::no_members(&http, payload).await?;
    let listed = gateway.own_sessions(gateway.begin(arrived), token, asked).await?;
    let (page, own) = listed.map_err(|_| ErrorResponse::Access)?;
    Ok(answer::list(&page, Some(own)))
}

/// Log out everywhere, or everywhere else
///
/// Needs an access token whose `aud` is in `ME_AUDIENCES`.
#[utoipa::path(
    delete,
    path = "/v1/me/sessions",
    tag = "Own sessions",
    operation_id = "end_own_sessions",
    params((
        "except" = Option<String>,
        Query,
        description = "`current` spares the session of the access token.",
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
    payload: Payload,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ErrorResponse> {
    let token = credentials::access_token(&http)?;
    let spares_own = spares_current(&http)?;
    request::no_members(&http, payload).await?;
    let ended = gateway.log_out_everywhere(gateway.begin(arrived), token, spares_own).await?;
    Ok(answer::ended(&ended.map_err(|_| ErrorResponse::Access)?))
}

/// Log out one's own session, one device
///
/// Needs an access token whose `aud` is in `ME_AUDIENCES`.
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
    payload: Payload,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ErrorResponse> {
    let token = credentials::access_token(&http)?;
    query::nothing(&http, payload).await?;
    let ended = gateway.log_out(gateway.begin(arrived), token, request::session(&http)).await?;
    Ok(answer::ended(&ended.map_err(|_| ErrorResponse::Access)?))
}
