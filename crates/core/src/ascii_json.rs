//! JSON in printable ASCII. Some readers take U+2028 and others for the end of a line, and would cut a text there.

use std::fmt::Write as _;

use serde::Serialize;

/// Compact JSON with every character outside printable ASCII escaped.
///
/// # Panics
///
/// When the value has no JSON: a map with keys that are no strings.
pub fn to_ascii_json(value: &impl Serialize) -> String {
    in_ascii(&serde_json::to_string(value).expect("maps with string keys serialize into memory"))
}

/// The same JSON text with every character of its strings outside printable ASCII escaped (RFC 8259 section 7). Line feeds
/// between its members stay.
pub fn in_ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let mut units = [0; 2];
    for character in json.chars() {
        if matches!(character, ' '..='~' | '\n') {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut units) {
                write!(text, "\\u{unit:04x}").expect("strings take all that is written");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_value_is_written_in_printable_ascii_and_means_the_same() {
        let value = json!({"Zoë": "🦊\u{2028}\u{2029}\u{85}\u{7f}\n\t\"\\/", "a": [1, -0.0, null]});
        let compact = to_ascii_json(&value);
        assert!(compact.bytes().all(|b| (b' '..=b'~').contains(&b)), "{compact}");
        let pretty = in_ascii(&serde_json::to_string_pretty(&value).expect("plain data"));
        assert!(pretty.is_ascii() && pretty.lines().count() > 3, "{pretty}");
        for text in [compact, pretty] {
            assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), value);
        }
        assert_eq!(to_ascii_json(&"\u{2028}🦊\u{7f}\n"), r#""\u2028\ud83e\udd8a\u007f\n""#);
    }
}
