//! The body of `PATCH`: claims come out as printable ASCII, within limits, and mean the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use token_gateway::http::fuzzing::{Patch, claims, parsed};
use token_gateway::token::session_claims::{MAX_CLAIMS_DEPTH, MAX_CLAIMS_LEN, RESERVED_CLAIMS};

fuzz_target!(|data: &[u8]| {
    let Ok(patch) = parsed::<Patch>(data) else { return };
    let Ok(stored) = claims(&patch.claims) else { return };
    let text = stored.as_str();
    assert!(text.len() <= MAX_CLAIMS_LEN);
    assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    let read: Map<String, Value> = serde_json::from_str(text).expect("a JSON object");
    let sent: Map<String, Value> = serde_json::from_str(patch.claims.get()).expect("the same object");
    assert_eq!(read, sent);
    assert!(RESERVED_CLAIMS.iter().all(|name| !read.contains_key(*name)));
    assert!(depth(&Value::Object(read)) <= MAX_CLAIMS_DEPTH);
});

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
