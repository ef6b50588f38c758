//! The `{sub}` of a path: percent-encoded, strictly, and decoded once.

#![no_main]

use libfuzzer_sys::fuzz_target;
use token_gateway::http::fuzzing::subject_in;
use token_gateway_core::session::Subject;

fuzz_target!(|data: &[u8]| {
    let Ok(segment) = std::str::from_utf8(data) else { return };
    let found = subject_in(segment).ok();
    assert_eq!(found, decoded(data).and_then(|text| text.parse().ok()));
    if let Some(found) = found {
        assert_eq!(subject_in(&found.encoded().to_string()).ok(), Some(found.clone()));
        assert_eq!(Subject::from_encoded(&found.encoded().to_string()), Some(found));
    }
});

/// The plainest decoder: each `%` begins two hex digits.
fn decoded(segment: &[u8]) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), segment.iter());
    while let Some(byte) = rest.next() {
        let mut digit = || char::from(*rest.next()?).to_digit(16);
        bytes.push(if *byte == b'%' { (digit()? * 16 + digit()?) as u8 } else { *byte });
    }
    String::from_utf8(bytes).ok()
}
