//! `/verify`: a proxy asks whether it may let a request through, with the request's own `Authorization`.
//!
//! Decided in memory, by the token and the denylist. The method, the rest of the path and `X-Forwarded-*` change
//! nothing: those are the proxy's to judge. Only 2xx lets a request through. For nginx `auth_request`, forward auth of
//! Traefik and Caddy, ext_authz of Envoy over HTTP; `ops/` has a configuration for each.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use token_gateway_core::checker::{Access, Outcome};

use super::answer;
use super::credentials;
use super::error::ErrorResponse;
use super::openapi::refusals;
use crate::gateway::Gateway;

/// The subject of the request, percent-encoded as in paths, and `+` as `%2B`: readers that decode forms would make a
/// space of it, and so another user.
const SUBJECT_HEADER: HeaderName = HeaderName::from_static("x-auth-subject");
const SESSION_HEADER: HeaderName = HeaderName::from_static("x-auth-session");
const CLIENT_HEADER: HeaderName = HeaderName::from_static("x-auth-client");
/// Absent where the session has none.
const SCOPE_HEADER: HeaderName = HeaderName::from_static("x-auth-scope");

/// The error besides 401, where a scope is required.
pub struct LacksScope;

impl utoipa::IntoResponses for LacksScope {
    fn responses() -> std::collections::BTreeMap<String, utoipa::openapi::RefOr<utoipa::openapi::Response>> {
        refusals::document([ErrorResponse::LacksScope])
    }
}

/// Whether a proxy may let a request through
///
/// Takes any method. Answered from memory: an access token is good until it expires or the feed of ended sessions tells of
/// the end of its session. `Authorization` is that of the request. 503 is no verdict.
#[utoipa::path(
    get,
    path = "/verify",
    tag = "Verification",
    operation_id = "verify",
    params((
        "scope" = Option<String>,
        Query,
        description = "Scopes that the token must have, separated by spaces. Other parameters are not looked at.",
        nullable = false,
        example = "orders:read",
    )),
    responses(
        (status = 200, description = "It may", headers(
            ("X-Auth-Subject" = String, description = "`sub`, percent-encoded as in paths, and `+` as `%2B`"),
            ("X-Auth-Session" = String, description = "`sid`"),
            ("X-Auth-Client" = String, description = "`client_id`"),
            ("X-Auth-Scope" = String, description = "`scope`; absent where there is none"),
        )),
        LacksScope,
    ),
    security(("access_token" = [])),
)]
pub async fn verify(http: HttpRequest, gateway: Data<Gateway>) -> Result<HttpResponse, ErrorResponse> {
    let token = credentials::access_token(&http)?;
    let access = match gateway.verify(token).await {
        Outcome::Accepted(access) => access,
        Outcome::Refused(_) => return Err(ErrorResponse::Access),
        Outcome::Unknown(_) => return Err(ErrorResponse::Unavailable),
    };
    if required(http.query_string()).all(|scope| access.has_scope(&scope)) {
        identity(&access)
    } else {
        Err(ErrorResponse::LacksScope)
    }
}

/// All required scopes, also of a repeated parameter: one more parameter asks for more, never for less.
fn required(query: &str) -> impl Iterator<Item = String> {
    let scopes = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "scope");
    scopes.flat_map(|(_, value)| value.split(' ').map(str::to_owned).collect::<Vec<_>>())
}

/// Refuses text that no header can hold: others with `SIGNING_SECRET` may have put it into a token.
fn identity(access: &Access) -> Result<HttpResponse, ErrorResponse> {
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| ErrorResponse::Access);
    let mut answer = answer::empty();
    answer
        .insert_header((SUBJECT_HEADER, value(&access.subject().encoded().to_string().replace('+', "%2B"))?));
    answer.insert_header((SESSION_HEADER, value(access.session().as_str())?));
    answer.insert_header((CLIENT_HEADER, value(access.client_id())?));
    if let Some(scope) = access.scope() {
        answer.insert_header((SCOPE_HEADER, value(scope)?));
    }
    Ok(answer.finish())
}
