//! `POST /oauth/introspect` (RFC 7662), for services with the role `introspect`; refresh and access tokens.
//!
//! `token_type_hint` is only a hint: both kinds are tried, whatever it says (section 2.1).

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};

use super::arrival::Arrived;
use super::error::ApiError;
use super::form::{self, Form};
use super::{answer, credentials, request};
use crate::gateway::Gateway;
use crate::gateway::service_keys::Role;

pub async fn introspect(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    payload: Payload,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ApiError> {
    let body = request::body(&http, payload, form::MEDIA_TYPE).await?;
    let text = form::text(&body);
    let form = Form::read(&http, &text)?;
    credentials::service_or_form(&http, &form, &gateway.services, Role::Introspect)?;
    let claims = gateway.introspect(gateway.begin(arrived), form.required("token")?).await?;
    Ok(answer::json(
        StatusCode::OK,
        &claims.map_or_else(|| json!({ "active": false }), |claims| active(&claims)),
    ))
}

/// The claims as they stand in the token, their types included; `active` is ours, whatever they say.
fn active(claims: &[u8]) -> Value {
    let mut members: Map<String, Value> = serde_json::from_slice(claims).unwrap_or_default();
    members.insert("active".to_owned(), Value::Bool(true));
    Value::Object(members)
}
