//! The text of a secret: at least 32 bytes, one spelling of base64, without the line ends behind it, and never shown.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use token_gateway_core::token::Secret;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let own = text.trim_end_matches(['\r', '\n']);
    let bytes = match own.strip_prefix("base64:") {
        Some(encoded) => STANDARD.decode(encoded).ok(),
        None => Some(own.as_bytes().to_vec()),
    };
    let expected = bytes.filter(|bytes| bytes.len() >= 32);
    match (Secret::parse(text), expected) {
        (Ok(secret), Some(bytes)) => check(&secret, &bytes),
        (Err(error), None) => assert!(text.len() < 16 || !error.to_string().contains(text)),
        (Ok(_), None) => panic!("accepted"),
        (Err(error), Some(_)) => panic!("refused: {error}"),
    }
});

fn check(secret: &Secret, bytes: &[u8]) {
    assert_eq!(format!("{secret:?}"), "Secret(***)");
    let again = Secret::parse(&format!("base64:{}", STANDARD.encode(bytes))).expect("its plainest form");
    assert!(*secret == again);
}
