//! Metadata for clients and verifiers: `/.well-known/oauth-authorization-server` (RFC 8414), the same under its name in
//! OpenID Connect Discovery, and the published keys (RFC 7517).
//!
//! A member is present where its default in RFC 8414 would be untrue here, so that nobody assumes the default.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::web::Data;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::request::JSON_MEDIA_TYPE;
use crate::gateway::Gateway;

pub const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
pub const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
pub const JWKS_PATH: &str = "/.well-known/jwks.json";

/// The documents with a second address: the issuer's path inserted after their own.
pub const METADATA_PATHS: [&str; 2] = [AUTHORIZATION_SERVER, OPENID_CONFIGURATION];

/// The ways of client authentication, `none` included, by their registered names (RFC 8414 section 2).
const CLIENT_AUTH: [&str; 3] = ["none", "client_secret_basic", "client_secret_post"];

/// The same where a service key is needed; `Bearer` is the name of an access token type, as the section allows.
const SERVICE_AUTH: [&str; 3] = ["client_secret_basic", "client_secret_post", "Bearer"];

/// Endpoints, and what they accept (RFC 8414)
#[utoipa::path(
    get,
    path = "/.well-known/oauth-authorization-server",
    tag = "Metadata",
    operation_id = "authorization_server",
    responses((
        status = 200,
        description = "Authorization server metadata",
        content_type = JSON_MEDIA_TYPE,
        body = Metadata,
        headers(("Cache-Control")),
    )),
)]
pub async fn authorization_server(gateway: Data<Gateway>) -> HttpResponse {
    cached(&gateway, document(&gateway).to_string())
}

/// The same, for those that ask under this name (OpenID Connect Discovery)
///
/// Section 3 wants two members more. No ID token is ever issued: the algorithms named for ID tokens are those of access
/// tokens, and verifiers of access tokens ask here.
#[utoipa::path(
    get,
    path = "/.well-known/openid-configuration",
    tag = "Metadata",
    operation_id = "openid_configuration",
    responses((
        status = 200,
        description = "Provider metadata",
        content_type = JSON_MEDIA_TYPE,
        body = Metadata,
        headers(("Cache-Control")),
    )),
)]
pub async fn openid_configuration(gateway: Data<Gateway>) -> HttpResponse {
    let mut document = document(&gateway);
    document["subject_types_supported"] = json!(["public"]);
    document["id_token_signing_alg_values_supported"] = json!(gateway.tokens.keys().public_algs());
    cached(&gateway, document.to_string())
}

/// The keys that verify access tokens (RFC 7517)
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "Metadata",
    operation_id = "jwks",
    responses((
        status = 200,
        description = "A JWK Set; empty where access tokens are signed with a shared secret",
        content_type = JSON_MEDIA_TYPE,
        body = Object,
        headers(("Cache-Control")),
        example = json!({"keys": [{"kty": "OKP", "use": "sig", "alg": "EdDSA", "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}),
    )),
)]
pub async fn jwks(gateway: Data<Gateway>) -> HttpResponse {
    cached(&gateway, gateway.tokens.keys().jwks().to_owned())
}

/// Some of the members of both documents.
#[derive(ToSchema)]
#[schema(example = json!({"issuer": "https://auth.example", "token_endpoint": "https://auth.example/oauth/token", "jwks_uri": "https://auth.example/.well-known/jwks.json", "grant_types_supported": ["refresh_token"]}))]
#[expect(dead_code, reason = "it documents what `document` makes")]
struct Metadata {
    /// `iss` of every token, to the byte.
    issuer: String,
    token_endpoint: String,
    jwks_uri: String,
    grant_types_supported: Vec<String>,
}

fn document(gateway: &Gateway) -> Value {
    let issuer = &gateway.settings.issuer;
    let at = |path: &str| format!("{}{path}", issuer.trim_end_matches('/'));
    json!({
        "issuer": issuer,
        "jwks_uri": at(JWKS_PATH),
        "token_endpoint": at("/oauth/token"),
        "token_endpoint_auth_methods_supported": CLIENT_AUTH,
        "revocation_endpoint": at("/oauth/revoke"),
        "revocation_endpoint_auth_methods_supported": CLIENT_AUTH,
        "introspection_endpoint": at("/oauth/introspect"),
        "introspection_endpoint_auth_methods_supported": SERVICE_AUTH,
        "grant_types_supported": ["refresh_token"],
        "response_types_supported": [],
    })
}

/// Verifiers may keep the answer no longer than a new key waits before it signs.
fn cached(gateway: &Gateway, body: String) -> HttpResponse {
    let seconds = gateway.settings.jwks_max_age.as_secs();
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, format!("public, max-age={seconds}")))
        .content_type(ContentType::json())
        .body(body)
}
