//! Reading requests: bodies within limits, parameters, path segments, headers.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, TRANSFER_ENCODING, USER_AGENT,
};
use actix_web::web::{Bytes, BytesMut, Data, Payload};
use futures_util::{FutureExt, StreamExt};
use percent_encoding::percent_decode_str;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};
use token_gateway_core::session::{Attempt, SessionId, Subject};
use tokio::time::timeout;
use utoipa::ToSchema;

use super::client_address::TrustedProxies;
use super::error::ErrorResponse;
use super::form;
use crate::gateway::theft::Sender;
use crate::token::session_claims::HALF_PAIR;

/// The media type of every body but forms.
pub const JSON_MEDIA_TYPE: &str = "application/json";

/// Largest body, in bytes: a refresh token is well below 4 KiB, and claims are at most 2 KiB.
pub const MAX_BODY: usize = 16 * 1024;

/// A body must have arrived within this.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The words of `serde_json` for half a surrogate pair.
const HALF_PAIRS: [&str; 2] = ["lone leading surrogate in hex escape", "unexpected end of hex escape"];

/// A JSON body.
pub async fn json<T: DeserializeOwned>(http: &HttpRequest, payload: Payload) -> Result<T, ErrorResponse> {
    parsed(&body(http, payload, JSON_MEDIA_TYPE).await?)
}

/// One JSON object and nothing else; an error names the member by its path.
pub fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, ErrorResponse> {
    if body.is_empty() {
        return Err(ErrorResponse::Request("the body is missing; it must be a JSON object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let Object(value) = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let field = path_in(&error).map_or_else(|| "body".to_owned(), shortened);
        ErrorResponse::field(field, problem_of(&error))
    })?;
    reader.end().map_err(|_| ErrorResponse::Request("the body must be one JSON object and nothing else"))?;
    Ok(value)
}

/// The JSON in a parameter of a form. An error names the parameter, and the member by its path.
pub fn json_parameter<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, ErrorResponse> {
    let mut reader = serde_json::Deserializer::from_slice(text.as_bytes());
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let field = path_in(&error).map_or_else(|| name.to_owned(), |path| format!("{name}.{path}"));
        let mut problem = problem_of(&error);
        if error.inner().is_eof() {
            problem += "; is it percent-encoded?"; // a form ends a parameter at a bare `&`
        }
        ErrorResponse::field(shortened(field), problem)
    })?;
    let more = |_| ErrorResponse::field(name.to_owned(), "must be one JSON object and nothing else");
    reader.end().map_err(more)?;
    Ok(value)
}

/// The path of the wrong member; `None` where it is the whole value.
fn path_in(error: &serde_path_to_error::Error<serde_json::Error>) -> Option<String> {
    Some(error.path().to_string()).filter(|path| !matches!(path.as_str(), "." | "?"))
}

fn problem_of(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let problem = error.inner().to_string();
    if HALF_PAIRS.iter().any(|half| problem.starts_with(half)) {
        return HALF_PAIR.to_owned();
    }
    format!("is wrong: {}", without_value(&problem))
}

/// A name or path cut short, with room left for the problem.
pub fn shortened(mut path: String) -> String {
    if path.len() > 64 {
        path.truncate(path.floor_char_boundary(61));
        path.push_str("...");
    }
    path
}

/// The message of serde about a value of a wrong type, without the value: it may be a secret in the wrong place.
fn without_value(problem: &str) -> &str {
    let echoes = problem.starts_with("invalid type: ") || problem.starts_with("invalid value: ");
    let expected = if echoes { problem.rfind(", expected ") } else { None };
    expected.map_or(problem, |at| &problem[at + 2..])
}

/// A JSON object. A list is refused: serde would take it for the members in their order.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}

/// Refuses a body with members, on a route that takes none, in JSON and in a form. Without a length and without chunks a
/// request has no body (RFC 9112 section 6.3), and the bytes after an offered upgrade are not waited for.
pub async fn no_members(http: &HttpRequest, payload: Payload) -> Result<(), ErrorResponse> {
    let headers = http.headers();
    if !(headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING)) {
        return Ok(());
    }
    let body = read(payload, declared_length(http)?).await?;
    let is_form = headers.get(CONTENT_TYPE).is_some_and(|value| is_media_type(value, form::MEDIA_TYPE));
    let text = body.trim_ascii();
    let members = serde_json::from_slice::<Option<BTreeMap<String, IgnoredAny>>>(text);
    let is_bare = members.as_ref().is_ok_and(|members| members.as_ref().is_none_or(BTreeMap::is_empty));
    if text.is_empty() || is_bare {
        return Ok(());
    }
    let first = if is_form {
        form_urlencoded::parse(text).next().map(|(name, _)| name.into_owned())
    } else {
        members.ok().flatten().and_then(|members| members.into_keys().next())
    };
    Err(match first {
        Some(name) => {
            ErrorResponse::field(shortened(name), "is no parameter of this route, which takes no body")
        }
        None => ErrorResponse::field("body", "is not wanted: this route takes none"),
    })
}

/// A body of this type, within limits; empty where there is none.
pub async fn body(
    http: &HttpRequest,
    payload: Payload,
    media_type: &'static str,
) -> Result<Bytes, ErrorResponse> {
    let length = declared_length(http)?;
    if http.headers().get_all(CONTENT_TYPE).count() > 1 {
        return Err(ErrorResponse::field("Content-Type", "is given more than once"));
    }
    let declared = http.headers().get(CONTENT_TYPE);
    if declared.is_some_and(|value| !is_media_type(value, media_type)) {
        return Err(ErrorResponse::MediaType(media_type));
    }
    match read(payload, length).await? {
        body if declared.is_none() && !body.is_empty() => Err(ErrorResponse::MediaType(media_type)),
        body => Ok(body),
    }
}

/// The length of the body, where it is declared and within the limit.
fn declared_length(http: &HttpRequest) -> Result<Option<usize>, ErrorResponse> {
    let declared = http.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    match declared {
        Some(length) if length > MAX_BODY => Err(ErrorResponse::TooLarge(MAX_BODY)),
        length => Ok(length),
    }
}

/// A body of any type and this declared length, within limits.
async fn read(mut payload: Payload, length: Option<usize>) -> Result<Bytes, ErrorResponse> {
    let mut read = pin!(async {
        let mut body = BytesMut::with_capacity(length.unwrap_or(0));
        // Not beyond the length: the body of an upgrade request never ends.
        while length.is_none_or(|length| body.len() < length) {
            let Some(chunk) = payload.next().await else { break };
            let chunk = chunk.map_err(|_| ErrorResponse::Request("the body was cut off"))?;
            if body.len() + chunk.len() > MAX_BODY {
                return Err(ErrorResponse::TooLarge(MAX_BODY));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    });
    if let Some(arrived_with_head) = read.as_mut().now_or_never() {
        return arrived_with_head; // it needs no timer
    }
    timeout(BODY_TIMEOUT, read).await.unwrap_or(Err(ErrorResponse::Slow))
}

/// Compares without parameters such as `charset`, case-insensitively (RFC 9110 section 8.3.1).
fn is_media_type(value: &HeaderValue, media_type: &str) -> bool {
    if value == media_type {
        return true; // as most clients write it
    }
    let essence = value.to_str().ok().and_then(|text| text.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(media_type)
}

/// The attempt of this request, named by its `Idempotency-Key`, or by nobody.
pub fn attempt(http: &HttpRequest) -> Result<Attempt, ErrorResponse> {
    const NAME: &str = "Idempotency-Key";
    static HEADER: HeaderName = HeaderName::from_static("idempotency-key");
    let mut values = http.headers().get_all(&HEADER);
    match (values.next(), values.next()) {
        (None, _) => Ok(Attempt::once()),
        (Some(value), None) => {
            let key = value.to_str().unwrap_or_default().parse();
            key.map(Attempt::Keyed).map_err(|error| ErrorResponse::field(NAME, error.to_string()))
        }
        (Some(_), Some(_)) => Err(ErrorResponse::field(NAME, "is given more than once")),
    }
}

/// The sender of this request.
pub fn sender(http: &HttpRequest) -> Sender<'_> {
    let proxies = http.app_data::<Data<TrustedProxies>>();
    let peer = http.peer_addr().map(|address| address.ip());
    let client = |peer: IpAddr| proxies.map_or(peer, |proxies| proxies.client(peer, http.headers()));
    Sender {
        address: peer.map(client),
        user_agent: http.headers().get(USER_AGENT).map(HeaderValue::as_bytes),
    }
}

/// The `{sub}` of a path `/v1/users/{sub}/…`.
pub fn subject(http: &HttpRequest) -> Result<Subject, ErrorResponse> {
    subject_in(segment(http, "{sub}"))
}

/// A subject as it stands in a path: percent-encoded, strictly, and decoded once.
pub fn subject_in(segment: &str) -> Result<Subject, ErrorResponse> {
    let broken = segment.split('%').skip(1).any(|rest| {
        let digits = rest.as_bytes().get(..2);
        !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    let text = percent_decode_str(segment).decode_utf8().ok().filter(|_| !broken);
    let text = text.ok_or_else(|| ErrorResponse::field("sub", "must be percent-encoded UTF-8"))?;
    text.parse().map_err(|error| ErrorResponse::field("sub", format!("{error}")))
}

/// A `session_id`; anything else is nobody's session.
#[derive(ToSchema)]
#[schema(as = SessionInPath, min_length = 1, example = "4830719265501837429")]
#[expect(dead_code, reason = "it documents what `session` takes")]
pub struct AnySession(String);

/// The `{sid}` of a path; `None` for anything but an id of ours, and so for nobody's session.
pub fn session(http: &HttpRequest) -> Option<SessionId> {
    segment(http, "{sid}").parse().ok()
}

/// As it came: the router has decoded its copy too leniently to tell a slash from `%2F`.
fn segment<'a>(http: &'a HttpRequest, name: &str) -> &'a str {
    let pattern = http.match_pattern().unwrap_or_default();
    let mut pairs = pattern.split('/').zip(http.uri().path().split('/'));
    pairs.find(|(part, _)| *part == name).map_or("", |(_, segment)| segment)
}
