//! The claims of the login service for one session, as stored and as signed.

use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};
use serde_json::{Map, Value};

/// Names that a session's own claims must not use: only the gateway sets them.
pub const RESERVED_CLAIMS: [&str; 13] =
    ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "gen", "type", "client_id", "scope", "cnf"];

/// Largest size of a session's claims, as stored, in bytes.
pub const MAX_CLAIMS_LEN: usize = 2048;

/// Deepest nesting of a session's claims; the claims object itself is level 1.
pub const MAX_CLAIMS_DEPTH: usize = 8;

/// The claims of a login service for one session, as stored and as signed: a JSON object in printable
/// ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionClaims(String);

/// Why a JSON object cannot be the claims of a session.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidClaims {
    #[error("'{0}' is reserved; the gateway sets it")]
    Reserved(&'static str),
    #[error("may take at most {MAX_CLAIMS_LEN} bytes of JSON, not {0}")]
    TooLarge(usize),
    #[error("may be nested at most {MAX_CLAIMS_DEPTH} levels deep")]
    TooDeep,
}

impl SessionClaims {
    pub fn new(claims: &Map<String, Value>) -> Result<Self, InvalidClaims> {
        if let Some(name) = RESERVED_CLAIMS.into_iter().find(|name| claims.contains_key(*name)) {
            return Err(InvalidClaims::Reserved(name));
        }
        if claims.values().any(|value| depth(value) >= MAX_CLAIMS_DEPTH) {
            return Err(InvalidClaims::TooDeep);
        }
        let text = to_ascii_json(claims);
        if text.len() > MAX_CLAIMS_LEN { Err(InvalidClaims::TooLarge(text.len())) } else { Ok(Self(text)) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for SessionClaims {
    fn default() -> Self {
        Self("{}".to_owned())
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Compact JSON with every character outside printable ASCII escaped: `redis-cli HGETALL` prints exactly the stored
/// text.
pub fn to_ascii_json(value: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, AsciiFormatter);
    value.serialize(&mut serializer).expect("maps with string keys serialize into memory");
    String::from_utf8(bytes).expect("the formatter writes ASCII")
}

struct AsciiFormatter;

impl Formatter for AsciiFormatter {
    fn write_string_fragment<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> std::io::Result<()> {
        let mut units = [0; 2];
        for character in fragment.chars() {
            if matches!(character, ' '..='~') {
                writer.write_all(&[character as u8])?;
            } else {
                for unit in character.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> std::io::Result<()> {
        CompactFormatter.write_char_escape(writer, escape)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Result<SessionClaims, InvalidClaims> {
        SessionClaims::new(value.as_object().unwrap())
    }

    #[test]
    fn claims_are_stored_as_printable_ascii_and_mean_the_same() {
        let value = json!({"name": "Zoë 🦊\u{7f}\n\"", "roles": ["a"]});
        let stored = claims(value.clone()).unwrap();
        assert!(stored.as_str().bytes().all(|b| (b' '..=b'~').contains(&b)), "{stored:?}");
        assert_eq!(serde_json::from_str::<Value>(stored.as_str()).unwrap(), value);
    }

    #[test]
    fn a_number_is_stored_to_its_last_digit() {
        let sent = r#"{"n":0.1073709551613709551615,"m":1.8446744073709552e19,"z":-0.0}"#;
        let stored = claims(serde_json::from_str(sent).unwrap()).unwrap();
        assert_eq!(stored.as_str(), r#"{"m":1.8446744073709552e+19,"n":0.10737095516137095,"z":-0.0}"#);
    }

    #[test]
    fn every_reserved_name_is_refused_by_name() {
        for name in RESERVED_CLAIMS {
            assert_eq!(claims(json!({ name: 1 })), Err(InvalidClaims::Reserved(name)));
        }
    }

    #[test]
    fn size_and_depth_are_limited_exactly() {
        let wrapped = |len: usize| json!({ "k": "x".repeat(len - r#"{"k":""}"#.len()) });
        assert!(claims(wrapped(2048)).is_ok());
        assert_eq!(claims(wrapped(2049)), Err(InvalidClaims::TooLarge(2049)));
        let nested = |levels: usize| {
            let inner = (0..levels - 1).fold(json!(1), |value, _| json!([value]));
            json!({ "k": inner })
        };
        assert!(claims(nested(8)).is_ok());
        assert_eq!(claims(nested(9)), Err(InvalidClaims::TooDeep));
    }
}
