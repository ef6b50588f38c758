//! A refresh token: a header line, then a payload. No unsigned token is accepted, and no signed one with a false claim.

#![no_main]

use libfuzzer_sys::fuzz_target;
use token_gateway_core::token::{Audiences, RefreshToken};
use token_gateway_fuzz::{
    ISSUER, REFRESH_SECRET, SIGNING_SECRET, halves, object, respelled, sealed, with_tokens,
};

fuzz_target!(|data: &[u8]| {
    with_tokens(|tokens| {
        if let Ok(text) = std::str::from_utf8(data) {
            assert!(tokens.open_refresh(text).is_err(), "nobody signed this");
        }
        let (header, payload) = halves(data);
        let elsewhere = sealed(SIGNING_SECRET, header, payload);
        assert!(tokens.open_refresh(&elsewhere).is_err(), "signed with the key of access tokens");
        let token = sealed(REFRESH_SECRET, header, payload);
        if let Ok(opened) = tokens.open_refresh(&token) {
            check_header(header);
            check(payload, &opened);
            assert!(token.len() <= 8 * 1024);
            assert!(tokens.open_access(&token, Audiences::Any).is_err(), "one kind passes for the other");
            for other in respelled(&token) {
                assert!(tokens.open_refresh(&other).is_err(), "accepted in another spelling");
            }
        }
    });
});

fn check_header(header: &[u8]) {
    let Some(header) = object(header) else { return };
    assert_eq!((header["alg"].as_str(), header["typ"].as_str()), (Some("HS256"), Some("rt+jwt")));
    assert!(["crit", "zip", "b64"].iter().all(|name| !header.contains_key(*name)));
}

fn check(payload: &[u8], opened: &RefreshToken) {
    let Some(claims) = object(payload) else { return };
    let text = |name: &str| claims[name].as_str().expect("text");
    assert_eq!((text("type"), text("iss"), text("aud")), ("refresh", ISSUER, ISSUER));
    assert_eq!(text("sub"), opened.subject.as_str());
    assert_eq!(text("jti"), opened.jti.as_str());
    assert_eq!(text("sid"), opened.jti.session().as_str());
    assert_eq!(text("client_id"), opened.client_id);
    assert_eq!(claims.get("scope").map(|it| it.as_str().expect("text")), opened.scope.as_deref());
    assert_eq!(claims["gen"].as_u64(), Some(opened.generation));
    assert!(opened.generation <= 1 << 52);
    assert!(claims["exp"].is_u64() && claims["iat"].is_u64());
}
