//! The body of `/oauth/*`: read as the library reads it, or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use token_gateway::http::fuzzing::{Form, text};

fuzz_target!(|data: &[u8]| {
    let body = text(data);
    let Ok(form) = Form::parse(&body) else { return };
    let mut names = Vec::new();
    for (name, value) in form_urlencoded::parse(data) {
        assert!(value.chars().all(|c| !c.is_control() && c != char::REPLACEMENT_CHARACTER));
        // The gateway's parameters have names in ASCII, so no other name is checked.
        if name.is_ascii() {
            assert_eq!(form.get(&name), Some(&*value).filter(|value| !value.is_empty()));
            assert!(!names.contains(&name), "a parameter came twice");
        }
        names.push(name);
    }
    assert!(names.len() <= 32);
});
