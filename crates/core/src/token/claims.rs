//! The claims of a token as they are read, strictly.

use std::borrow::Cow;

use serde::Deserialize;

use super::refusal::TokenRefusal;
use crate::session::Subject;

/// The claims of any of our tokens. Wrong types, missing members and duplicates are errors, which the JWT library alone
/// would let through.
#[derive(Deserialize)]
pub(super) struct Claims<'a> {
    #[serde(borrow)]
    iss: Cow<'a, str>,
    #[serde(borrow)]
    sub: Cow<'a, str>,
    #[serde(borrow)]
    pub aud: Cow<'a, str>,
    pub exp: u64,
    pub iat: u64,
    #[serde(default, deserialize_with = "present")]
    pub nbf: Option<u64>,
    #[serde(borrow)]
    pub jti: Cow<'a, str>,
    #[serde(borrow)]
    pub sid: Cow<'a, str>,
    #[serde(rename = "gen", default, deserialize_with = "present")]
    pub generation: Option<u64>,
    #[serde(borrow)]
    pub client_id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(default, deserialize_with = "present")]
    pub scope: Option<String>,
}

impl<'a> Claims<'a> {
    /// Reads the payload of a token of this `type` and issuer.
    pub fn read(payload: &'a [u8], kind: &str, issuer: &str) -> Result<Self, TokenRefusal> {
        let claims: Self = serde_json::from_slice(payload).map_err(|_| TokenRefusal::Malformed)?;
        if claims.kind != kind {
            return Err(TokenRefusal::WrongKind);
        }
        if claims.iss != issuer {
            return Err(TokenRefusal::Foreign);
        }
        Ok(claims)
    }

    pub fn subject(&self) -> Result<Subject, TokenRefusal> {
        self.sub.parse().map_err(|_| TokenRefusal::Malformed)
    }
}

/// A member that may be absent, but not `null`.
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}
