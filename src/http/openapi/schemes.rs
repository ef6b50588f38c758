//! The ways of authentication.

use utoipa::Modify;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, HttpBuilder, SecurityScheme};

/// A service key, as Bearer token or with its service's name; or an access token.
pub struct Schemes;

impl Modify for Schemes {
    fn modify(&self, api: &mut OpenApi) {
        let schemes = [
            ("service_key", service_key()),
            ("service_basic", service_basic()),
            ("access_token", access_token()),
        ];
        let components = api.components.get_or_insert_default();
        components
            .security_schemes
            .extend(schemes.map(|(name, scheme)| (name.to_owned(), SecurityScheme::Http(scheme).into())));
    }
}

fn service_key() -> Http {
    let what = "A service key. A requirement names the role that it must have; the role `events` is reserved, and opens nothing \
                yet. At `/oauth/token` and `/oauth/revoke` a Bearer in the form of a JWT, an empty one, `undefined` and \
                `null` count as none.";
    HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(what)).build()
}

fn service_basic() -> Http {
    let what = "The service's name and its key, raw or form-encoded (RFC 6749 section 2.3.1). At `/oauth/token` and `/oauth/revoke` an empty \
                key names a public client, as `client_id` alone does.";
    HttpBuilder::new().scheme(HttpAuthScheme::Basic).description(Some(what)).build()
}

fn access_token() -> Http {
    let what =
        "An access token (RFC 9068) for one of `ME_AUDIENCES` at `/v1/me`, and for `AUDIENCE` at `/verify`.";
    let http = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
    http.description(Some(what)).build()
}
