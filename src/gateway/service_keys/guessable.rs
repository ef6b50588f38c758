//! Hashes of texts that stand for no key: `echo -n "" | sha256sum`, and the placeholders of examples.

use super::hash::{KeyHash, sha256};

/// Placeholders, and the words that people try first.
const WORDS: [&str; 20] = [
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
    "apikey",
    "letmein",
    "12345678",
    "qwerty",
];

/// The blanks and line ends that a shell or an editor puts behind a text.
const ENDS: [&str; 6] = ["", "\n", "\r\n", "\r", "\n\n", " "];

/// The known text with this hash, in words; `None` for the hash of a key. A service's own name is such a text.
pub fn known(hash: &KeyHash, service: &str) -> Option<String> {
    let is_hashed = |text: &str| ENDS.iter().find(|end| *hash == sha256(format!("{text}{end}").as_bytes()));
    match is_hashed("") {
        Some(&"") => return Some("the empty text".to_owned()),
        Some(&" ") => return Some("a space".to_owned()),
        Some(_) => return Some("a line end".to_owned()),
        None => {}
    }
    let words = WORDS.iter().map(|word| (*word, format!("'{word}'")));
    let mut texts = std::iter::once((service, "the service's own name".to_owned())).chain(words);
    let (end, text) = texts
        .find_map(|(text, shown)| Some((cases(text).into_iter().find_map(|it| is_hashed(&it))?, shown)))?;
    Some(match *end {
        "" => text,
        " " => format!("{text} and a space"),
        _ => format!("{text} and a line end"),
    })
}

/// The text as it is, in small letters, in capitals, and with one capital in front.
fn cases(text: &str) -> [String; 4] {
    let small = text.to_ascii_lowercase();
    let (first, rest) = small.split_at(usize::from(small.is_char_boundary(1) && !small.is_empty()));
    let title = format!("{}{rest}", first.to_ascii_uppercase());
    [text.to_owned(), small, text.to_ascii_uppercase(), title]
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
            ("CHANGEME", "'changeme'"),
            ("Secret", "'secret'"),
            ("test\r", "'test' and a line end"),
            ("token ", "'token' and a space"),
            (" ", "a space"),
            ("shop", "the service's own name"),
            ("Shop", "the service's own name"),
            ("shop\r\n", "the service's own name and a line end"),
        ] {
            assert_eq!(known(&sha256(text.as_bytes()), "shop").as_deref(), Some(said));
        }
        assert_eq!(known(&sha256(b"shop"), "web"), None);
        assert_eq!(known(&sha256(b"secret of our own"), "web"), None);
    }
}
