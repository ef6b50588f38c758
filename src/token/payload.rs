//! The payload of a token, as written.
//!
//! Each kind of token begins with constant members, written once, at start-up. The names of the others are ours and
//! need no escape; a derived serializer would look for one in each name.

use serde::Serialize;
use serde::de::IgnoredAny;

/// The common first members of all tokens of one kind.
pub(super) struct Beginning(Vec<u8>);

impl Beginning {
    pub fn new(iss: &str, kind: &'static str) -> Self {
        let mut json = b"{".to_vec();
        write_member(&mut json, "iss", &iss);
        json.push(b',');
        write_member(&mut json, "type", &kind);
        Self(json)
    }
}

/// A JSON object in the making.
pub(super) struct Payload(Vec<u8>);

/// The stored claims are no JSON object: somebody has changed the record by hand.
#[derive(Debug, thiserror::Error)]
#[error("the session's stored claims are not a JSON object")]
pub struct CorruptClaims;

impl Payload {
    pub fn new(beginning: &Beginning) -> Self {
        let mut json = Vec::with_capacity(512);
        json.extend_from_slice(&beginning.0);
        Self(json)
    }

    pub fn member(mut self, name: &'static str, value: impl Serialize) -> Self {
        self.0.push(b',');
        write_member(&mut self.0, name, &value);
        self
    }

    /// A member with a value of our own ids: nothing in these needs an escape.
    pub fn id(mut self, name: &'static str, parts: &[&str]) -> Self {
        self.0.push(b',');
        write_name(&mut self.0, name);
        self.0.push(b'"');
        parts.iter().for_each(|part| self.0.extend_from_slice(part.as_bytes()));
        self.0.push(b'"');
        self
    }

    pub fn optional(self, name: &'static str, value: Option<impl Serialize>) -> Self {
        match value {
            Some(value) => self.member(name, value),
            None => self,
        }
    }

    /// The members of a session's claims, as stored. Reserved names were refused before they could be stored.
    pub fn claims(mut self, stored: &str) -> Result<Self, CorruptClaims> {
        let members =
            stored.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).ok_or(CorruptClaims)?;
        if members.trim_ascii().is_empty() {
            return Ok(self);
        }
        serde_json::from_str::<IgnoredAny>(stored).map_err(|_| CorruptClaims)?;
        self.0.push(b',');
        self.0.extend_from_slice(members.as_bytes());
        Ok(self)
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}

fn write_member(json: &mut Vec<u8>, name: &'static str, value: &impl Serialize) {
    write_name(json, name);
    serde_json::to_writer(json, value).expect("numbers and strings serialize into memory");
}

fn write_name(json: &mut Vec<u8>, name: &'static str) {
    json.push(b'"');
    json.extend_from_slice(name.as_bytes());
    json.extend_from_slice(b"\":");
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn payload() -> Payload {
        Payload::new(&Beginning::new("https://a.example/\"x\"", "access"))
    }

    fn read(payload: Payload) -> Value {
        serde_json::from_slice(&payload.finish()).expect("JSON")
    }

    #[test]
    fn members_are_escaped_and_keep_their_types() {
        let payload = payload().member("sub", "Zoë\n\"").member("exp", 7).optional("scope", Some("a"));
        let payload = payload.id("jti", &["1", ".", "2"]);
        let expected = json!({"iss": "https://a.example/\"x\"", "type": "access", "sub": "Zoë\n\"", "exp": 7, "scope": "a", "jti": "1.2"});
        assert_eq!(read(payload.optional("none", None::<&str>)), expected);
    }

    #[test]
    fn stored_claims_are_spliced_in_or_refused() {
        assert_eq!(read(payload().claims(r#"{"a":{"b":[1]}}"#).unwrap())["a"], json!({"b": [1]}));
        for empty in ["{}", "{ }"] {
            assert_eq!(read(payload().claims(empty).unwrap()).as_object().unwrap().len(), 2);
        }
        for broken in ["", "{", "{ }x", "[1]", r#"{"a":1"#, r#"{"a":1},{"b":2}"#, r#"{"a"}"#] {
            assert!(payload().claims(broken).is_err(), "{broken}");
        }
    }
}
