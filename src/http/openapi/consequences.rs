//! The consequences of the declaration of an operation: its callers, its body and its path have errors of their own.

use std::borrow::Cow;

use actix_web::http::header::X_CONTENT_TYPE_OPTIONS;
use token_gateway_core::session::InvalidSubject;
use utoipa::Modify;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::{OpenApi, RefOr};

use super::super::error::{Challenge, ErrorResponse};
use super::super::request_id::X_REQUEST_ID;
use super::super::{form, query, request};
use super::refusals::{Responses, add, add_header};
use crate::gateway::service_keys::Role;

/// The path that takes any method, and so never answers 405.
pub(super) const ANY_METHOD: &str = "/verify";

/// Adds to every operation the consequences of its declaration.
pub struct Consequences;

impl Modify for Consequences {
    fn modify(&self, api: &mut OpenApi) {
        for (path, item) in &mut api.paths.paths {
            let allow: Option<Cow<'static, str>> = (path != ANY_METHOD).then(|| methods(item).into());
            for operation in operations(item) {
                let callers = Callers::of(operation);
                if callers.is_some() {
                    forbid_caching(&mut operation.responses.responses);
                }
                let errors = allow.clone().map(ErrorResponse::MethodNotAllowed).into_iter();
                let errors = errors.chain(of_path(operation)).chain(of_body(operation));
                let errors = errors.chain(of_the_unknown(path, operation));
                let errors: Vec<_> = errors.chain(callers.iter().flat_map(Callers::errors)).collect();
                errors.iter().for_each(|error| add(&mut operation.responses.responses, error));
                name_the_request(&mut operation.responses.responses);
            }
        }
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

    fn errors(&self) -> Vec<ErrorResponse> {
        let mut errors = vec![
            ErrorResponse::field("Authorization", "is given more than once"),
            ErrorResponse::Unavailable,
            ErrorResponse::Overloaded,
        ];
        if self.users {
            errors.extend([ErrorResponse::NoAccessToken, ErrorResponse::Access]);
        } else {
            errors.extend([Challenge::Bearer, Challenge::Basic].map(ErrorResponse::Service));
            errors.extend((!self.anonymous).then_some(ErrorResponse::Service(Challenge::Missing)));
        }
        errors.extend(self.role.map(|role| ErrorResponse::Role(role.as_str())));
        errors
    }
}

fn of_body(operation: &Operation) -> Vec<ErrorResponse> {
    let Some(RefOr::T(body)) = &operation.request_body else { return Vec::new() };
    let is_form = body.content.contains_key(form::MEDIA_TYPE);
    let (media_type, malformed) = if is_form {
        (form::MEDIA_TYPE, ErrorResponse::field("client_id", "is given more than once"))
    } else {
        (request::JSON_MEDIA_TYPE, ErrorResponse::Request("the body is missing; it must be a JSON object"))
    };
    vec![
        malformed,
        ErrorResponse::Slow,
        ErrorResponse::TooLarge(request::MAX_BODY),
        ErrorResponse::MediaType(media_type),
    ]
}

/// Below `/v1`, unknown parameters are refused, and so are members of a body where there is none.
fn of_the_unknown(path: &str, operation: &Operation) -> Vec<ErrorResponse> {
    if !path.starts_with("/v1/") {
        return Vec::new();
    }
    let known: Vec<_> = parameters(operation, ParameterIn::Query).collect();
    let mut errors = vec![query::unknown("dry_run", &known)];
    if operation.request_body.is_none() {
        errors.extend([ErrorResponse::Slow, ErrorResponse::TooLarge(request::MAX_BODY)]);
    }
    errors
}

/// The names of the parameters in this place.
fn parameters(operation: &Operation, place: ParameterIn) -> impl Iterator<Item = &str> + Clone {
    operation.parameters.iter().flatten().filter_map(move |parameter| match parameter {
        RefOr::T(parameter) if parameter.parameter_in == place => Some(&*parameter.name),
        _ => None,
    })
}

fn of_path(operation: &Operation) -> Vec<ErrorResponse> {
    let mut names = parameters(operation, ParameterIn::Path);
    let mut errors = Vec::new();
    if names.clone().next().is_some() {
        errors.push(ErrorResponse::UnknownPath);
    }
    if names.any(|name| name == "sub") {
        errors.push(ErrorResponse::field("sub", InvalidSubject.to_string()));
    }
    errors
}

/// Every answer names its request, and forbids guesses at its type.
fn name_the_request(responses: &mut Responses) {
    for answer in responses.values_mut() {
        if let RefOr::T(answer) = answer {
            add_header(answer, X_REQUEST_ID.as_str(), "4bf92f3577b34da6a3ce929d0e0e4736");
            add_header(answer, X_CONTENT_TYPE_OPTIONS.as_str(), "nosniff");
        }
    }
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

/// The methods of a path, as the header `Allow` names them.
fn methods(item: &PathItem) -> String {
    let methods = [
        ("GET", &item.get),
        ("HEAD", &item.head),
        ("POST", &item.post),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
    ];
    let documented: Vec<_> =
        methods.iter().filter(|(_, operation)| operation.is_some()).map(|(name, _)| *name).collect();
    documented.join(", ")
}

/// The operations of a path, by the methods of this API.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let operations = [&mut item.get, &mut item.head, &mut item.post, &mut item.patch, &mut item.delete];
    operations.into_iter().flatten()
}
