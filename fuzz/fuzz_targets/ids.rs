//! The text forms of subject, session id, `jti` and reason: each has one form, and the form is read back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use token_gateway_core::session::{Jti, Reason, SessionId, Subject};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(subject) = text.parse::<Subject>() {
        check_subject(text, &subject);
    }
    if let Ok(session) = text.parse::<SessionId>() {
        let number: i64 = text.parse().expect("an integer");
        assert_eq!((session.as_str(), number.to_string().as_str()), (text, text));
        assert!(number >= 1_000_000_000_000_000_000);
    }
    if let Ok(jti) = text.parse::<Jti>() {
        let token = text.strip_prefix(jti.session().as_str()).and_then(|rest| rest.strip_prefix('.'));
        let token = token.expect("begins with its session");
        assert_eq!((jti.as_str(), token.len()), (text, 22));
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_eq!(jti.session().as_str().parse(), Ok(jti.session()));
    }
    if let Ok(jti) = Jti::beside_access(text) {
        assert_eq!((text.len(), text.strip_prefix(jti.as_str()).map(|rest| rest.len())), (65, Some(23)));
        assert!(text.parse::<Jti>().is_err() && text.parse::<SessionId>().is_err());
    }
    if let Ok(reason) = text.parse::<Reason>() {
        assert_eq!(reason.as_str(), text);
    }
});

fn check_subject(text: &str, subject: &Subject) {
    assert_eq!(subject.as_str(), text);
    assert!((1..=255).contains(&text.len()) && ![".", ".."].contains(&text));
    assert!(!text.chars().any(char::is_control));
    let encoded = subject.encoded().to_string();
    assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@+%".contains(&b)));
    assert_eq!(Subject::from_encoded(&encoded).as_ref(), Some(subject));
}
