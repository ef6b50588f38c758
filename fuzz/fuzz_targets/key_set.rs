//! The key set file. A set that was read is written back as it was, makes a keyring, and shows nothing private.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use token_gateway::token::Keyring;
use token_gateway::token::key_set::KeySet;
use token_gateway::token::keyring::{InvalidKeyring, Secrets};
use token_gateway_core::token::Secret;
use token_gateway_fuzz::REFRESH_SECRET;

/// The private members of all kinds of keys (RFC 7518 section 6).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(set) = KeySet::parse(text) else { return };
    let written = set.to_text();
    let again = KeySet::parse(&written).expect("what was written is read");
    assert_eq!(again.to_text(), written);
    let secrets = Secrets { refresh: Secret::parse(REFRESH_SECRET).ok(), ..Secrets::default() };
    match Keyring::new(&secrets, &set) {
        Ok(keyring) => check_published(&keyring, &set),
        Err(error) => assert!(
            matches!(error, InvalidKeyring::NoAccessKey | InvalidKeyring::Shared(_)),
            "each key was checked when it was read: {error}"
        ),
    }
});

fn check_published(keyring: &Keyring, set: &KeySet) {
    let published: Value = serde_json::from_str(keyring.jwks()).expect("JSON");
    let published = published["keys"].as_array().expect("a list");
    assert_eq!(published.len(), keyring.published());
    for key in published {
        let key = key.as_object().expect("an object");
        assert!(PRIVATE.iter().all(|name| !key.contains_key(*name)));
        assert_ne!(key["kty"], "oct");
        assert!(set.keys.iter().any(|jwk| key["kid"] == jwk.thumbprint().as_str()));
    }
}
