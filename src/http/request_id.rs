//! The id of a request, as its headers name it.
//!
//! | header | taken over |
//! |---|---|
//! | one `X-Request-Id` | 1 to 128 of `A-Z a-z 0-9 . _ ~ : / + = @ -` |
//! | else one `traceparent` (W3C Trace Context) | its trace id |
//! | else | nothing: an id is made |
//!
//! An id in any other form is not taken over: it would be an odd text in the logs of everybody behind.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::telemetry::logging::RequestId;

pub static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The id of the request with these headers.
pub fn of(headers: &HeaderMap) -> RequestId {
    let given = only(headers, &X_REQUEST_ID).filter(|id| is_id(id));
    let named = given.or_else(|| only(headers, &TRACEPARENT).and_then(trace_id));
    named.map_or_else(RequestId::random, RequestId::new)
}

/// The header of the answer.
pub fn value(id: &RequestId) -> HeaderValue {
    HeaderValue::from_str(id.as_str()).expect("an id is visible ASCII")
}

/// A header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name);
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

pub fn is_id(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._~:/+=@-".contains(&b);
    (1..=128).contains(&text.len()) && text.bytes().all(allowed)
}

/// The trace id of a `traceparent`. A higher version than 00 may have more fields (W3C Trace Context section 4.3).
pub fn trace_id(text: &str) -> Option<&str> {
    let mut fields = text.split('-');
    let mut field = |len| fields.next().filter(|text| text.len() == len && text.bytes().all(is_lower_hex));
    let (version, trace_id, parent_id, _flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
    let is_zero = |id: &str| id.bytes().all(|digit| digit == b'0');
    let ends = version != "00" || fields.next().is_none();
    (version != "ff" && ends && !is_zero(trace_id) && !is_zero(parent_id)).then_some(trace_id)
}

fn is_lower_hex(digit: u8) -> bool {
    matches!(digit, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn of_headers(lines: &[(&HeaderName, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append((*name).clone(), HeaderValue::from_str(value).expect("a value"));
        }
        of(&headers).to_string()
    }

    #[test]
    fn an_id_of_plain_characters_is_taken_over_and_no_other() {
        let longest = "x".repeat(128);
        for id in ["a", "Req-1.2_3~4:5/6+7=8@9", longest.as_str(), "0b6e8e5e-4a0c-4d39-9f43-6ec1ffcd1b06"] {
            assert_eq!(of_headers(&[(&X_REQUEST_ID, id)]), id);
        }
        let long = "x".repeat(129);
        for id in ["", "a b", "a\"b", "a\\b", "a,b", "a;b", "{a}", "a%0a", "a'b", "<a>", "a\tb", &long] {
            let made = of_headers(&[(&X_REQUEST_ID, id)]);
            assert!(made != id && made.len() == 32 && made.bytes().all(is_lower_hex), "{id}: {made}");
        }
        let twice = of_headers(&[(&X_REQUEST_ID, "a"), (&X_REQUEST_ID, "b")]);
        assert_eq!(twice.len(), 32, "{twice}");
        assert_ne!(of_headers(&[]), of_headers(&[]));
    }

    #[test]
    fn a_trace_id_is_taken_over_where_no_good_id_is_given() {
        let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
        assert_eq!(of_headers(&[(&TRACEPARENT, &parent)]), TRACE);
        assert_eq!(of_headers(&[(&TRACEPARENT, &parent), (&X_REQUEST_ID, "a")]), "a");
        assert_eq!(of_headers(&[(&TRACEPARENT, &parent), (&X_REQUEST_ID, "a b")]), TRACE);
        let twice = of_headers(&[(&TRACEPARENT, &parent), (&TRACEPARENT, &parent)]);
        assert_ne!(twice, TRACE);
    }

    #[test]
    fn only_a_traceparent_of_its_form_has_a_trace_id() {
        let rest = "00f067aa0ba902b7-01";
        for good in
            [format!("00-{TRACE}-{rest}"), format!("cc-{TRACE}-{rest}"), format!("cc-{TRACE}-{rest}-x")]
        {
            assert_eq!(trace_id(&good), Some(TRACE), "{good}");
        }
        let (zeros, upper) = ("0".repeat(32), TRACE.to_uppercase());
        for bad in [
            String::new(),
            TRACE.to_owned(),
            format!("00-{TRACE}"),
            format!("00-{TRACE}-{rest}-x"),
            format!("00-{TRACE}-{rest}-"),
            format!("ff-{TRACE}-{rest}"),
            format!("0-{TRACE}-{rest}"),
            format!("00-{zeros}-{rest}"),
            format!("00-{upper}-{rest}"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00-{TRACE}-00f067aa0ba902b7"),
            format!("00-{TRACE}-00f067aa0ba902b7-0"),
            format!("00-{TRACE}x-00f067aa0ba902b-01"),
            format!("cc-{TRACE}-{rest}x"),
        ] {
            assert_eq!(trace_id(&bad), None, "{bad}");
        }
    }
}
