//! `POST /oauth/introspect` (RFC 7662), for services with the role `introspect`; refresh and access tokens.
//!
//! `token_type_hint` is only a hint: both kinds are tried, whatever it says (section 2.1).

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;

use super::arrival::Arrived;
use super::error::ErrorResponse;
use super::form::{self, Form, TokenForm};
use super::{answer, credentials, request};
use crate::gateway::Gateway;
use crate::gateway::service_keys::Role;

/// Whether the token is active; and of an active one its claims, as they stand in it.
#[derive(ToSchema)]
#[schema(example = json!({"active": true, "iss": "https://auth.example", "sub": "alice", "aud": "api", "client_id": "login", "exp": 1_790_000_900, "iat": 1_790_000_000, "jti": "4830719265501837429.T8yqk1rJ2mWcPA5QzX0hVb.n4bQgYhMfWWaLqgxVrQFaQ", "sid": "4830719265501837429", "type": "access"}))]
#[expect(dead_code, reason = "it documents what `told` makes")]
struct Introspection {
    active: bool,
}

/// Tell whether a token is good now, and what it says (RFC 7662)
///
/// Asks the store: a token of a session that has ended is inactive, and so is a refresh token that was rotated.
/// Asking changes nothing.
#[utoipa::path(
    post,
    path = "/oauth/introspect",
    tag = "OAuth",
    operation_id = "introspect",
    request_body(content = TokenForm, content_type = form::MEDIA_TYPE),
    responses((status = 200, description = "The token is active, or it is not", body = Introspection)),
    security(("service_key" = ["introspect"]), ("service_basic" = ["introspect"])),
)]
pub async fn introspect(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    payload: Payload,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ErrorResponse> {
    let body = request::body(&http, payload, form::MEDIA_TYPE).await?;
    let text = form::text(&body);
    let form = Form::read(&http, &text)?;
    credentials::service_or_form(&http, &form, &gateway.services, Role::Introspect)?;
    let claims = gateway.introspect(gateway.begin(arrived), form.required("token")?).await?;
    Ok(answer::json(StatusCode::OK, &told(claims.as_deref())))
}

/// `active`, and the claims of an active token as they stand in it, to the last digit. `active` is ours, whatever the
/// claims say.
fn told(claims: Option<&[u8]>) -> BTreeMap<String, Box<RawValue>> {
    let read = |claims| serde_json::from_slice(claims).unwrap_or_default();
    let mut members: BTreeMap<_, _> = claims.map(read).unwrap_or_default();
    members.insert("active".to_owned(), to_raw_value(&claims.is_some()).expect("a boolean serializes"));
    members
}
