//! The device of a session, as a service describes it.
//!
//! A description decides nothing, so it never refuses a login. The address is taken out of the forms in which proxies
//! and frameworks hand it on, and is left out where there is none. A text is cut at the end of a character, also where
//! its sender had cut it inside one. Only a wrong JSON type is refused, and a member that no description has.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Deserialize as Derived, Serialize};
use token_gateway_core::ascii_json::to_ascii_json;
use utoipa::ToSchema;

use super::bare_address::bare_address;

/// The user agent is cut at this many bytes.
const MAX_USER_AGENT_LEN: usize = 256;

/// The label is cut at this many bytes.
const MAX_LABEL_LEN: usize = 255;

/// Longest text with its escapes. Only control characters reach it. The stored description then stays below the 2,048
/// bytes of `hash-max-listpack-value`: beyond these, Redis turns the whole record into a table.
const MAX_ESCAPED_LEN: usize = 960;

/// The device, as a service saw it: at the login, or at a refresh. It describes, and decides nothing.
#[derive(Derived, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// An IPv4 or IPv6 address. A port, brackets, quotes and a zone are taken off. Anything else, such as `unknown` or a
    /// list, is left out.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "address")]
    #[schema(value_type = Option<String>, example = "192.0.2.1")]
    ip: Option<IpAddr>,
    /// Cut at 256 bytes, between characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    user_agent: Option<Text<MAX_USER_AGENT_LEN>>,
    /// Cut at 255 bytes, between characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    label: Option<Text<MAX_LABEL_LEN>>,
}

impl Client {
    /// The description as stored: JSON in printable ASCII, or nothing.
    pub fn stored(&self) -> String {
        let stored = to_ascii_json(self);
        if stored == "{}" { String::new() } else { stored }
    }
}

/// A text of at most so many bytes, and of as many as its stored form may have.
#[derive(Serialize)]
#[serde(transparent)]
struct Text<const MAX_LEN: usize>(String);

impl<'de, const MAX_LEN: usize> Deserialize<'de> for Text<MAX_LEN> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = Sent::deserialize(deserializer)?.0;
        // A form's reader has put U+FFFD in the place of a broken character already.
        text.truncate(text.trim_end_matches(char::REPLACEMENT_CHARACTER).len());
        text.truncate(text.floor_char_boundary(MAX_LEN));
        while to_ascii_json(&text).len() > MAX_ESCAPED_LEN {
            text.pop();
        }
        Ok(Self(text))
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
    Ok(Option::<Sent>::deserialize(deserializer)?.and_then(|sent| bare_address(&sent.0)))
}

/// A JSON string whose sender may have cut it inside a character: in the bytes of its UTF-8, or between the halves of an
/// escaped surrogate pair.
struct Sent(String);

impl<'de> Deserialize<'de> for Sent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Sent;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Sent, E> {
                Ok(Sent(whole_characters(bytes).into_owned()))
            }
        }

        // serde_json refuses broken characters in a `str`, and hands them on in bytes.
        deserializer.deserialize_bytes(Bytes)
    }
}

/// The text without a broken character at its end. U+FFFD stands for those before.
fn whole_characters(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.into();
    }
    let mut text = String::with_capacity(bytes.len());
    let mut is_broken = false;
    for chunk in bytes.utf8_chunks() {
        if is_broken && !chunk.valid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        text.push_str(chunk.valid());
        is_broken = !chunk.invalid().is_empty();
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_slice, from_str};

    use super::*;

    fn stored(client: &[u8]) -> Value {
        let stored = from_slice::<Client>(client).expect("a description").stored();
        assert!(stored.len() <= 2048 && stored.bytes().all(|b| (b' '..=b'~').contains(&b)), "{stored}");
        from_str(&stored).unwrap_or_default()
    }

    #[test]
    fn a_text_is_cut_at_the_end_of_a_character_wherever_its_sender_cut_it() {
        for (sent, kept) in [
            (&br#""a\ud83d""#[..], "a"),
            (br#""a\ud83d\ude00""#, "a\u{1f600}"),
            (br#""a\ud83d\n""#, "a\u{fffd}\n"),
            (br#""a\ude00b""#, "a\u{fffd}b"),
            (b"\"a\xe2\x82\"", "a"),
            (b"\"a\xe2\x82 b\xeb\"", "a\u{fffd} b"),
            (b"\"\xf0\x9f\"", ""),
            ("\"a\u{fffd}b\u{fffd}\"".as_bytes(), "a\u{fffd}b"),
        ] {
            let client = [br#"{"user_agent":"#, sent, b"}"].concat();
            assert_eq!(stored(&client)["user_agent"], kept, "{}", client.escape_ascii());
        }
    }

    #[test]
    fn every_description_stays_small_in_printable_ascii() {
        let long = |character: &str| [character].repeat(300).concat();
        for character in
            ["\\u0000", "\u{7f}", "\\n", "\\\"", "\u{2028}", "\u{85}", "\u{1f98a}", "\\ud83d", "x"]
        {
            let text = long(character);
            let client = format!(r#"{{"ip":"2001:db8:1:2:3:4:5:6","user_agent":"{text}","label":"{text}"}}"#);
            let stored = stored(client.as_bytes());
            assert!(stored["label"].as_str().is_some_and(|label| label.len() <= 255), "{stored}");
        }
        assert_eq!(
            stored(format!(r#"{{"label":"{}"}}"#, "\u{4e2d}".repeat(86)).as_bytes())["label"],
            "\u{4e2d}".repeat(85)
        );
    }
}
