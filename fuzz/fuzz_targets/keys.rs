//! Names of keys as Redis lists them: each name is the only one for its session or subject.

#![no_main]

use libfuzzer_sys::fuzz_target;
use token_gateway::store::redis::layout::{Key, Layout};
use token_gateway_core::session::Subject;

fuzz_target!(|data: &[u8]| {
    let keys = Layout::new("tg");
    let again = keys.read(data).map(|key| match key {
        Key::Session(subject, session) => keys.session(&subject, session),
        Key::Sessions(subject) => keys.sessions(&subject),
    });
    assert!(again.is_none_or(|again| again.as_bytes() == data), "two names for one thing");

    // A subject alone, because few inputs are whole keys.
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(subject) = Subject::from_encoded(text) {
        assert_eq!(subject.encoded().to_string(), text);
        assert_eq!(keys.read(keys.sessions(&subject).as_bytes()), Some(Key::Sessions(subject)));
    }
});
