//! `/v1/users/{sub}/sessions`: the same for support staff, by a service key with the role `manage`.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::arrival::Arrived;
use super::error::ApiError;
use super::{answer, credentials, request, sessions};
use crate::gateway::Gateway;
use crate::gateway::service_keys::Role;
use crate::session::{Reason, SessionId, Subject};
use crate::token::claims::SessionClaims;

/// `{"claims": {…}}` replaces the carried claims from the next refresh on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    pub claims: Map<String, Value>,
}

pub async fn list(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let subject = managed(&http, &gateway)?;
    Ok(answer::list(&gateway.list(gateway.begin(arrived), &subject).await?, None))
}

pub async fn end_all(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let subject = managed(&http, &gateway)?;
    Ok(answer::ended(&gateway.end_subject(gateway.begin(arrived), subject, None, Reason::Admin).await?))
}

pub async fn set_claims_of_all(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    payload: Payload,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let subject = managed(&http, &gateway)?;
    let claims = patch(&http, payload).await?;
    Ok(answer::updated(&gateway.set_subject_claims(gateway.begin(arrived), &subject, &claims).await?))
}

pub async fn get(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let subject = managed(&http, &gateway)?;
    let session = known(&http)?;
    answer::session(session, &gateway.get(gateway.begin(arrived), &subject, session).await?)
        .ok_or(ApiError::NoSession)
}

pub async fn set_claims(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    payload: Payload,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let subject = managed(&http, &gateway)?;
    let claims = patch(&http, payload).await?;
    let session = known(&http)?;
    let found = gateway.set_claims(gateway.begin(arrived), &subject, session, &claims).await?;
    answer::session(session, &found).ok_or(ApiError::NoSession)
}

pub async fn end_one(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let subject = managed(&http, &gateway)?;
    let Some(session) = request::session(&http) else { return Ok(answer::ended(&[])) };
    Ok(answer::ended(&gateway.end_session(gateway.begin(arrived), subject, session, Reason::Admin).await?))
}

fn managed(http: &HttpRequest, gateway: &Gateway) -> Result<Subject, ApiError> {
    credentials::service(http, &gateway.services, Role::Manage)?;
    request::subject(http)
}

fn known(http: &HttpRequest) -> Result<SessionId, ApiError> {
    request::session(http).ok_or(ApiError::NoSession)
}

async fn patch(http: &HttpRequest, payload: Payload) -> Result<SessionClaims, ApiError> {
    let patch: Patch = request::json(http, payload).await?;
    sessions::claims(&patch.claims)
}
