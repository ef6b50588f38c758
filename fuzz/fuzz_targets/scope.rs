//! A scope: the grammar of RFC 6749 section 3.3, and no more.

#![no_main]

use libfuzzer_sys::fuzz_target;
use token_gateway::http::fuzzing::check_scope;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let found = check_scope(text).ok();
    assert_eq!(found, Some(text).filter(|_| data.len() <= 1024 && is_scope(data)));
});

fn is_scope(text: &[u8]) -> bool {
    let mut in_token = false;
    for byte in text {
        let is_space = *byte == b' ';
        let fits = matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        if !fits || (is_space && !in_token) {
            return false;
        }
        in_token = !is_space;
    }
    in_token
}
