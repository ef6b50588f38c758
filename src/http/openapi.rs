//! The OpenAPI 3.1 document, made from the annotations of the handlers.
//!
//! A handler declares its own parts: path, parameters, body, and the answer of success. The consequences, above all the
//! errors, are added in one place, [`consequences`].

mod consequences;
pub mod refusals;
mod schemes;

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Bytes;
use utoipa::OpenApi;

use self::consequences::Consequences;
use self::schemes::Schemes;
use super::request::JSON_MEDIA_TYPE;
use super::{
    client, docs, error, health, introspection_endpoint, login, me, metadata, request, revocation_endpoint,
    revocations, token_endpoint, users, verify_endpoint,
};

/// Serialized once per process, when first asked for: nodes are ready sooner.
static OPENAPI_DOCUMENT: LazyLock<Bytes> =
    LazyLock::new(|| Document::openapi().to_json().expect("the document serializes").into());

#[derive(OpenApi)]
#[openapi(
    info(description = "Access tokens, rotated refresh tokens, reuse detection, logout everywhere."),
    servers((url = "/")),
    tags(
        (name = "OAuth", description = "For whoever holds a token: RFC 6749, RFC 7009, RFC 7662."),
        (name = "Metadata", description = "For client libraries and verifiers: RFC 8414, RFC 7517."),
        (name = "Sessions", description = "For the login service."),
        (name = "Own sessions", description = "For users, by access token."),
        (name = "Users", description = "For support staff, by a service key with the role `manage`."),
        (name = "Verification", description = "For reverse proxies and API nodes."),
        (name = "Health", description = "For load balancers and supervisors."),
        (name = "Documentation"),
    ),
    paths(
        token_endpoint::refresh,
        revocation_endpoint::revoke,
        introspection_endpoint::introspect,
        metadata::authorization_server,
        metadata::openid_configuration,
        metadata::jwks,
        login::issue,
        me::list,
        me::end_all,
        me::end_one,
        users::list,
        users::set_claims_of_all,
        users::end_all,
        users::get,
        users::set_claims,
        users::end_one,
        verify_endpoint::verify,
        revocations::stream,
        health::live,
        health::ready,
        document,
        docs::entrance,
        docs::page,
        docs::asset,
    ),
    components(schemas(error::ErrorBody, revocations::EndedEventSchema, client::Client, request::AnySession)),
    modifiers(&Schemes, &WithHead, &Consequences, &Bodiless),
)]
pub struct Document;

/// This document
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "Documentation",
    operation_id = "openapi",
    responses((
        status = 200,
        description = "OpenAPI 3.1",
        body = Object,
        headers(("Cache-Control")),
        example = json!({"openapi": "3.1.0"}),
    )),
)]
pub async fn document() -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer
        .content_type(JSON_MEDIA_TYPE)
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(OPENAPI_DOCUMENT.clone())
}

/// `HEAD` is answered wherever `GET` is.
struct WithHead;

impl utoipa::Modify for WithHead {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        for (_, item) in api.paths.paths.iter_mut().filter(|(path, _)| *path != consequences::ANY_METHOD) {
            item.head = item.get.clone();
        }
    }
}

/// The answer to `HEAD` is that to `GET`, without its body.
struct Bodiless;

impl utoipa::Modify for Bodiless {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        for operation in api.paths.paths.values_mut().filter_map(|item| item.head.as_mut()) {
            operation.operation_id = operation.operation_id.take().map(|id| format!("{id}_head"));
            for answer in operation.responses.responses.values_mut() {
                if let utoipa::openapi::RefOr::T(answer) = answer {
                    answer.content.clear();
                }
            }
        }
    }
}
