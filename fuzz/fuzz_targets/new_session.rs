//! The body of `POST /v1/sessions`: the login is within limits, and signed claims keep their meaning.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use token_gateway::gateway::issue::Login;
use token_gateway::http::fuzzing::{NewSession, check_scope, login, parsed};
use token_gateway::token::Grant;
use token_gateway::token::session_claims::RESERVED_CLAIMS;
use token_gateway_core::clock::Timestamp;
use token_gateway_core::session::Jti;
use token_gateway_core::token::Audiences;
use token_gateway_fuzz::{ISSUER, payload, with_tokens};

/// The first token of every session here.
const JTI: &str = "4830719265501837429.AAAAAAAAAAAAAAAAAAAAAA";

/// The beginning of values that no error may repeat, because they may be secrets in the wrong place.
const HUSH: &str = "hush";

fuzz_target!(|data: &[u8]| {
    match parsed::<NewSession>(data).and_then(|body| login(body, "web", ISSUER)) {
        Ok(login) => {
            check_limits(&login);
            // A text of `client` may hold what JSON does not: half a character, a control character.
            if let Ok(body) = serde_json::from_slice(data) {
                check_meaning(&body, &login);
            }
            check_tokens(&login);
        }
        Err(error) => {
            if let Ok(body) = serde_json::from_slice::<Value>(data) {
                assert!(!error.to_string().contains(HUSH) || names(&body).any(|name| name.contains(HUSH)));
            }
        }
    }
});

fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

fn check_limits(login: &Login) {
    let (claims, client) = (login.claims.as_str(), &login.client);
    assert!(claims.len() <= 2048 && is_printable(claims));
    assert!(is_printable(client) && client.len() <= 2048);
    assert!((1..=255).contains(&login.client_id.len()) && is_printable(&login.client_id));
    assert!(login.scope.iter().all(|scope| check_scope(scope).is_ok()));
    let audience = login.audience.as_deref().unwrap_or("api");
    assert!((1..=255).contains(&audience.len()) && audience != ISSUER && is_printable(audience));
}

fn check_meaning(body: &Map<String, Value>, login: &Login) {
    assert_eq!(body["sub"].as_str(), Some(login.subject.as_str()));
    let stated = body.get("claims").filter(|claims| !claims.is_null());
    let stored: Map<String, Value> = serde_json::from_str(login.claims.as_str()).expect("a JSON object");
    assert_eq!(stated.map_or(Map::new(), |claims| claims.as_object().expect("an object").clone()), stored);
    assert!(RESERVED_CLAIMS.iter().all(|name| !stored.contains_key(*name)));
}

/// The tokens of a session name its subject and `sid`, and are short enough to be accepted, whatever its claims.
fn check_tokens(login: &Login) {
    let jti: Jti = JTI.parse().expect("a jti");
    let now = Timestamp(1_800_000_000_000_000);
    let grant = Grant {
        subject: &login.subject,
        jti: &jti,
        generation: 0,
        issued_at: now,
        now,
        absolute_expires_at: None,
        client_id: &login.client_id,
        audience: login.audience.as_deref().unwrap_or("api"),
        scope: login.scope.as_deref(),
        narrowed: None,
        claims: login.claims.as_str(),
    };
    with_tokens(|tokens| {
        let pair = tokens.mint(&grant).expect("claims that were accepted");
        let access = tokens.open_access(&pair.access_token, Audiences::Any).expect("our access token");
        let refresh = tokens.open_refresh(&pair.refresh_token).expect("our refresh token");
        assert_eq!((&access.subject, access.session), (&login.subject, jti.session()));
        assert_eq!((&refresh.subject, refresh.jti), (&login.subject, jti));
        let signed = payload(&pair.access_token);
        let carried: Map<String, Value> = serde_json::from_str(login.claims.as_str()).expect("an object");
        assert!(carried.iter().all(|(name, value)| signed.get(name) == Some(value)));
    });
}

/// The names of all members. An error may repeat these.
fn names(value: &Value) -> Box<dyn Iterator<Item = &str> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter().flat_map(names)),
        Value::Object(members) => Box::new(
            members.iter().flat_map(|(name, value)| std::iter::once(name.as_str()).chain(names(value))),
        ),
        _ => Box::new(std::iter::empty()),
    }
}
