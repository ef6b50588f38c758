//! Hashes of texts that stand for no key: `echo -n "" | sha256sum`, and the placeholders of examples.

use super::hash::{KeyHash, sha256};

/// Placeholders, and the words that people try first.
const WORDS: [&str; 16] = [
    "changeme",
    "change-me",
    "change_me",
    "secret",
    "password",
    "passwd",
    "test",
    "token",
    "key",
    "admin",
    "dev",
    "example",
    "default",
    "service",
    "123456",
    "password123",
];

/// The line ends that a shell or an editor puts behind a text.
const LINE_ENDS: [&str; 3] = ["", "\n", "\r\n"];

/// The known text with this hash, in words; `None` for the hash of a key. A service's own name is such a text.
pub fn known(hash: &KeyHash, service: &str) -> Option<String> {
    let is_hashed =
        |text: &str| LINE_ENDS.iter().find(|end| *hash == sha256(format!("{text}{end}").as_bytes()));
    if let Some(end) = is_hashed("") {
        return Some(if end.is_empty() { "the empty text" } else { "a line end" }.to_owned());
    }
    let words = WORDS.iter().map(|word| (*word, format!("'{word}'")));
    let mut texts = std::iter::once((service, "the service's own name".to_owned())).chain(words);
    let (end, text) = texts.find_map(|(text, shown)| Some((is_hashed(text)?, shown)))?;
    Some(if end.is_empty() { text } else { format!("{text} and a line end") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_of_a_known_text_is_told_with_and_without_a_line_end() {
        for (text, said) in [
            ("", "the empty text"),
            ("\n", "a line end"),
            ("\r\n", "a line end"),
            ("changeme", "'changeme'"),
            ("secret\n", "'secret' and a line end"),
            ("shop", "the service's own name"),
            ("shop\r\n", "the service's own name and a line end"),
        ] {
            assert_eq!(known(&sha256(text.as_bytes()), "shop").as_deref(), Some(said));
        }
        assert_eq!(known(&sha256(b"shop"), "web"), None);
        assert_eq!(known(&sha256(b"Secret"), "web"), None);
    }
}
