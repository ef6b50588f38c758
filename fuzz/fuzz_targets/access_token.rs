//! An access token: a header line, then a payload. No unsigned token is accepted, and no signed one with a false claim.

#![no_main]

use libfuzzer_sys::fuzz_target;
use token_gateway_core::clock::Timestamp;
use token_gateway_core::token::{AccessToken, Audiences};
use token_gateway_fuzz::{
    ISSUER, REFRESH_SECRET, SIGNING_SECRET, halves, object, respelled, sealed, with_tokens,
};

/// The present of the checks, in seconds.
const NOW: u64 = 1_800_000_000;

fuzz_target!(|data: &[u8]| {
    with_tokens(|tokens| {
        if let Ok(text) = std::str::from_utf8(data) {
            assert!(tokens.open_access(text, Audiences::Any).is_err(), "nobody signed this");
        }
        let (header, payload) = halves(data);
        let elsewhere = sealed(REFRESH_SECRET, header, payload);
        assert!(
            tokens.open_access(&elsewhere, Audiences::Any).is_err(),
            "signed with the key of refresh tokens"
        );
        let token = sealed(SIGNING_SECRET, header, payload);
        if let Ok(opened) = tokens.open_access(&token, Audiences::Any) {
            assert!(token.len() <= 8 * 1024);
            assert!(tokens.open_refresh(&token).is_err(), "one kind passes for the other");
            for other in respelled(&token) {
                assert!(tokens.open_access(&other, Audiences::Any).is_err(), "accepted in another spelling");
            }
            check_header(header);
            check(payload, opened);
        }
    });
});

fn check_header(header: &[u8]) {
    let Some(header) = object(header) else { return };
    assert_eq!((header["alg"].as_str(), header["typ"].as_str()), (Some("HS256"), Some("at+jwt")));
    assert!(["crit", "zip", "b64"].iter().all(|name| !header.contains_key(*name)));
}

fn check(payload: &[u8], opened: AccessToken) {
    let Some(claims) = object(payload) else { return };
    let text = |name: &str| claims[name].as_str().expect("text");
    let seconds = |name: &str| claims[name].as_u64().expect("seconds");
    assert_eq!((text("type"), text("iss")), ("access", ISSUER));
    assert!(!["", ISSUER].contains(&text("aud")));
    assert_eq!(text("sub"), opened.subject.as_str());
    assert_eq!(text("sid"), opened.session.as_str());
    assert_eq!(text("client_id"), opened.client_id);
    let begins = seconds("iat").max(claims.get("nbf").map_or(0, |it| it.as_u64().expect("seconds")));
    let live = NOW < seconds("exp") && begins <= NOW + 10;
    assert_eq!(opened.live_at(Timestamp(NOW * 1_000_000)).is_ok(), live);
}
