//! The claims of a token as they are read, strictly, and the time for which they hold.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;

use super::refusal::TokenRefusal;
use crate::clock::Timestamp;
use crate::session::Subject;

/// The most by which `iat` and `nbf` may lie in the future, because clocks differ. For `exp` there is no leeway.
const CLOCK_LEEWAY: Duration = Duration::from_secs(10);

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
        // As text, so the reader need not look for broken UTF-8 in each string.
        let payload = std::str::from_utf8(payload).map_err(|_| TokenRefusal::Malformed)?;
        let claims: Self = serde_json::from_str(payload).map_err(|_| TokenRefusal::Malformed)?;
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

/// The time for which a token is valid: both ends, in seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    pub not_before: u64,
    pub expires_at: u64,
}

impl Validity {
    pub fn check(self, now: Timestamp) -> Result<(), TokenRefusal> {
        if now.seconds() >= self.expires_at {
            Err(TokenRefusal::Expired)
        } else if self.not_before > now.plus(CLOCK_LEEWAY).seconds() {
            Err(TokenRefusal::NotYetValid)
        } else {
            Ok(())
        }
    }

    pub fn lifetime(self) -> Duration {
        Duration::from_secs(self.expires_at.saturating_sub(self.not_before))
    }
}
