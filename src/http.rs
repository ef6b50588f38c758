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
mod health;
mod me;
mod observe;
mod request;
mod revoke;
mod sessions;
mod token;
mod users;

use actix_web::Resource;
use actix_web::dev::HttpServiceFactory;
use actix_web::web::{ServiceConfig, delete, get, head, patch, post, resource, to};

pub use arrival::Pulse;
pub use health::Lifecycle;

use self::error::ApiError;

/// What the public listener serves.
pub fn routes(config: &mut ServiceConfig) {
    config
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
        }))
        .default_service(to(observe::unknown_path));
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

/// A resource that is observed under its pattern, and answers other methods with 405 and `Allow`.
fn at(
    pattern: &'static str,
    allow: &'static str,
    with_routes: impl FnOnce(Resource) -> Resource,
) -> impl HttpServiceFactory {
    with_routes(resource(pattern))
        .default_service(to(move || async move { Err::<String, _>(ApiError::MethodNotAllowed(allow)) }))
        .wrap_fn(move |request, service| observe::observe(pattern, request, service))
}
