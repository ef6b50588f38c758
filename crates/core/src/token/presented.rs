//! The claims of a token as they are read, strictly.

use std::borrow::Cow;

use serde::Deserialize;

/// Any of our tokens as it is read: wrong types, missing members and duplicates are errors, which the
/// JWT library alone would let through.
#[derive(Deserialize)]
pub(super) struct Presented<'a> {
    #[serde(borrow)]
    pub iss: Cow<'a, str>,
    #[serde(borrow)]
    pub sub: Cow<'a, str>,
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
    pub kind: Cow<'a, str>,
    #[serde(default, deserialize_with = "present")]
    pub scope: Option<String>,
}

/// A member that may be absent, but not `null`.
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}
