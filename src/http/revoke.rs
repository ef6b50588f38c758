//! `POST /oauth/revoke` (RFC 7009), for refresh and access tokens.
//!
//! `token_type_hint` is only a hint: both kinds are tried, whatever it says (section 2.1).

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::arrival::Arrived;
use super::error::ApiError;
use super::form::{self, Form};
use super::{answer, credentials, request};
use crate::gateway::Gateway;

pub async fn revoke(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    payload: Payload,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let body = request::body(&http, payload, form::MEDIA_TYPE).await?;
    let text = form::text(&body);
    let form = Form::read(&http, &text)?;
    let client = credentials::client(&http, &form, &gateway.services)?;
    gateway.revoke(gateway.begin(arrived), form.required("token")?, client.as_deref()).await?;
    Ok(answer::json(StatusCode::OK, &json!({})))
}
