//! `POST /oauth/token`, grant type `refresh_token` (RFC 6749 section 6).

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::arrival::Arrived;
use super::error::ApiError;
use super::form::{self, Form};
use super::sessions::check_scope;
use super::{answer, credentials, request};
use crate::gateway::Gateway;
use crate::gateway::refresh::Refresh;

pub async fn refresh(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    payload: Payload,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let body = request::body(&http, payload, form::MEDIA_TYPE).await?;
    let text = form::text(&body);
    let form = Form::read(&http, &text)?;
    let client = credentials::client(&http, &form, &gateway.services)?;
    if form.required("grant_type")? != "refresh_token" {
        return Err(ApiError::GrantType);
    }
    // Malformed scope is invalid scope here (RFC 6749 section 5.2), and nobody was ever granted it.
    let scope = form.get("scope").map(check_scope).transpose().map_err(|_| ApiError::Scope)?;
    let refresh = Refresh {
        token: form.required("refresh_token")?,
        client_id: client.as_deref(),
        scope,
        attempt: request::attempt(&http)?,
    };
    let issued = gateway.refresh(gateway.begin(arrived), &refresh).await?;
    Ok(answer::tokens(StatusCode::OK, &issued))
}
