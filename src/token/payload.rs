//! The payload of a token, written member by member.
//!
//! Each kind of token begins with constant members, written once, at start-up. The names of the others are ours and
//! need no escape; a derived serializer would look for one in each name.

use aws_lc_rs::digest::{Context, SHA256};
use base64_simd::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::IgnoredAny;
use token_gateway_core::token::Typ;

/// The common first members of the gateway's own in all tokens of one kind.
pub struct Beginning(Vec<u8>);

impl Beginning {
    pub fn new(iss: &str, kind: &'static str) -> Self {
        let mut json = Vec::new();
        write_member(&mut json, "iss", &iss);
        json.push(b',');
        write_member(&mut json, "type", &kind);
        Self(json)
    }
}

/// A JSON object in the making.
pub struct Payload(Vec<u8>);

/// The stored claims are no JSON object: somebody has changed the record by hand.
#[derive(Debug, thiserror::Error)]
#[error("the session's stored claims are not a JSON object")]
pub struct CorruptClaims;

impl Payload {
    pub fn new(beginning: &Beginning) -> Self {
        let mut json = Vec::with_capacity(512);
        json.push(b'{');
        json.extend_from_slice(&beginning.0);
        Self(json)
    }

    /// The same behind the members of a session's claims, as stored. Reserved names are refused before they can be stored; a
    /// record of a build before 0.1.0 may have one until its claims are replaced.
    pub fn behind(stored: &str, beginning: &Beginning) -> Result<Self, CorruptClaims> {
        let members =
            stored.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).ok_or(CorruptClaims)?;
        if members.trim_ascii().is_empty() {
            return Ok(Self::new(beginning));
        }
        serde_json::from_str::<IgnoredAny>(stored).map_err(|_| CorruptClaims)?;
        let mut json = Vec::with_capacity(512 + members.len());
        json.push(b'{');
        json.extend_from_slice(members.as_bytes());
        json.push(b',');
        json.extend_from_slice(&beginning.0);
        Ok(Self(json))
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

    /// A name for this content: 128 bits of SHA-256 over the `typ` and the members so far. The same content has the same
    /// name on every node, so a replay is the same token.
    pub fn name(&self, typ: Typ) -> String {
        let mut content = Context::new(&SHA256);
        content.update(typ.as_str().as_bytes());
        content.update(&self.0);
        URL_SAFE_NO_PAD.encode_to_string(&content.finish().as_ref()[..16])
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

    fn beginning() -> Beginning {
        Beginning::new("https://a.example/\"x\"", "access")
    }

    fn payload() -> Payload {
        Payload::new(&beginning())
    }

    fn behind(claims: &str) -> Result<Payload, CorruptClaims> {
        Payload::behind(claims, &beginning())
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
    fn a_name_follows_from_typ_and_members() {
        let name = |typ, scope| payload().optional("scope", scope).name(typ);
        assert_eq!(name(Typ::AtJwt, Some("a")), name(Typ::AtJwt, Some("a")));
        assert_eq!(name(Typ::AtJwt, Some("a")).len(), 22);
        for other in [name(Typ::AtJwt, None), name(Typ::AtJwt, Some("b")), name(Typ::Jwt, Some("a"))] {
            assert_ne!(name(Typ::AtJwt, Some("a")), other);
        }
    }

    #[test]
    fn stored_claims_are_spliced_in_or_refused() {
        assert_eq!(read(behind(r#"{"a":{"b":[1]}}"#).unwrap())["a"], json!({"b": [1]}));
        for empty in ["{}", "{ }"] {
            assert_eq!(read(behind(empty).unwrap()).as_object().unwrap().len(), 2);
        }
        for broken in ["", "{", "{ }x", "[1]", r#"{"a":1"#, r#"{"a":1},{"b":2}"#, r#"{"a"}"#] {
            assert!(behind(broken).is_err(), "{broken}");
        }
    }

    /// The last one counts for most readers, and for those that ignore case, too.
    #[test]
    fn claims_of_the_gateway_stand_behind_those_of_the_session() {
        let payload = behind(r#"{"Sub":"x"}"#).unwrap().member("sub", "alice").id("jti", &["1"]).finish();
        let text = String::from_utf8(payload).unwrap();
        assert!(text.starts_with(r#"{"Sub":"x","iss":"#), "{text}");
        assert!(text.ends_with(r#""sub":"alice","jti":"1"}"#), "{text}");
    }
}
