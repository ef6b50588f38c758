//! The errors of each operation, with the real bodies and headers of [`ApiError`].
//!
//! Most errors follow from the declaration of an operation: its callers, its body, its path. A handler names the others
//! itself, by [`document`].

use std::collections::BTreeMap;

use actix_web::ResponseError;
use actix_web::body::MessageBody;
use actix_web::http::header::CONTENT_TYPE;
use serde_json::Value;
use token_gateway_core::session::InvalidSubject;
use utoipa::openapi::content::Content;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::response::Response;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{OpenApi, Ref, RefOr};
use utoipa::{IntoResponses, Modify};

use super::super::error::{ApiError, Challenge};
use super::super::{ANY, PUBLIC, form, request};
use crate::gateway::service_keys::Role;

type Responses = BTreeMap<String, RefOr<Response>>;

/// Adds to every operation the consequences of its declaration.
pub struct Refusals;

impl Modify for Refusals {
    fn modify(&self, api: &mut OpenApi) {
        for (path, item) in &mut api.paths.paths {
            let allow = PUBLIC.iter().find(|route| route.pattern == path).map(|route| route.allow);
            let allow = allow.filter(|allow| *allow != ANY);
            for operation in super::operations(item) {
                let callers = Callers::of(operation);
                if callers.is_some() {
                    forbid_caching(&mut operation.responses.responses);
                }
                let errors = allow.map(ApiError::MethodNotAllowed).into_iter();
                let errors = errors.chain(of_path(operation)).chain(of_body(operation));
                let errors: Vec<_> = errors.chain(callers.iter().flat_map(Callers::errors)).collect();
                errors.iter().for_each(|error| add(&mut operation.responses.responses, error));
            }
        }
    }
}

/// Errors of a handler's own.
pub fn document(errors: impl IntoIterator<Item = ApiError>) -> Responses {
    let mut responses = Responses::new();
    errors.into_iter().for_each(|error| add(&mut responses, &error));
    responses
}

/// The error where the path names an unknown session.
pub struct NoSession;

impl IntoResponses for NoSession {
    fn responses() -> Responses {
        document([ApiError::NoSession])
    }
}

/// The callers of an operation, by its security requirements. Such an operation asks the store or relies on the feed,
/// so it may answer 503.
struct Callers {
    users: bool,
    anonymous: bool,
    role: Option<Role>,
}

impl Callers {
    fn of(operation: &Operation) -> Option<Self> {
        let required = serde_json::to_value(operation.security.as_ref()?).unwrap_or_default();
        let mut alternatives = required.as_array()?.iter();
        let role = |role: &Role| required[0]["service_key"][0] == role.as_str();
        Some(Self {
            users: required[0]["access_token"].is_array(),
            anonymous: alternatives.any(|required| required.as_object().is_some_and(|all| all.is_empty())),
            role: Role::ALL.into_iter().find(role),
        })
    }

    fn errors(&self) -> Vec<ApiError> {
        let mut errors = vec![
            ApiError::field("Authorization", "is given more than once"),
            ApiError::Unavailable,
            ApiError::Overloaded,
        ];
        if self.users {
            errors.extend([ApiError::NoAccessToken, ApiError::Access]);
        } else {
            errors.extend([Challenge::Bearer, Challenge::Basic].map(ApiError::Service));
            errors.extend((!self.anonymous).then_some(ApiError::Service(Challenge::Missing)));
        }
        errors.extend(self.role.map(|role| ApiError::Role(role.as_str())));
        errors
    }
}

fn of_body(operation: &Operation) -> Vec<ApiError> {
    let Some(RefOr::T(body)) = &operation.request_body else { return Vec::new() };
    let is_form = body.content.contains_key(form::MEDIA_TYPE);
    let (media_type, malformed) = if is_form {
        (form::MEDIA_TYPE, ApiError::field("client_id", "is given more than once"))
    } else {
        (request::JSON, ApiError::Request("the body is missing; it must be a JSON object"))
    };
    vec![malformed, ApiError::Slow, ApiError::TooLarge(request::MAX_BODY), ApiError::MediaType(media_type)]
}

fn of_path(operation: &Operation) -> Vec<ApiError> {
    let parameters = operation.parameters.iter().flatten();
    let mut names = parameters.filter_map(|parameter| match parameter {
        RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Path => Some(&*parameter.name),
        _ => None,
    });
    let mut errors = Vec::new();
    if names.clone().next().is_some() {
        errors.push(ApiError::UnknownPath);
    }
    if names.any(|name| name == "sub") {
        errors.push(ApiError::field("sub", InvalidSubject.to_string()));
    }
    errors
}

/// Answers of operations with `security` are never cached.
fn forbid_caching(responses: &mut Responses) {
    for answer in responses.values_mut() {
        if let RefOr::T(answer) = answer {
            add_header(answer, "cache-control", "no-store");
            add_header(answer, "pragma", "no-cache");
        }
    }
}

fn add(responses: &mut Responses, error: &ApiError) {
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
    let content = response.content.entry(request::JSON.to_owned()).or_insert_with(shared);
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

fn add_header(response: &mut Response, name: &str, value: &str) {
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
