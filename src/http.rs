//! The HTTP surface: the route table, and one file per resource.
//!
//! # Adding an endpoint
//!
//! Write the handler in the file of its resource, add a line to [`routes`], and a test under `tests/http`.
//! A handler reads its input with `request`, asks [`Gateway`](crate::gateway::Gateway), and answers with
//! `answer`. Status codes of errors live in [`error`] alone.

mod answer;
mod arrival;
mod credentials;
pub mod error;
mod form;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod introspect;
mod me;
mod metadata;
mod observe;
mod request;
mod revoke;
mod sessions;
mod token;
mod users;

use actix_web::Resource;
use actix_web::dev::HttpServiceFactory;
use actix_web::web::{ServiceConfig, delete, get, head, patch, post, resource, scope, to};
use url::Url;

pub use arrival::Pulse;
pub use health::Lifecycle;

use self::error::ApiError;

/// What the public listener serves, for a gateway whose issuer is `issuer`.
///
/// An issuer with a path has its endpoints below that path, for proxies that pass it on; they are at the root all
/// the same, for those that take it off. Its metadata are where RFC 8414 section 3 puts them.
pub fn routes(issuer: &str) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let base = Url::parse(issuer).map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default();
    move |config| {
        if !base.is_empty() {
            let inserted = |document: &str| format!("{document}{base}");
            config
                .service(authorization_server(&inserted(metadata::AUTHORIZATION_SERVER)))
                .service(openid_configuration(&inserted(metadata::OPENID_CONFIGURATION)))
                .service(scope(&base).configure(endpoints));
        }
        config.configure(endpoints).default_service(to(observe::unknown_path));
    }
}

fn endpoints(config: &mut ServiceConfig) {
    config
        .service(authorization_server(metadata::AUTHORIZATION_SERVER))
        .service(openid_configuration(metadata::OPENID_CONFIGURATION))
        .service(at(metadata::JWKS, "GET, HEAD", |r| {
            r.route(get().to(metadata::jwks)).route(head().to(metadata::jwks))
        }))
        .service(at("/oauth/introspect", "POST", |r| r.route(post().to(introspect::introspect))))
        .service(at("/oauth/token", "POST", |r| r.route(post().to(token::refresh))))
        .service(at("/oauth/revoke", "POST", |r| r.route(post().to(revoke::revoke))))
        .service(at("/v1/sessions", "POST", |r| r.route(post().to(sessions::issue))))
        .service(at("/v1/me/sessions", "GET, DELETE", |r| {
            r.route(get().to(me::list)).route(delete().to(me::end_all))
        }))
        .service(at("/v1/me/sessions/{sid}", "DELETE", |r| r.route(delete().to(me::end_one))))
        .service(at("/v1/users/{sub}/sessions", "GET, PATCH, DELETE", |r| {
            r.route(get().to(users::list))
                .route(patch().to(users::set_claims_of_all))
                .route(delete().to(users::end_all))
        }))
        .service(at("/v1/users/{sub}/sessions/{sid}", "GET, PATCH, DELETE", |r| {
            r.route(get().to(users::get))
                .route(patch().to(users::set_claims))
                .route(delete().to(users::end_one))
        }))
        .service(live())
        .service(at("/readyz", "GET, HEAD", |r| {
            r.route(get().to(health::ready)).route(head().to(health::ready))
        }));
}

/// What the admin listener serves.
pub fn admin_routes(config: &mut ServiceConfig) {
    config
        .service(at("/metrics", "GET", |r| r.route(get().to(health::metrics))))
        .service(live())
        .service(at("/readyz", "GET, HEAD", |r| {
            r.route(get().to(health::ready_in_full)).route(head().to(health::ready_in_full))
        }))
        .default_service(to(observe::unknown_path));
}

fn live() -> impl HttpServiceFactory {
    at("/livez", "GET, HEAD", |r| r.route(get().to(health::live)).route(head().to(health::live)))
}

fn authorization_server(path: &str) -> impl HttpServiceFactory + use<> {
    let document = metadata::authorization_server;
    placed(path, metadata::AUTHORIZATION_SERVER, "GET, HEAD", move |r| {
        r.route(get().to(document)).route(head().to(document))
    })
}

fn openid_configuration(path: &str) -> impl HttpServiceFactory + use<> {
    let document = metadata::openid_configuration;
    placed(path, metadata::OPENID_CONFIGURATION, "GET, HEAD", move |r| {
        r.route(get().to(document)).route(head().to(document))
    })
}

/// A resource that is observed under its pattern, and answers other methods with 405 and `Allow`.
fn at(
    pattern: &'static str,
    allow: &'static str,
    with_routes: impl FnOnce(Resource) -> Resource,
) -> impl HttpServiceFactory {
    placed(pattern, pattern, allow, with_routes)
}

/// The same for a resource whose path depends on the issuer's.
fn placed<R: FnOnce(Resource) -> Resource>(
    path: &str,
    pattern: &'static str,
    allow: &'static str,
    with_routes: R,
) -> impl HttpServiceFactory + use<R> {
    with_routes(resource(path))
        .default_service(to(move || async move { Err::<String, _>(ApiError::MethodNotAllowed(allow)) }))
        .wrap_fn(move |request, service| observe::observe(pattern, request, service))
}
