//! The query of `DELETE /v1/me/sessions`: a typing error must not end all sessions.

#![no_main]

use actix_web::http::Uri;
use actix_web::test::TestRequest;
use libfuzzer_sys::fuzz_target;
use token_gateway::http::fuzzing::Which;

fuzz_target!(|data: &[u8]| {
    let Ok(query) = std::str::from_utf8(data) else { return };
    let uri = format!("/v1/me/sessions?{query}");
    if query.contains('#') || uri.parse::<Uri>().is_err() {
        return;
    }
    let Ok(spares_current) = Which::spares_current(&TestRequest::with_uri(&uri).to_http_request()) else {
        return;
    };
    let stated: Vec<_> = form_urlencoded::parse(data).collect();
    let current = [("except".into(), "current".into())];
    assert_eq!(stated, if spares_current { &current[..] } else { &[] });
});
