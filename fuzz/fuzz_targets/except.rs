//! The query of a `DELETE` of sessions, of a user and of one's own: a typing error must not end all sessions.

#![no_main]

use actix_web::http::Uri;
use actix_web::test::TestRequest;
use libfuzzer_sys::fuzz_target;
use token_gateway::http::fuzzing::{spared, spares_current};

fuzz_target!(|data: &[u8]| {
    let Ok(query) = std::str::from_utf8(data) else { return };
    let uri = format!("/v1/me/sessions?{query}");
    if query.contains('#') || uri.parse::<Uri>().is_err() {
        return;
    }
    let http = TestRequest::with_uri(&uri).to_http_request();
    let stated: Vec<_> = form_urlencoded::parse(data).collect();
    if let Ok(spares_current) = spares_current(&http) {
        let current = [("except".into(), "current".into())];
        assert_eq!(stated, if spares_current { &current[..] } else { &[] });
    }
    if let Ok(spared) = spared(&http) {
        let expected: Vec<_> = spared.iter().map(|sid| ("except".into(), sid.as_str().into())).collect();
        assert_eq!(stated, expected);
    }
});
