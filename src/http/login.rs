//! `POST /v1/sessions`: a login service has authenticated a user.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::arrival::Arrived;
use super::audience::Audience;
use super::client::Client;
use super::credentials::check_ends;
use super::error::ErrorResponse;
use super::query::Query;
use super::request::{self, Object};
use super::{answer, credentials};
use crate::gateway::Gateway;
use crate::gateway::issue::Login;
use crate::gateway::service_keys::Role;
use crate::token::session_claims::{InvalidClaims, SessionClaims, reserved_problem};
use crate::view::schema;

/// Longest client id and audience, in bytes.
const MAX_IDENTIFIER_LEN: usize = 255;

/// Scope tokens, one space between (RFC 6749 section 3.3); an empty one counts as absent.
#[derive(ToSchema)]
#[schema(pattern = r"^([!#-\[\]-~]+( [!#-\[\]-~]+)*)?$", max_length = 1024, example = "read write")]
#[expect(dead_code, reason = "it documents what `check_scope` demands")]
pub struct Scope(String);

/// Longest scope, in bytes.
const MAX_SCOPE_LEN: usize = 1024;

/// A login: its subject, claims and device.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Login, example = json!({"sub": "alice", "claims": {"roles": ["admin"]}, "client": {"ip": "192.0.2.1", "user_agent": "Example/1.0"}}))]
pub struct LoginBody {
    #[schema(value_type = schema::SubjectSchema)]
    sub: String,
    /// Ride in every access token of the session: at most 2048 bytes of JSON, 8 levels deep. Reserved in any case: iss, sub,
    /// aud, exp, nbf, iat, jti, sid, gen, type, client_id, scope, cnf, act, acr, amr, auth_time, ref. Whole numbers are exact, from
    /// -9223372036854775808 to 18446744073709551615; a number with a point or an exponent is an IEEE double.
    #[schema(value_type = Option<Object>)]
    claims: Option<Box<RawValue>>,
    #[schema(value_type = Option<Client>)]
    client: Option<Object<Client>>,
    /// The client that may refresh the session; the name of the service unless given. No space at an end.
    #[schema(pattern = "^([!-~]([ -~]*[!-~])?)?$", max_length = 255)]
    client_id: Option<String>,
    #[schema(value_type = Option<Scope>)]
    scope: Option<String>,
    /// `aud` of the access tokens, `AUDIENCE` unless given; never the issuer.
    #[schema(schema_with = Audience::schema)]
    aud: Option<Audience>,
}

/// Issue the tokens of a new session
///
/// The login service has just proved who the user is.
#[utoipa::path(
    post,
    path = "/v1/sessions",
    tag = "Sessions",
    operation_id = "issue",
    request_body = LoginBody,
    responses((status = 201, description = "A new session, and its tokens", body = answer::TokenResponse)),
    security(("service_key" = ["issue"]), ("service_basic" = ["issue"])),
)]
pub async fn issue(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    payload: Payload,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ErrorResponse> {
    let service = credentials::service(&http, &gateway.services, Role::Issue)?;
    Query::none(&http)?;
    let body: LoginBody = request::json(&http, payload).await?;
    let login = login(body, &service.name, &gateway.settings.issuer)?;
    let issued = gateway.issue(gateway.begin(arrived), login).await?;
    Ok(answer::tokens(StatusCode::CREATED, &issued))
}

pub fn login(body: LoginBody, service: &str, issuer: &str) -> Result<Login, ErrorResponse> {
    let subject = body.sub.try_into().map_err(|error| ErrorResponse::field("sub", format!("{error}")))?;
    let audience = body.aud.map(Audience::one).transpose()?.filter(|aud| !aud.is_empty());
    if let Some(aud) = &audience {
        check_identifier("aud", aud)?;
        if aud == issuer {
            return Err(ErrorResponse::field(
                "aud",
                "must not be the issuer, which is the audience of refresh tokens",
            ));
        }
    }
    let client_id = body.client_id.filter(|id| !id.is_empty()).unwrap_or_else(|| service.to_owned());
    check_identifier("client_id", &client_id)?;
    check_ends(&client_id)?;
    let scope = body.scope.filter(|scope| !scope.is_empty());
    if let Some(scope) = &scope {
        check_scope(scope)?;
    }
    Ok(Login {
        subject,
        claims: body.claims.map(|stated| claims(&stated)).transpose()?.unwrap_or_default(),
        client: body.client.map(|Object(client)| client.stored()).unwrap_or_default(),
        client_id,
        scope,
        audience,
    })
}

pub fn claims(claims: &RawValue) -> Result<SessionClaims, ErrorResponse> {
    SessionClaims::read(claims).map_err(|error| match error {
        InvalidClaims::Reserved { name, reserved } => {
            let problem = reserved_problem(&name, reserved);
            ErrorResponse::field(request::shortened(format!("claims.{name}")), problem)
        }
        InvalidClaims::Value { path, problem } => {
            ErrorResponse::field(request::shortened(format!("claims{path}")), problem)
        }
        InvalidClaims::NoObject | InvalidClaims::TooLarge(_) | InvalidClaims::TooDeep => {
            ErrorResponse::field("claims", error.to_string())
        }
    })
}

/// Printable ASCII, the space included: RFC 6749 appendix A.1 allows these in a client id, and an audience needs no others.
fn check_identifier(field: &'static str, name: &str) -> Result<(), ErrorResponse> {
    if name.len() <= MAX_IDENTIFIER_LEN && name.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        Ok(())
    } else {
        Err(ErrorResponse::field(field, "must be 1 to 255 printable ASCII characters"))
    }
}

/// RFC 6749 section 3.3: tokens of visible ASCII without quote and backslash, one space between.
pub fn check_scope(scope: &str) -> Result<&str, ErrorResponse> {
    let allowed = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let well_formed = |token: &str| !token.is_empty() && token.bytes().all(allowed);
    if scope.len() <= MAX_SCOPE_LEN && scope.split(' ').all(well_formed) {
        Ok(scope)
    } else {
        Err(ErrorResponse::field(
            "scope",
            "must be scope tokens separated by single spaces, at most 1024 bytes",
        ))
    }
}
