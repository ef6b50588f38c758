//! What clients and verifiers need to know: `/.well-known/oauth-authorization-server` (RFC 8414), the same under the
//! name that OpenID Connect Discovery has for it, and the published keys (RFC 7517).
//!
//! Where RFC 8414 has a default that is not true here, the member is there, so that nobody assumes it.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::web::Data;
use serde_json::{Value, json};

use crate::gateway::Gateway;

pub const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
pub const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
pub const JWKS: &str = "/.well-known/jwks.json";

/// The documents that are also where the issuer's path is inserted.
pub const DOCUMENTS: [&str; 2] = [AUTHORIZATION_SERVER, OPENID_CONFIGURATION];

/// How clients may prove who they are, if they do: the names that RFC 8414 section 2 refers to.
const CLIENT_AUTH: [&str; 3] = ["none", "client_secret_basic", "client_secret_post"];

/// The same where a service key is needed; `Bearer` is the name of an access token type, as that section allows.
const SERVICE_AUTH: [&str; 3] = ["client_secret_basic", "client_secret_post", "Bearer"];

pub async fn authorization_server(gateway: Data<Gateway>) -> HttpResponse {
    cached(&gateway, document(&gateway).to_string())
}

/// OpenID Connect Discovery section 3 wants two members more. No ID token is ever issued: what is said of their
/// algorithms is true of access tokens, which is what those who ask here verify.
pub async fn openid_configuration(gateway: Data<Gateway>) -> HttpResponse {
    let mut document = document(&gateway);
    document["subject_types_supported"] = json!(["public"]);
    document["id_token_signing_alg_values_supported"] = json!(gateway.tokens.keys().public_algs());
    cached(&gateway, document.to_string())
}

pub async fn jwks(gateway: Data<Gateway>) -> HttpResponse {
    cached(&gateway, gateway.tokens.keys().jwks().to_owned())
}

fn document(gateway: &Gateway) -> Value {
    let issuer = &gateway.settings.issuer;
    let at = |path: &str| format!("{}{path}", issuer.trim_end_matches('/'));
    json!({
        "issuer": issuer,
        "jwks_uri": at(JWKS),
        "token_endpoint": at("/oauth/token"),
        "token_endpoint_auth_methods_supported": CLIENT_AUTH,
        "revocation_endpoint": at("/oauth/revoke"),
        "revocation_endpoint_auth_methods_supported": CLIENT_AUTH,
        "introspection_endpoint": at("/oauth/introspect"),
        "introspection_endpoint_auth_methods_supported": SERVICE_AUTH,
        "grant_types_supported": ["refresh_token"],
        "response_types_supported": [],
        "response_modes_supported": [],
        "code_challenge_methods_supported": [],
    })
}

/// Kept by verifiers for no longer than a new key waits before it signs.
fn cached(gateway: &Gateway, body: String) -> HttpResponse {
    let seconds = gateway.settings.jwks_max_age.as_secs();
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, format!("public, max-age={seconds}")))
        .content_type(ContentType::json())
        .body(body)
}
