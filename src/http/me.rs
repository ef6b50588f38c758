//! `/v1/me/sessions`: what users see of their own sessions, by access token.
//!
//! The session of the token is looked up in the store each time: one that has ended is refused here at
//! once, not only when the token expires.

use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::error::{ApiError, GatewayError};
use super::{answer, credentials, request};
use crate::gateway::Gateway;
use crate::gateway::sessions::Caller;
use crate::session::{Reason, SessionId, Subject};

/// `?except=current`: everywhere else.
#[derive(Deserialize)]
pub struct Which {
    except: Option<String>,
}

pub async fn list(http: HttpRequest, gateway: Data<Gateway>) -> Result<HttpResponse, ApiError> {
    match gateway.caller(credentials::access_token(&http)?).await? {
        Caller::Live { subject, session } => Ok(answer::list(&gateway.list(&subject).await?, Some(session))),
        Caller::JustAnnounced(_) => Err(GatewayError::Access.into()),
    }
}

pub async fn end_all(http: HttpRequest, gateway: Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let which = Query::<Which>::from_query(http.query_string());
    let except = match which.as_deref() {
        Ok(Which { except: None }) => false,
        Ok(Which { except: Some(except) }) if except == "current" => true,
        Ok(_) | Err(_) => return Err(ApiError::field("except", "must be 'current'")),
    };
    let (subject, session) = match ending(&http, &gateway).await? {
        Ok(caller) => caller,
        Err(answer) => return Ok(answer),
    };
    let ended = gateway.end_subject(subject, except.then_some(session), Reason::Logout).await?;
    Ok(answer::ended(&ended))
}

pub async fn end_one(http: HttpRequest, gateway: Data<Gateway>) -> Result<HttpResponse, ApiError> {
    let (subject, _) = match ending(&http, &gateway).await? {
        Ok(caller) => caller,
        Err(answer) => return Ok(answer),
    };
    let Some(session) = request::session(&http, 4) else { return Ok(answer::ended(&[])) };
    Ok(answer::ended(&gateway.end_session(subject, session, Reason::Logout).await?))
}

/// The caller; or the answer to a logout that is repeated because the first could not be announced, when
/// the caller's session has ended and only announcing was left to do.
async fn ending(
    http: &HttpRequest,
    gateway: &Gateway,
) -> Result<Result<(Subject, SessionId), HttpResponse>, ApiError> {
    Ok(match gateway.caller(credentials::access_token(http)?).await? {
        Caller::Live { subject, session } => Ok((subject, session)),
        Caller::JustAnnounced(ended) => Err(answer::ended(&ended)),
    })
}
