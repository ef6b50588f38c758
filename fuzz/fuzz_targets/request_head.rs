//! The headers that name a request and its client: `X-Request-Id`, `traceparent`, and an element of `X-Forwarded-For`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use token_gateway::http::fuzzing::{bare_address, is_id, trace_id};

fuzz_target!(|data: &[u8]| {
    if let Some(found) = std::str::from_utf8(data).ok().and_then(bare_address) {
        assert_eq!(bare_address(&found.to_string()), Some(found));
        assert_eq!(bare_address(&format!("[{found}]")), Some(found));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    assert!(!is_id(text) || text.len() <= 128 && data.iter().all(|b| b.is_ascii_graphic() && *b != b'"'));
    if let Some(id) = trace_id(text) {
        assert!(id.len() == 32 && is_id(id) && text.get(3..35) == Some(id));
        assert_eq!(trace_id(&text[..55]), Some(id));
    }
});
