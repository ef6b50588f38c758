//! `POST /oauth/token`, grant type `refresh_token` (RFC 6749 section 6).

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use token_gateway_core::token::TokenRefusal;
use utoipa::openapi::RefOr;
use utoipa::openapi::response::Response;
use utoipa::{IntoResponses, ToSchema};

use super::arrival::Arrived;
use super::client::Client;
use super::error::ErrorResponse;
use super::form::{self, Form};
use super::login::{Scope, check_scope};
use super::openapi::refusals;
use super::request::{self, Object};
use super::{answer, credentials};
use crate::gateway::caller::Caller;
use crate::gateway::refresh::Refresh;
use crate::gateway::{Gateway, GrantRefusal};

/// The form of a refresh. Unknown parameters are ignored, empty ones count as absent; none belongs in the URI.
#[derive(ToSchema)]
#[schema(as = RefreshForm, example = json!({"grant_type": "refresh_token", "refresh_token": "eyJ0eXAiOiJydCtqd3QiLCJhbGciOiJIUzI1NiJ9.e30.c2ln"}))]
#[expect(dead_code, reason = "it documents what `Form` reads")]
struct RefreshForm {
    #[schema(pattern = "^refresh_token$")]
    grant_type: String,
    #[schema(pattern = r"^[^\u0000-\u001f\u007f-\u009f\ufffd]+$")]
    refresh_token: String,
    /// At most what the session was granted; the next refresh may ask for all of it again.
    #[schema(value_type = Option<Scope>, nullable = false)]
    scope: Option<String>,
    /// The client, where it does not use the Authorization header; alone, it names a public client.
    #[schema(value_type = Option<form::ClientId>, nullable = false)]
    client_id: Option<String>,
    /// The service key, as RFC 6749 section 2.3.1 lets clients send it; needs `client_id`.
    #[schema(value_type = Option<form::Text>, nullable = false)]
    client_secret: Option<String>,
    /// The device as it is now: a JSON object with `ip`, `user_agent` and `label`, as at `POST /v1/sessions`. It counts
    /// from a service alone, by its key: no browser chooses what staff see. The last one is shown in lists.
    #[schema(nullable = false, example = r#"{"ip": "192.0.2.7", "user_agent": "Example/1.1"}"#)]
    client: Option<String>,
}

/// The parameter that describes the device.
const CLIENT: &str = "client";

/// The errors of a refresh alone.
struct RefreshRefusals;

impl IntoResponses for RefreshRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let refusals = [
            GrantRefusal::Token(TokenRefusal::Malformed),
            GrantRefusal::Client,
            GrantRefusal::NoKey,
            GrantRefusal::Ended,
            GrantRefusal::Reused,
        ];
        let others =
            [ErrorResponse::GrantType, ErrorResponse::Grant(GrantRefusal::Scope), ErrorResponse::Overtaken];
        refusals::document(refusals.map(ErrorResponse::Grant).into_iter().chain(others))
    }
}

/// Exchange a refresh token for a new pair (RFC 6749 section 6)
///
/// The refresh token is used up: keep the new one. Send a fresh `Idempotency-Key` with each refresh, and the
/// same one when you repeat it because the answer did not come. A refresh token that comes back with another
/// key is taken for stolen: every session of its subject ends. A Bearer in the form of a JWT, an empty one, `undefined`
/// and `null` are no client authentication: the body decides.
#[utoipa::path(
    post,
    path = "/oauth/token",
    tag = "OAuth",
    operation_id = "refresh",
    params((
        "Idempotency-Key" = Option<String>,
        Header,
        description = "Names the attempt: fresh, random, and repeated on a retry.",
        pattern = "^[!-~][ -~]{14,253}[!-~]$",
        min_length = 16,
        max_length = 255,
        nullable = false,
        example = "7f9c24e8a1b34d5c9e0f6a7b8c9d0e1f",
    )),
    request_body(content = RefreshForm, content_type = form::MEDIA_TYPE),
    responses((status = 200, description = "A new pair of tokens", body = answer::TokenResponse), RefreshRefusals),
    security((), ("service_key" = []), ("service_basic" = [])),
)]
pub async fn refresh(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    payload: Payload,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ErrorResponse> {
    let body = request::body(&http, payload, form::MEDIA_TYPE).await?;
    let text = form::text(&body);
    let form = Form::read_with_any(&http, &text, CLIENT)?;
    let caller = credentials::client(&http, &form, &gateway.services)?;
    if form.required("grant_type")? != "refresh_token" {
        return Err(ErrorResponse::GrantType);
    }
    // Malformed scope is invalid scope here (RFC 6749 section 5.2), and nobody was ever granted it.
    let scope = form
        .get("scope")
        .map(check_scope)
        .transpose()
        .map_err(|_| ErrorResponse::Grant(GrantRefusal::Scope))?;
    let refresh = Refresh {
        token: form.required("refresh_token")?,
        caller: &caller,
        scope,
        client: &device(&form, &caller)?,
        attempt: request::attempt(&http)?,
        sender: request::sender(&http),
    };
    let issued = gateway.refresh(gateway.begin(arrived), &refresh).await?.map_err(ErrorResponse::Grant)?;
    Ok(answer::tokens(StatusCode::OK, &issued))
}

/// The device as a service describes it; empty where it does not. From anybody else the parameter counts as unknown.
fn device(form: &Form<'_>, caller: &Caller) -> Result<String, ErrorResponse> {
    let stated = form.get(CLIENT).filter(|_| caller.is_service);
    stated.map_or_else(|| Ok(String::new()), described)
}

/// The device in the parameter, as stored; empty where nothing is said about it.
pub fn described(parameter: &str) -> Result<String, ErrorResponse> {
    let stated: Option<Object<Client>> = request::json_parameter(CLIENT, parameter)?;
    Ok(stated.map(|Object(client)| client.stored()).unwrap_or_default())
}
