//! `/v1/users/{sub}/sessions`: support staff and the sessions of any user, by a service key with the role `manage`.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::value::RawValue;
use token_gateway_core::session::{Reason, SessionId, Subject};
use utoipa::ToSchema;

use super::arrival::Arrived;
use super::error::ErrorResponse;
use super::openapi::refusals::NoSession;
use super::page::{self, PageParameters};
use super::query::{self, Query};
use super::request::AnySession;
use super::{answer, credentials, login, request};
use crate::gateway::Gateway;
use crate::gateway::service_keys::Role;
use crate::token::session_claims::SessionClaims;
use crate::view::{self, schema};

/// The claims of the session from its next refresh on: all of them, in place of the former ones.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Claims, example = json!({"claims": {"roles": ["guest"]}}))]
pub struct Patch {
    /// Claims that are left out are gone. At most 2048 bytes of JSON, 8 levels deep. Reserved in any case: iss, sub, aud, exp, nbf, iat, jti, sid,
    /// gen, type, client_id, scope, cnf, act, acr, amr, auth_time, ref. Whole numbers are exact, from -9223372036854775808 to 18446744073709551615; a number
    /// with a point or an exponent is an IEEE double.
    #[schema(value_type = Object)]
    pub claims: Box<RawValue>,
}

/// List a user's sessions
#[utoipa::path(
    get,
    path = "/v1/users/{sub}/sessions",
    tag = "Users",
    operation_id = "list_sessions",
    params(("sub" = schema::SubjectSchema, Path), PageParameters),
    responses((status = 200, description = "Live sessions of the subject", body = view::SessionList)),
    security(("service_key" = ["manage"]), ("service_basic" = ["manage"])),
)]
pub async fn list(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    payload: Payload,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ErrorResponse> {
    let subject = managed(&http, &gateway)?;
    let asked = page::asked(&http)?;
    request::no_members(&http, payload).await?;
    Ok(answer::list(&gateway.list(gateway.begin(arrived), subject, asked).await?, None))
}

/// Log a user out everywhere, or everywhere but on one device
#[utoipa::path(
    delete,
    path = "/v1/users/{sub}/sessions",
    tag = "Users",
    operation_id = "end_sessions",
    params(
        ("sub" = schema::SubjectSchema, Path),
        (
            "except" = Option<String>,
            Query,
            description = "The `session_id` of the session to spare. One that is not live there spares nothing.",
            pattern = "^[1-9][0-9]{18}$",
            nullable = false,
            example = "4830719265501837429",
        ),
    ),
    responses((status = 200, description = "What has ended, also when nothing was live", body = answer::EndedSessions)),
    security(("service_key" = ["manage"]), ("service_basic" = ["manage"])),
)]
pub async fn end_all(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    payload: Payload,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ErrorResponse> {
    let subject = managed(&http, &gateway)?;
    let spared = spared(&http)?;
    request::no_members(&http, payload).await?;
    let ended = gateway.ender().end_all(gateway.begin(arrived), subject, spared, Reason::Admin).await?;
    Ok(answer::ended(&ended.ids()))
}

/// Replace all claims of a user's sessions
///
/// The sent object takes the place of the former one: claims that it leaves out are gone from the next refresh on. Access
/// tokens that are out there keep what they say.
#[utoipa::path(
    patch,
    path = "/v1/users/{sub}/sessions",
    tag = "Users",
    operation_id = "set_claims_of_all",
    params(("sub" = schema::SubjectSchema, Path)),
    request_body = Patch,
    responses((status = 200, description = "The sessions that carry the new claims from their next refresh on", body = answer::Updated)),
    security(("service_key" = ["manage"]), ("service_basic" = ["manage"])),
)]
pub async fn set_claims_of_all(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    payload: Payload,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ErrorResponse> {
    let subject = managed(&http, &gateway)?;
    let claims = patch(&http, payload).await?;
    Ok(answer::updated(&gateway.set_subject_claims(gateway.begin(arrived), subject, claims).await?))
}

/// Show one session
#[utoipa::path(
    get,
    path = "/v1/users/{sub}/sessions/{sid}",
    tag = "Users",
    operation_id = "get_session",
    params(("sub" = schema::SubjectSchema, Path), ("sid" = AnySession, Path)),
    responses((status = 200, description = "The session, live or ended", body = view::Session), NoSession),
    security(("service_key" = ["manage"]), ("service_basic" = ["manage"])),
)]
pub async fn get(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    payload: Payload,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ErrorResponse> {
    let subject = managed(&http, &gateway)?;
    query::nothing(&http, payload).await?;
    let session = known(&http)?;
    answer::session(session, &gateway.get(gateway.begin(arrived), subject, session).await?)
        .ok_or(ErrorResponse::NoSession)
}

/// Replace all claims of one session
///
/// The sent object takes the place of the former one: claims that it leaves out are gone from the next refresh on. Access
/// tokens that are out there keep what they say.
#[utoipa::path(
    patch,
    path = "/v1/users/{sub}/sessions/{sid}",
    tag = "Users",
    operation_id = "set_claims",
    params(("sub" = schema::SubjectSchema, Path), ("sid" = AnySession, Path)),
    request_body = Patch,
    responses((status = 200, description = "The session with its new claims", body = view::Session), NoSession),
    security(("service_key" = ["manage"]), ("service_basic" = ["manage"])),
)]
pub async fn set_claims(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    payload: Payload,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ErrorResponse> {
    let subject = managed(&http, &gateway)?;
    let claims = patch(&http, payload).await?;
    let session = known(&http)?;
    let found = gateway.set_claims(gateway.begin(arrived), subject, session, claims).await?;
    answer::session(session, &found).ok_or(ErrorResponse::NoSession)
}

/// End one session of a user
#[utoipa::path(
    delete,
    path = "/v1/users/{sub}/sessions/{sid}",
    tag = "Users",
    operation_id = "end_session",
    params(("sub" = schema::SubjectSchema, Path), ("sid" = AnySession, Path)),
    responses((status = 200, description = "What has ended, also when nothing was live", body = answer::EndedSessions)),
    security(("service_key" = ["manage"]), ("service_basic" = ["manage"])),
)]
pub async fn end_one(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    payload: Payload,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ErrorResponse> {
    let subject = managed(&http, &gateway)?;
    query::nothing(&http, payload).await?;
    let Some(session) = request::session(&http) else { return Ok(answer::ended(&[])) };
    let ended = gateway.ender().end_one(gateway.begin(arrived), subject, session, Reason::Admin).await?;
    Ok(answer::ended(&ended.ids()))
}

fn managed(http: &HttpRequest, gateway: &Gateway) -> Result<Subject, ErrorResponse> {
    credentials::service(http, &gateway.services, Role::Manage)?;
    request::subject(http)
}

fn known(http: &HttpRequest) -> Result<SessionId, ErrorResponse> {
    request::session(http).ok_or(ErrorResponse::NoSession)
}

/// The session that `?except=` spares.
pub fn spared(http: &HttpRequest) -> Result<Option<SessionId>, ErrorResponse> {
    let except = Query::read(http, &["except"])?.get("except").map(str::parse).transpose();
    except.map_err(|_| ErrorResponse::field("except", "must be a session_id, 19 digits"))
}

async fn patch(http: &HttpRequest, payload: Payload) -> Result<SessionClaims, ErrorResponse> {
    Query::none(http)?;
    let patch: Patch = request::json(http, payload).await?;
    login::claims(&patch.claims)
}
