//! `POST /oauth/revoke` (RFC 7009), for refresh and access tokens.
//!
//! `token_type_hint` is only a hint: both kinds are tried, whatever it says (section 2.1).
//!
//! A logout is the last thing to fail for a trifle, and section 2.2 has 200 for a token that is none. So white space, quotes
//! and `Bearer ` around the token are taken off. Elsewhere a token counts as it came.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::response::Response;
use utoipa::{IntoResponses, ToSchema};

use super::arrival::Arrived;
use super::error::ErrorResponse;
use super::form::{self, ClientId, Form, Text};
use super::openapi::refusals;
use super::{answer, credentials, request};
use crate::copied_text::{QUOTES, is_invisible};
use crate::gateway::{Gateway, GrantRefusal};

/// The form of a revocation. Unknown parameters are ignored, empty ones count as absent; none belongs in the URI.
#[derive(ToSchema)]
#[schema(example = json!({"token": "eyJ0eXAiOiJydCtqd3QiLCJhbGciOiJIUzI1NiJ9.e30.c2ln"}))]
#[expect(dead_code, reason = "it documents what `Form` reads")]
pub struct RevocationForm {
    /// A refresh token or an access token; anything else is nobody's token.
    #[schema(min_length = 1)]
    token: String,
    /// Changes nothing: both kinds are tried.
    #[schema(value_type = Option<Text>, nullable = false)]
    token_type_hint: Option<String>,
    /// The client, where it does not use the Authorization header; alone, it names a public client.
    #[schema(value_type = Option<ClientId>, nullable = false)]
    client_id: Option<String>,
    /// The service key, as RFC 6749 section 2.3.1 lets clients send it; needs `client_id`.
    #[schema(value_type = Option<Text>, nullable = false)]
    client_secret: Option<String>,
}

/// Nothing is left to be said.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({}))]
struct Revoked {}

/// The errors of a revocation alone.
struct RevocationRefusals;

impl IntoResponses for RevocationRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refusals::document([GrantRefusal::Client, GrantRefusal::NoKey].map(ErrorResponse::Grant))
    }
}

/// End the session of a refresh or access token (RFC 7009)
///
/// Also 200 for a token that is expired, unknown or nonsense. White space, one pair of quotes and `Bearer ` around the
/// token are taken off. A Bearer in the form of a JWT, an empty one, `undefined` and `null` are no client authentication:
/// the body decides.
#[utoipa::path(
    post,
    path = "/oauth/revoke",
    tag = "OAuth",
    operation_id = "revoke",
    request_body(content = RevocationForm, content_type = form::MEDIA_TYPE),
    responses((status = 200, description = "No token of that session works", body = Revoked), RevocationRefusals),
    security((), ("service_key" = []), ("service_basic" = [])),
)]
pub async fn revoke(
    Arrived(arrived): Arrived,
    http: HttpRequest,
    payload: Payload,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, ErrorResponse> {
    let body = request::body(&http, payload, form::MEDIA_TYPE).await?;
    let text = form::text(&body);
    let form = Form::read_with_any(&http, &text, "token")?;
    let caller = credentials::client(&http, &form, &gateway.services)?;
    let token = bare(form.required("token")?);
    let revoked = gateway.revoke(gateway.begin(arrived), token, &caller).await?;
    revoked.map_err(ErrorResponse::Grant)?;
    Ok(answer::json(StatusCode::OK, &Revoked {}))
}

/// A token without white space, one pair of quotes and one `Bearer ` around it, in either order.
fn bare(pasted: &str) -> &str {
    let token = trimmed(pasted);
    match unquoted(token) {
        Some(inner) => without_scheme(inner).unwrap_or(inner),
        None => without_scheme(token).map_or(token, |rest| unquoted(rest).unwrap_or(rest)),
    }
}

/// Without white space, and without characters that show nothing.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

fn unquoted(text: &str) -> Option<&str> {
    let inner = |(open, close)| text.strip_prefix(open)?.strip_suffix(close);
    QUOTES.into_iter().find_map(inner).map(trimmed)
}

fn without_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_at_checked("Bearer".len())?;
    let is_apart = rest.is_empty() || rest.starts_with(char::is_whitespace);
    (scheme.eq_ignore_ascii_case("Bearer") && is_apart).then(|| trimmed(rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_alone_stands_for_itself(token in "[A-Za-z0-9_.-]{0,40}") {
            prop_assume!(!token.eq_ignore_ascii_case("bearer"));
            prop_assert_eq!(bare(&token), &token);
        }

        #[test]
        fn any_text_is_taken_and_only_shortened(text in any::<String>()) {
            prop_assert!(text.contains(bare(&text)));
        }
    }

    #[test]
    fn one_pair_of_quotes_and_one_scheme_are_taken_off() {
        for whole in
            ["t", " t\n", "\"t\"", "'t'", "bearer t", "\"Bearer t\"", "Bearer \" t \"", "\u{201c}t\u{201d}"]
        {
            assert_eq!(bare(whole), "t", "{whole:?}");
        }
        for (pasted, left) in [
            ("\"\"t\"\"", "\"t\""),
            ("Bearer Bearer t", "Bearer t"),
            ("\"t", "\"t"),
            ("\"", "\""),
            ("Bearert", "Bearert"),
        ] {
            assert_eq!(bare(pasted), left);
        }
    }
}
