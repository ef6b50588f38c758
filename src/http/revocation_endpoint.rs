//! `POST /oauth/revoke` (RFC 7009), for refresh and access tokens.
//!
//! `token_type_hint` is only a hint: both kinds are tried, whatever it says (section 2.1).

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::response::Response;
use utoipa::{IntoResponses, ToSchema};

use super::arrival::Arrived;
use super::error::ErrorResponse;
use super::form::{self, Form, TokenForm};
use super::openapi::refusals;
use super::{answer, credentials, request};
use crate::gateway::{Gateway, GrantRefusal};

/// Nothing is left to be said.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({}))]
struct Revoked {}

/// The error of a revocation alone.
struct RevocationRefusals;

impl IntoResponses for RevocationRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refusals::document([ErrorResponse::Grant(GrantRefusal::Client)])
    }
}

/// End the session of a refresh or access token (RFC 7009)
///
/// Also 200 for a token that is expired, unknown or nonsense.
#[utoipa::path(
    post,
    path = "/oauth/revoke",
    tag = "OAuth",
    operation_id = "revoke",
    request_body(content = TokenForm, content_type = form::MEDIA_TYPE),
    responses((status = 200, description = "No token of that session works", body = Revoked), RevocationRefusals),
    security((), ("service_key" = []), ("service_basic" = [])),
)]
pub async fn revoke(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    payload: Payload,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ErrorResponse> {
    let body = request::body(&http, payload, form::MEDIA_TYPE).await?;
    let text = form::text(&body);
    let form = Form::read(&http, &text)?;
    let client = credentials::client(&http, &form, &gateway.services)?;
    let token = form.required("token")?;
    let revoked = gateway.revoke(gateway.begin(arrived), token, client.as_deref()).await?;
    revoked.map_err(ErrorResponse::Grant)?;
    Ok(answer::json(StatusCode::OK, &Revoked {}))
}
