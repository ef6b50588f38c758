//! The errors of an operation, with the real bodies and headers of [`ErrorResponse`].
//!
//! Most errors follow from the declaration of an operation, as [`consequences`](super::consequences) has it. A handler
//! names the others itself, by [`document`].

use std::collections::BTreeMap;

use actix_web::ResponseError;
use actix_web::body::MessageBody;
use actix_web::http::header::CONTENT_TYPE;
use serde_json::Value;
use utoipa::IntoResponses;
use utoipa::openapi::content::Content;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::Header;
use utoipa::openapi::response::Response;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Ref, RefOr};

use super::super::error::ErrorResponse;
use super::super::request;

pub(super) type Responses = BTreeMap<String, RefOr<Response>>;

/// Errors of a handler's own.
pub fn document(errors: impl IntoIterator<Item = ErrorResponse>) -> Responses {
    let mut responses = Responses::new();
    errors.into_iter().for_each(|error| add(&mut responses, &error));
    responses
}

/// The error where the path names an unknown session.
pub struct NoSession;

impl IntoResponses for NoSession {
    fn responses() -> Responses {
        document([ErrorResponse::NoSession])
    }
}

pub(super) fn add(responses: &mut Responses, error: &ErrorResponse) {
    let answer = error.error_response();
    let status = answer.status().as_str().to_owned();
    let described = || Response::new(description(&status)).into();
    let RefOr::T(response) = responses.entry(status.clone()).or_insert_with(described) else { return };
    for (name, value) in answer.headers().iter().filter(|(name, _)| *name != CONTENT_TYPE) {
        add_header(response, name.as_str(), value.to_str().unwrap_or_default());
    }
    let body = answer.into_body().try_into_bytes().unwrap_or_default();
    add_example(response, serde_json::from_slice(&body).unwrap_or_default());
}

fn add_example(response: &mut Response, body: Value) {
    let shared = || Content::new(Some(Ref::from_schema_name("Error"))).into();
    let content = response.content.entry(request::JSON_MEDIA_TYPE.to_owned()).or_insert_with(shared);
    let RefOr::T(content) = content else { return };
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let (code, summary) = (text("error"), text("error_description"));
    let example = RefOr::T(ExampleBuilder::new().summary(summary).value(Some(body)).build());
    if content.examples.values().any(|known| *known == example) {
        return; // two errors with different headers and the same body
    }
    let known = content.examples.keys().filter(|name| name.starts_with(&code)).count();
    let name = if known == 0 { code } else { format!("{code}_{}", known + 1) };
    content.examples.insert(name, example);
}

pub(super) fn add_header(response: &mut Response, name: &str, value: &str) {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let header = response.headers.entry(canonical(name)).or_insert_with(|| Header::new(text()).into());
    let RefOr::T(Header { schema: Some(RefOr::T(utoipa::openapi::Schema::Object(schema))), .. }) = header
    else {
        return;
    };
    let value = Value::from(value);
    if !schema.examples.contains(&value) {
        schema.examples.push(value);
    }
}

/// `Cache-Control` for `cache-control`.
fn canonical(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{}{rest}", first.to_uppercase())
    });
    words.collect::<Vec<_>>().join("-").replace("Www", "WWW")
}

fn description(status: &str) -> &'static str {
    match status {
        "400" => "A parameter, field or header is missing or wrong, or the token is refused",
        "401" => "Credentials are missing or wrong",
        "403" => "The service lacks the role",
        "404" => "There is no such session, or nothing at this path",
        "405" => "The path knows other methods only",
        "408" => "The body took too long",
        "413" => "The body is too large",
        "415" => "The body has another media type",
        _ => "The store cannot be asked, or the outcome is unknown: repeat the call, as the same attempt",
    }
}
