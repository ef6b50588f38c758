//! The caller: a service by its key, a client at the token endpoint, or a user by an access token.

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use base64_simd::STANDARD;

use super::error::{Challenge, ErrorResponse};
use super::form::Form;
use crate::gateway::caller::Caller;
use crate::gateway::service_keys::{Role, Service, ServiceKeys};

/// The content of the `Authorization` header. No `Debug`: all of it is secret.
pub enum Credentials<'a> {
    None,
    Bearer(&'a str),
    Basic { name: String, key: String },
    Unsupported,
}

pub fn credentials(http: &HttpRequest) -> Result<Credentials<'_>, ErrorResponse> {
    let mut headers = http.headers().get_all(AUTHORIZATION);
    let Some(header) = headers.next() else { return Ok(Credentials::None) };
    if headers.next().is_some() {
        return Err(ErrorResponse::field("Authorization", "is given more than once"));
    }
    if header.is_empty() {
        return Ok(Credentials::None); // as a script sends it that has no token
    }
    let header = header.to_str().unwrap_or_default();
    let (scheme, value) = header.split_once(' ').unwrap_or((header, ""));
    Ok(if scheme.eq_ignore_ascii_case("Bearer") {
        Credentials::Bearer(value.trim())
    } else if scheme.eq_ignore_ascii_case("Basic") {
        basic(value.trim()).unwrap_or(Credentials::Unsupported)
    } else {
        Credentials::Unsupported
    })
}

fn basic(encoded: &str) -> Option<Credentials<'static>> {
    let decoded = String::from_utf8(STANDARD.decode_to_vec(encoded).ok()?).ok()?;
    let (name, key) = decoded.split_once(':')?;
    Some(Credentials::Basic { name: name.to_owned(), key: key.to_owned() })
}

/// Takes name and key as they stand, or form-decoded: RFC 6749 section 2.3.1 asks clients to encode them, and only some
/// do.
fn find_named<'a>(keys: &'a ServiceKeys, name: &str, key: &str) -> Option<&'a Service> {
    keys.find_named(name, key).or_else(|| keys.find_named(&form_decoded(name), &form_decoded(key)))
}

fn form_decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

/// The calling service, if it has the role.
pub fn service<'a>(
    http: &HttpRequest,
    keys: &'a ServiceKeys,
    role: Role,
) -> Result<&'a Service, ErrorResponse> {
    let service = authorized(credentials(http)?, keys)?.ok_or(ErrorResponse::Service(Challenge::Missing))?;
    if service.may(role) { Ok(service) } else { Err(ErrorResponse::Role(role.as_str())) }
}

/// The same where credentials may also come in the body (RFC 6749 section 2.3.1).
pub fn service_or_form<'a>(
    http: &HttpRequest,
    form: &Form<'_>,
    keys: &'a ServiceKeys,
    role: Role,
) -> Result<&'a Service, ErrorResponse> {
    let service =
        authenticated(credentials(http)?, form, keys)?.ok_or(ErrorResponse::Service(Challenge::Missing))?;
    if service.may(role) { Ok(service) } else { Err(ErrorResponse::Role(role.as_str())) }
}

/// The service with the key in the `Authorization` header; `None` where there is no header.
fn authorized<'a>(
    header: Credentials<'_>,
    keys: &'a ServiceKeys,
) -> Result<Option<&'a Service>, ErrorResponse> {
    let (found, challenge) = match header {
        Credentials::None => return Ok(None),
        Credentials::Bearer(key) => (keys.find(key), Challenge::Bearer),
        Credentials::Basic { name, key } => (find_named(keys, &name, &key), Challenge::Basic),
        Credentials::Unsupported => (None, Challenge::Basic),
    };
    found.map(Some).ok_or(ErrorResponse::Service(challenge))
}

/// The client of a refresh or a revocation, where it names itself: by the header, by `client_id` and `client_secret` in
/// the body, or by a name alone, as public clients do (RFC 6749 sections 2.3.1 and 3.2.1). Such a name stands in
/// `client_id`, or in the header with an empty password. A stray Bearer in the header counts as none: it must not keep a
/// logout from its session.
pub fn client(http: &HttpRequest, form: &Form<'_>, keys: &ServiceKeys) -> Result<Caller, ErrorResponse> {
    let header = match credentials(http)? {
        Credentials::Bearer(value) if is_stray(value) && keys.find(value).is_none() => Credentials::None,
        Credentials::Basic { name, key } if name.is_empty() && key.is_empty() => Credentials::None,
        Credentials::Basic { name, key } if key.is_empty() => {
            return public(name, form).map(Caller::public);
        }
        header => header,
    };
    let service = authenticated(header, form, keys)?;
    let named = client_id(form)?.map(str::to_owned).into_iter().collect();
    Ok(service.map_or_else(|| Caller::public(named), Caller::service))
}

/// A public client that names itself in the header, as it stands or form-encoded. The body may only repeat the name.
fn public(name: String, form: &Form<'_>) -> Result<Vec<String>, ErrorResponse> {
    check_secret(form)?;
    let names = [form_decoded(&name), name].into_iter().filter(|name| check_ends(name).is_ok());
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        return Err(outer_space());
    }
    match client_id(form)? {
        None => Ok(names),
        Some(id) if names.iter().any(|name| name == id) => Ok(vec![id.to_owned()]),
        Some(_) => Err(another_client()),
    }
}

/// A Bearer that HTTP libraries add to every request of an application: its access token, or what a script makes of a
/// token that it does not have. No service key looks like this, unless somebody chose one that does.
fn is_stray(bearer: &str) -> bool {
    matches!(bearer, "" | "undefined" | "null") || is_jwt(bearer)
}

/// The form of a JWT (RFC 7519 section 3): three parts of base64url, or five if it is encrypted. An unsigned one has an
/// empty last part.
fn is_jwt(text: &str) -> bool {
    let base64url = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let mut parts = text.split('.');
    let has_header = parts.next().is_some_and(|header| !header.is_empty());
    has_header && matches!(parts.count(), 2 | 4) && text.bytes().all(|b| b == b'.' || base64url(b))
}

/// The service that authenticates by the header, or by `client_id` and `client_secret` in the body.
fn authenticated<'a>(
    header: Credentials<'_>,
    form: &Form<'_>,
    keys: &'a ServiceKeys,
) -> Result<Option<&'a Service>, ErrorResponse> {
    let (id, secret) = (client_id(form)?, form.get("client_secret"));
    if let Some(service) = authorized(header, keys)? {
        check_secret(form)?;
        return if id.is_none_or(|id| id == service.name) {
            Ok(Some(service))
        } else {
            Err(another_client())
        };
    }
    match (id, secret) {
        (Some(id), Some(secret)) => {
            keys.find_named(id, secret).map(Some).ok_or(ErrorResponse::Service(Challenge::Basic))
        }
        (None, Some(_)) => Err(ErrorResponse::field("client_id", "is missing")),
        (_, None) => Ok(None),
    }
}

fn client_id<'a>(form: &'a Form<'_>) -> Result<Option<&'a str>, ErrorResponse> {
    let id = form.get("client_id");
    id.map_or(Ok(()), check_ends).map(|()| id)
}

/// Refuses a client id with a space at an end: `X-Auth-Client` would lose it on its way, and name another client.
pub fn check_ends(client_id: &str) -> Result<(), ErrorResponse> {
    if client_id.trim() == client_id { Ok(()) } else { Err(outer_space()) }
}

fn outer_space() -> ErrorResponse {
    ErrorResponse::field("client_id", "must not begin or end with a space")
}

/// Refuses a second way of authentication (RFC 6749 section 2.3).
fn check_secret(form: &Form<'_>) -> Result<(), ErrorResponse> {
    match form.get("client_secret") {
        Some(_) => {
            Err(ErrorResponse::field("client_secret", "repeats the credentials of the Authorization header"))
        }
        None => Ok(()),
    }
}

fn another_client() -> ErrorResponse {
    ErrorResponse::field("client_id", "is not the client of the Authorization header")
}

/// The access token of a user. A token in the query is no credential here (RFC 9700 section 4.3.2).
pub fn access_token(http: &HttpRequest) -> Result<&str, ErrorResponse> {
    match credentials(http)? {
        Credentials::Bearer(token) => Ok(token),
        Credentials::None | Credentials::Basic { .. } | Credentials::Unsupported => {
            Err(ErrorResponse::NoAccessToken)
        }
    }
}
