//! The `Authorization` header: its credentials are read right, and no service is let in without a key.

#![no_main]

use std::sync::LazyLock;

use actix_web::http::header::{AUTHORIZATION, HeaderValue};
use actix_web::test::TestRequest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use token_gateway::gateway::service_keys::{Role, ServiceKeys};
use token_gateway::http::fuzzing::{Credentials, credentials, service};

/// A service key. Its hash is below.
const KEY: &str = "a made-up+key";

static KEYS: LazyLock<ServiceKeys> = LazyLock::new(|| {
    let entry = "web+issue=7a967acb9457ba45722577f543751456a944351b203a4ef3f3e395bcd03f0bcd";
    entry.parse().expect("an entry")
});

fuzz_target!(|data: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let http = TestRequest::default().insert_header((AUTHORIZATION, value)).to_http_request();
    let Ok(found) = credentials(&http) else { panic!("one header is not several") };
    let key = match &found {
        Credentials::None => {
            assert!(data.is_empty(), "there is a header");
            None
        }
        Credentials::Unsupported => None,
        Credentials::Bearer(token) => {
            assert_eq!(after(data, "bearer"), *token);
            Some((*token).to_owned())
        }
        Credentials::Basic { name, key } => {
            assert_eq!(STANDARD.encode(format!("{name}:{key}")), after(data, "basic"));
            assert!(!name.contains(':'));
            Some(key.clone())
        }
    };
    assert!(service(&http, &KEYS, Role::Manage).is_err(), "a role that nobody has");
    if service(&http, &KEYS, Role::Issue).is_ok() {
        let key = key.expect("a key, or nobody is let in");
        assert!(key == KEY || form_decoded(&key) == KEY);
    }
});

/// The text after the scheme. The scheme matches in upper and lower case.
fn after<'a>(header: &'a [u8], scheme: &str) -> &'a str {
    let header = std::str::from_utf8(header).expect("visible ASCII");
    let (found, rest) = header.split_once(' ').unwrap_or((header, ""));
    assert_eq!(found.to_ascii_lowercase(), scheme);
    rest.trim_matches([' ', '\t'])
}

fn form_decoded(text: &str) -> String {
    let encoded = text.replace('&', "%26").replace('=', "%3D");
    let pair = form_urlencoded::parse(encoded.as_bytes()).next();
    pair.map(|(name, _)| name.into_owned()).unwrap_or_default()
}
