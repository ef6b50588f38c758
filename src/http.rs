//! The HTTP surface: the route table, and one file per resource.
//!
//! # Adding an endpoint
//!
//! Write the handler in the file of its resource, add a line to `PUBLIC_ROUTES`, and a test under `tests/http`. A handler
//! reads its input with `request`, asks [`Gateway`](crate::gateway::Gateway), and answers with `answer`. Status codes
//! of errors belong into [`error`] alone, and each error into docs/reference/errors.md. A route that reads is `read()`: it
//! answers HEAD, too. Below `/v1`, `query` refuses unknown parameters right after the caller's credentials were read; a
//! test of `openapi` fails where a handler does not ask it.
//!
//! Then document the endpoint. A test of `openapi` fails until this is done:
//!
//! - `#[utoipa::path(…)]` on the handler declares its own parts: path, tag, a unique `operation_id`, parameters, body,
//!   the answers of success, and `security`. A required role stands in the requirement:
//!   `("service_key" = ["introspect"]), ("service_basic" = ["introspect"])`.
//! - Bodies and answers are types with `ToSchema`, each with an example. The parameters of a form are a struct for the
//!   document alone, as `RefreshForm` in `token_endpoint`.
//! - The handler goes into `paths` of `openapi`.
//! - 401, 403, 408, 413, 415, 503 and the common 400, 404 and 405 follow from the above. So does `no-store` where there
//!   is `security`: see `openapi::consequences`. A handler names errors of its own with
//!   `refusals::document`, as `RefreshRefusals` in `token_endpoint`, or `NoSession` in `users`.

mod answer;
mod arrival;
mod audience;
mod bare_address;
mod client;
mod client_address;
mod credentials;
mod docs;
pub mod error;
mod form;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod introspection_endpoint;
mod login;
mod me;
mod metadata;
mod observe;
mod openapi;
mod page;
mod query;
mod request;
mod request_id;
mod revocation_endpoint;
pub mod revocations;
mod token_endpoint;
mod users;
mod verify_endpoint;

use actix_web::dev::HttpServiceFactory;
use actix_web::web::{ServiceConfig, delete, patch, post, resource, route, scope, to};
use actix_web::{Resource, guard};
use url::Url;

pub use arrival::EventLoopLag;
pub use client_address::TrustedProxies;
pub use health::Lifecycle;
pub use revocations::MostStreams;

use self::error::ErrorResponse;

/// `HEAD` is answered wherever `GET` is (RFC 9110 section 9.1). The server leaves out the body.
fn read() -> actix_web::Route {
    route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// The routes of the public listener.
const PUBLIC_ROUTES: &[Route] = &[
    at("/oauth/token", "POST", |r| r.route(post().to(token_endpoint::refresh))),
    at("/oauth/revoke", "POST", |r| r.route(post().to(revocation_endpoint::revoke))),
    at("/oauth/introspect", "POST", |r| r.route(post().to(introspection_endpoint::introspect))),
    at(metadata::AUTHORIZATION_SERVER, "GET, HEAD", |r| r.route(read().to(metadata::authorization_server))),
    at(metadata::OPENID_CONFIGURATION, "GET, HEAD", |r| r.route(read().to(metadata::openid_configuration))),
    at(metadata::JWKS_PATH, "GET, HEAD", |r| r.route(read().to(metadata::jwks))),
    at("/v1/sessions", "POST", |r| r.route(post().to(login::issue))),
    at("/v1/me/sessions", "GET, HEAD, DELETE", |r| {
        r.route(read().to(me::list)).route(delete().to(me::end_all))
    }),
    at("/v1/me/sessions/{sid}", "DELETE", |r| r.route(delete().to(me::end_one))),
    at("/v1/users/{sub}/sessions", "GET, HEAD, PATCH, DELETE", |r| {
        r.route(read().to(users::list))
            .route(patch().to(users::set_claims_of_all))
            .route(delete().to(users::end_all))
    }),
    at("/v1/users/{sub}/sessions/{sid}", "GET, HEAD, PATCH, DELETE", |r| {
        r.route(read().to(users::get)).route(patch().to(users::set_claims)).route(delete().to(users::end_one))
    }),
    at("/v1/revocations", "GET, HEAD", |r| r.route(read().to(revocations::stream))),
    at("/verify", ANY_METHOD, |r| r.to(verify_endpoint::verify)),
    LIVEZ_ROUTE,
    at("/readyz", "GET, HEAD", |r| r.route(read().to(health::ready))),
];

/// The documentation of the API, on the listener that `API_DOCS` names.
const DOCS_ROUTES: &[Route] = &[
    at("/openapi.json", "GET, HEAD", |r| r.route(read().to(openapi::document))),
    at("/docs", "GET, HEAD", |r| r.route(read().to(docs::entrance))),
    at("/docs/", "GET, HEAD", |r| r.route(read().to(docs::page))),
    at("/docs/{asset}", "GET, HEAD", |r| r.route(read().to(docs::asset))),
];

/// For proxies such as Envoy: they append the path of the request in question.
const VERIFY_BELOW_ROUTE: Route = at("/verify/{path}*", ANY_METHOD, |r| r.to(verify_endpoint::verify));

/// The routes of the admin listener.
const ADMIN_ROUTES: &[Route] = &[
    at("/metrics", "GET, HEAD", |r| r.route(read().to(health::metrics))),
    LIVEZ_ROUTE,
    at("/readyz", "GET, HEAD", |r| r.route(read().to(health::ready_in_full))),
];

const LIVEZ_ROUTE: Route = at("/livez", "GET, HEAD", |r| r.route(read().to(health::live)));

/// Registers the routes of the public listener, for a gateway with this issuer.
///
/// The endpoints of an issuer with a path are below this path, for proxies that pass it on. They are at the root, too,
/// for proxies that take it off. The metadata are also where RFC 8414 section 3 puts them.
pub fn routes(issuer: &str, with_docs: bool) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let base = Url::parse(issuer).map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default();
    move |config| {
        // The root first: a scope answers every path with its beginning, and an issuer's path may begin like ours.
        register_public(config, with_docs);
        if !base.is_empty() {
            for route in
                PUBLIC_ROUTES.iter().filter(|route| metadata::METADATA_PATHS.contains(&route.pattern))
            {
                config.service(route.resource(&format!("{}{base}", route.pattern)));
            }
            config.service(scope(&base).configure(|config| register_public(config, with_docs)));
        }
        config.default_service(to(observe::unknown_path));
    }
}

fn register_public(config: &mut ServiceConfig, with_docs: bool) {
    register(PUBLIC_ROUTES, config);
    register(&[VERIFY_BELOW_ROUTE], config);
    if with_docs {
        register(DOCS_ROUTES, config);
    }
}

/// Registers the routes of the admin listener.
pub fn admin_routes(with_docs: bool) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        register(ADMIN_ROUTES, config);
        if with_docs {
            register(DOCS_ROUTES, config);
        }
        config.default_service(to(observe::unknown_path));
    }
}

fn register(routes: &[Route], config: &mut ServiceConfig) {
    for route in routes {
        config.service(route.resource(route.pattern));
    }
}

/// Stands for any method. OpenAPI has no word for this, so such a route is documented as `GET`.
const ANY_METHOD: &str = "*";

/// A line of the route table.
struct Route {
    pattern: &'static str,
    /// The methods, as the header `Allow` names them.
    allow: &'static str,
    with_handlers: fn(Resource) -> Resource,
}

const fn at(pattern: &'static str, allow: &'static str, with_handlers: fn(Resource) -> Resource) -> Route {
    Route { pattern, allow, with_handlers }
}

impl Route {
    /// A resource at `path`, observed under its pattern. It answers other methods with 405 and `Allow`.
    fn resource(&self, path: &str) -> impl HttpServiceFactory + use<> {
        let (pattern, allow) = (self.pattern, self.allow);
        let resource = (self.with_handlers)(resource(path)).default_service(to(move || async move {
            Err::<String, _>(ErrorResponse::MethodNotAllowed(allow.into()))
        }));
        observe::observed(pattern, resource)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;
    use utoipa::OpenApi;

    use super::*;

    fn document() -> Value {
        serde_json::to_value(openapi::Document::openapi()).expect("the document serializes")
    }

    fn documented() -> BTreeSet<(String, String)> {
        let document = document();
        let paths = document["paths"].as_object().expect("paths").iter();
        let operations = paths.flat_map(|(path, item)| {
            let methods = item.as_object().expect("a path item").keys();
            methods.map(|method| (path.clone(), method.to_uppercase())).collect::<Vec<_>>()
        });
        operations.collect()
    }

    #[test]
    fn every_route_is_documented_and_nothing_else() {
        let methods = PUBLIC_ROUTES.iter().chain(DOCS_ROUTES).flat_map(|route| {
            let allow = if route.allow == ANY_METHOD { "GET" } else { route.allow };
            allow.split(", ").map(|method| (route.pattern.to_owned(), method.to_owned()))
        });
        let (routes, documented) = (methods.collect::<BTreeSet<_>>(), documented());
        let missing: Vec<_> = routes.difference(&documented).collect();
        assert!(missing.is_empty(), "annotate these, and add them to `paths` of `openapi`: {missing:?}");
        let gone: Vec<_> = documented.difference(&routes).collect();
        assert!(gone.is_empty(), "documented, but not in the route table: {gone:?}");
    }

    #[test]
    fn the_document_allows_the_methods_of_the_route() {
        let document = document();
        for route in PUBLIC_ROUTES.iter().chain(DOCS_ROUTES) {
            let operations = document["paths"][route.pattern].as_object().expect("a path item");
            for operation in operations.values() {
                let allow = &operation["responses"]["405"]["headers"]["Allow"]["schema"]["examples"][0];
                assert_eq!(
                    allow.as_str(),
                    Some(route.allow).filter(|allow| *allow != ANY_METHOD),
                    "{}",
                    route.pattern
                );
            }
        }
    }
}
