//! The parameter `client` of a refresh: it is read as at the login, or refused without an echo.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use token_gateway::http::fuzzing::described;

/// The beginning of values that no error may repeat, because they may be secrets in the wrong place.
const HUSH: &str = "hush";

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    match described(&text) {
        Ok(stored) => check(&stored),
        Err(error) => {
            assert!(error.to_string().starts_with("'client"));
            if let Ok(stated) = serde_json::from_str::<Map<String, Value>>(&text) {
                assert!(!error.to_string().contains(HUSH) || stated.keys().any(|name| name.contains(HUSH)));
            }
        }
    }
});

/// As stored: printable ASCII, below the size that makes a table of a record, and read back as it stands.
fn check(stored: &str) {
    assert!(stored.len() <= 2048 && stored.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    assert!(stored.is_empty() || described(stored).as_deref().ok() == Some(stored));
}
