//! Minting: a pair of tokens out of a session's record. The same record mints the same claims.
//!
//! Each kind of token begins with constant members, written once, at start-up. The names of the others are ours and
//! need no escape; a derived serializer would look for one in each name.

use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use base64_simd::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::IgnoredAny;
use token_gateway_core::clock::Timestamp;
use token_gateway_core::session::{Jti, Subject};
use token_gateway_core::token::{AccessToken, RefreshToken, Typ};

use super::keyring::Keyring;

/// Beyond this age, a replay of the refresh mints the access token anew. `expires_in` counts from the `iat`, so the
/// client would overestimate the rest of an older token's life by more than this.
const REPLAYABLE_AGE: Duration = Duration::from_secs(60);

/// The input for a pair of tokens.
#[derive(Debug)]
pub struct Grant<'a> {
    pub subject: &'a Subject,
    pub jti: &'a Jti,
    pub generation: u64,
    pub issued_at: Timestamp,
    /// The store's time now: later than `issued_at` when a refresh is replayed.
    pub now: Timestamp,
    pub absolute_expires_at: Option<Timestamp>,
    pub client_id: &'a str,
    pub audience: &'a str,
    /// The granted scope of the session.
    pub scope: Option<&'a str>,
    /// The narrower scope of this access token, if the client asked for one (RFC 6749 section 6).
    pub narrowed: Option<&'a str>,
    /// The session's claims as stored: a JSON object.
    pub claims: &'a str,
}

/// An access token and a refresh token. It has no `Debug`, because both are secrets.
pub struct Pair {
    pub access_token: String,
    pub refresh_token: String,
    /// Seconds.
    pub expires_in: u64,
    /// Seconds.
    pub refresh_expires_in: u64,
}

/// Settings of the gateway's tokens, without keys.
#[derive(Debug, Clone)]
pub struct TokenSettings {
    /// `iss` of every token, and `aud` of refresh tokens.
    pub issuer: String,
    pub access_ttl: Duration,
    pub refresh_ttl: Duration,
    /// Audiences whose verifiers want `typ: JWT` instead of `at+jwt`.
    pub jwt_audiences: Vec<String>,
}

/// Mints by these settings, with the keys it is given.
pub(super) struct Minter {
    pub settings: TokenSettings,
    access_beginning: Beginning,
    refresh_beginning: Beginning,
}

impl Minter {
    pub fn new(settings: &TokenSettings) -> Self {
        Self {
            settings: settings.clone(),
            access_beginning: Beginning::new(&settings.issuer, AccessToken::TYPE),
            refresh_beginning: Beginning::new(&settings.issuer, RefreshToken::TYPE),
        }
    }

    pub fn mint(&self, keys: &Keyring, grant: &Grant<'_>) -> Result<Pair, CorruptClaims> {
        let (access_token, expires_in) = self.mint_access(keys, grant)?;
        let (refresh_token, refresh_expires_in) = self.mint_refresh(keys, grant);
        Ok(Pair { access_token, refresh_token, expires_in, refresh_expires_in })
    }

    /// The `typ` of access tokens for this audience.
    fn typ(&self, audience: &str) -> Typ {
        let is_listed = self.settings.jwt_audiences.iter().any(|listed| listed == audience);
        if is_listed { Typ::Jwt } else { Typ::AtJwt }
    }

    /// The claims of RFC 9068 section 2.2, then the session's own, at top level. The `jti` comes last, because it names all
    /// the others.
    fn mint_access(&self, keys: &Keyring, grant: &Grant<'_>) -> Result<(String, u64), CorruptClaims> {
        let issued_at = self.lifetimes_from(grant);
        let (iat, exp) = lifetime(issued_at, self.settings.access_ttl, grant.absolute_expires_at);
        let payload = Payload::new(&self.access_beginning)
            .member("sub", grant.subject)
            .member("aud", grant.audience)
            .member("exp", exp)
            .member("iat", iat)
            .id("sid", &[grant.jti.session().as_str()])
            .member("client_id", grant.client_id)
            .optional("scope", grant.narrowed.or(grant.scope))
            .claims(grant.claims)?;
        let typ = self.typ(grant.audience);
        let name = payload.name(typ);
        let payload = payload.id("jti", &[grant.jti.as_str(), ".", &name]);
        let signer = keys.access_signer(grant.now.seconds());
        Ok((signer.seal(typ, &payload.finish()), exp - iat))
    }

    /// `scope` is the granted scope of the session, so the gateway can refuse a request for more without asking the
    /// store.
    fn mint_refresh(&self, keys: &Keyring, grant: &Grant<'_>) -> (String, u64) {
        let (iat, exp) = lifetime(grant.issued_at, self.settings.refresh_ttl, grant.absolute_expires_at);
        let payload = Payload::new(&self.refresh_beginning)
            .member("sub", grant.subject)
            .member("aud", &self.settings.issuer)
            .member("exp", exp)
            .member("iat", iat)
            .id("jti", &[grant.jti.as_str()])
            .id("sid", &[grant.jti.session().as_str()])
            .member("gen", grant.generation)
            .member("client_id", grant.client_id)
            .optional("scope", grant.scope);
        let signer = keys.refresh_signer(grant.now.seconds());
        (signer.seal(Typ::RtJwt, &payload.finish()), exp.saturating_sub(self.lifetimes_from(grant).seconds()))
    }

    /// The start of the lifetimes in the answer: the rotation, or now for a late replay.
    fn lifetimes_from(&self, grant: &Grant<'_>) -> Timestamp {
        let limit = grant.issued_at.plus(REPLAYABLE_AGE.min(self.settings.access_ttl / 2));
        if grant.now < limit { grant.issued_at } else { grant.now }
    }
}

/// `iat` and `exp`. No token outlives the session's absolute lifetime.
fn lifetime(issued_at: Timestamp, ttl: Duration, absolute: Option<Timestamp>) -> (u64, u64) {
    let iat = issued_at.seconds();
    let exp = iat + ttl.as_secs();
    let exp = absolute.map_or(exp, |end| exp.min(end.seconds()).max(iat));
    (iat, exp)
}

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
struct Payload(Vec<u8>);

/// The stored claims are no JSON object: somebody has changed the record by hand.
#[derive(Debug, thiserror::Error)]
#[error("the session's stored claims are not a JSON object")]
pub struct CorruptClaims;

impl Payload {
    fn new(beginning: &Beginning) -> Self {
        let mut json = Vec::with_capacity(512);
        json.extend_from_slice(&beginning.0);
        Self(json)
    }

    fn member(mut self, name: &'static str, value: impl Serialize) -> Self {
        self.0.push(b',');
        write_member(&mut self.0, name, &value);
        self
    }

    /// A member with a value of our own ids: nothing in these needs an escape.
    fn id(mut self, name: &'static str, parts: &[&str]) -> Self {
        self.0.push(b',');
        write_name(&mut self.0, name);
        self.0.push(b'"');
        parts.iter().for_each(|part| self.0.extend_from_slice(part.as_bytes()));
        self.0.push(b'"');
        self
    }

    fn optional(self, name: &'static str, value: Option<impl Serialize>) -> Self {
        match value {
            Some(value) => self.member(name, value),
            None => self,
        }
    }

    /// The members of a session's claims, as stored. Reserved names were refused before they could be stored.
    fn claims(mut self, stored: &str) -> Result<Self, CorruptClaims> {
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

    /// A name for this content: 128 bits of SHA-256 over the `typ` and the members so far. The same content has the same
    /// name on every node, so a replay is the same token.
    fn name(&self, typ: Typ) -> String {
        let mut content = Context::new(&SHA256);
        content.update(typ.as_str().as_bytes());
        content.update(&self.0);
        URL_SAFE_NO_PAD.encode_to_string(&content.finish().as_ref()[..16])
    }

    fn finish(mut self) -> Vec<u8> {
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
        assert_eq!(read(payload().claims(r#"{"a":{"b":[1]}}"#).unwrap())["a"], json!({"b": [1]}));
        for empty in ["{}", "{ }"] {
            assert_eq!(read(payload().claims(empty).unwrap()).as_object().unwrap().len(), 2);
        }
        for broken in ["", "{", "{ }x", "[1]", r#"{"a":1"#, r#"{"a":1},{"b":2}"#, r#"{"a"}"#] {
            assert!(payload().claims(broken).is_err(), "{broken}");
        }
    }
}
