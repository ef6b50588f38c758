//! `{sub}` and `{sid}` of a path: percent-encoded, strictly, and decoded once.

#![no_main]

use actix_web::http::Uri;
use actix_web::test::TestRequest;
use libfuzzer_sys::fuzz_target;
use token_gateway::http::fuzzing::{session, subject};
use token_gateway::session::{SessionId, Subject};

fuzz_target!(|data: &[u8]| {
    let Ok(segment) = std::str::from_utf8(data) else { return };
    if segment.contains(['/', '?', '#']) {
        return; // not one segment
    }
    let path = format!("/v1/users/{segment}/sessions/{segment}");
    if path.parse::<Uri>().is_err() {
        return; // refused before it is routed
    }
    let http = TestRequest::with_uri(&path).to_http_request();
    let found = subject(&http).ok();
    assert_eq!(found, decoded(data).and_then(|text| text.parse().ok()));
    assert_eq!(session(&http, 5), segment.parse::<SessionId>().ok());
    if let Some(found) = found {
        let path = format!("/v1/users/{}/sessions", found.encoded());
        assert_eq!(subject(&TestRequest::with_uri(&path).to_http_request()).ok(), Some(found.clone()));
        assert_eq!(Subject::from_encoded(&found.encoded().to_string()), Some(found));
    }
});

/// The plainest decoder: each `%` begins two hex digits.
fn decoded(segment: &[u8]) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), segment.iter());
    while let Some(byte) = rest.next() {
        let mut digit = || char::from(*rest.next()?).to_digit(16);
        bytes.push(if *byte == b'%' { (digit()? * 16 + digit()?) as u8 } else { *byte });
    }
    String::from_utf8(bytes).ok()
}
