//! The OpenAPI 3.1 document, made from the annotations of the handlers.
//!
//! A handler declares its own parts: path, parameters, body, and the answer of success. The consequences, above all the
//! errors, are added in one place, [`refusals`].

pub mod refusals;
mod schemes;

use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};

use self::refusals::Refusals;
use self::schemes::Schemes;
use super::{
    docs, error, health, introspect, me, metadata, request, revocations, revoke, sessions, token, users,
    verify,
};

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
        token::refresh,
        revoke::revoke,
        introspect::introspect,
        metadata::authorization_server,
        metadata::openid_configuration,
        metadata::jwks,
        sessions::issue,
        me::list,
        me::end_all,
        me::end_one,
        users::list,
        users::set_claims_of_all,
        users::end_all,
        users::get,
        users::set_claims,
        users::end_one,
        verify::verify,
        revocations::follow,
        health::live,
        health::ready,
        docs::document,
        docs::entrance,
        docs::page,
        docs::asset,
    ),
    components(schemas(error::Body, revocations::EndedEvent, sessions::Client, request::AnySession)),
    modifiers(&Schemes, &Refusals, &Bodiless),
)]
pub struct Document;

/// `HEAD` is answered as `GET` is, without a body.
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

/// The operations of a path, by the methods of this API.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let operations = [&mut item.get, &mut item.head, &mut item.post, &mut item.patch, &mut item.delete];
    operations.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{ANY, PUBLIC};
    use super::*;

    fn documented() -> BTreeSet<(String, String)> {
        let document = serde_json::to_value(Document::openapi()).expect("the document serializes");
        let paths = document["paths"].as_object().expect("paths").iter();
        let operations = paths.flat_map(|(path, item)| {
            let methods = item.as_object().expect("a path item").keys();
            methods.map(|method| (path.clone(), method.to_uppercase())).collect::<Vec<_>>()
        });
        operations.collect()
    }

    #[test]
    fn every_route_is_documented_and_nothing_else() {
        let methods = PUBLIC.iter().flat_map(|route| {
            let allow = if route.allow == ANY { "GET" } else { route.allow };
            allow.split(", ").map(|method| (route.pattern.to_owned(), method.to_owned()))
        });
        let (routes, documented) = (methods.collect::<BTreeSet<_>>(), documented());
        let missing: Vec<_> = routes.difference(&documented).collect();
        assert!(missing.is_empty(), "annotate these, and add them to `paths` above: {missing:?}");
        let gone: Vec<_> = documented.difference(&routes).collect();
        assert!(gone.is_empty(), "documented, but not in the route table: {gone:?}");
    }
}
