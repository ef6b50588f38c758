//! An access token, after its signature was checked, and the one decision whether it is acceptable.

use std::time::Duration;

use super::claims::{Claims, Validity};
use super::header::Typ;
use super::refusal::TokenRefusal;
use crate::clock::Timestamp;
use crate::session::{SessionId, Subject};

/// A set of audiences.
#[derive(Debug, Clone, Copy)]
pub enum Audiences<'a> {
    /// Every audience.
    Any,
    /// The audiences of a list.
    Only(&'a [String]),
}

impl Audiences<'_> {
    fn contains(self, audience: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(list) => list.iter().any(|listed| listed == audience),
        }
    }
}

/// The access tokens that a place accepts.
#[derive(Debug, Clone, Copy)]
pub struct Acceptance<'a> {
    /// The expected `iss`, byte for byte.
    pub issuer: &'a str,
    /// The accepted values of `aud`. The issuer is never accepted, because it is the audience of refresh tokens.
    pub audiences: Audiences<'a>,
    /// The audiences for which `typ: JWT` is accepted beside `at+jwt`.
    pub typ_jwt: Audiences<'a>,
}

impl Acceptance<'_> {
    fn check(&self, typ: Typ, audience: &str) -> Result<(), TokenRefusal> {
        if typ != Typ::AtJwt && !self.typ_jwt.contains(audience) {
            return Err(TokenRefusal::WrongKind);
        }
        if !self.audiences.contains(audience) {
            return Err(TokenRefusal::Foreign);
        }
        if audience.is_empty() || audience == self.issuer { Err(TokenRefusal::Foreign) } else { Ok(()) }
    }
}

/// An access token whose signature and claims hold.
#[derive(Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// `sub`
    pub subject: Subject,
    /// `sid`
    pub session: SessionId,
    /// `client_id` (RFC 9068 section 2.2)
    pub client_id: String,
    /// `scope`, as it stands (RFC 6749 section 3.3).
    pub scope: Option<String>,
    validity: Validity,
}

impl AccessToken {
    /// The claim `type`.
    pub const TYPE: &str = "access";

    /// Decides whether an access token is acceptable, by its `typ`, `type`, issuer and audience. The signature of the
    /// payload must hold already. [`live_at`](Self::live_at) checks the times.
    ///
    /// # Errors
    ///
    /// Why the token is not trusted.
    pub fn accept(typ: Typ, payload: &[u8], acceptance: &Acceptance<'_>) -> Result<Self, TokenRefusal> {
        let claims = Claims::read(payload, Self::TYPE, acceptance.issuer)?;
        acceptance.check(typ, &claims.aud)?;
        let not_before = claims.nbf.unwrap_or(0).max(claims.iat);
        Ok(Self {
            subject: claims.subject()?,
            session: claims.sid.parse().map_err(|_| TokenRefusal::Malformed)?,
            client_id: claims.client_id.into_owned(),
            scope: claims.scope,
            validity: Validity { not_before, expires_at: claims.exp },
        })
    }

    /// The token, where it is valid at `now`.
    ///
    /// # Errors
    ///
    /// [`TokenRefusal::Expired`] or [`TokenRefusal::NotYetValid`].
    pub fn live_at(self, now: Timestamp) -> Result<Self, TokenRefusal> {
        self.check_live_at(now).map(|()| self)
    }

    /// Whether it is valid at `now`.
    ///
    /// # Errors
    ///
    /// [`TokenRefusal::Expired`] or [`TokenRefusal::NotYetValid`].
    pub fn check_live_at(&self, now: Timestamp) -> Result<(), TokenRefusal> {
        self.validity.check(now)
    }

    /// From the later of `iat` and `nbf` to `exp`.
    pub fn lifetime(&self) -> Duration {
        self.validity.lifetime()
    }

    /// `exp`, in seconds since the epoch.
    pub fn expires_at(&self) -> u64 {
        self.validity.expires_at
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://auth.example";

    fn decide(
        typ: Typ,
        audience: &str,
        audiences: Audiences<'_>,
        typ_jwt: Audiences<'_>,
    ) -> Option<TokenRefusal> {
        let claims = json!({
            "iss": ISSUER, "type": "access", "sub": "alice", "aud": audience, "iat": 1, "exp": 2, "jti": "any",
            "sid": SessionId::random(), "client_id": "app",
        });
        let acceptance = Acceptance { issuer: ISSUER, audiences, typ_jwt };
        AccessToken::accept(typ, claims.to_string().as_bytes(), &acceptance).err()
    }

    #[test]
    fn only_listed_audiences_are_accepted_and_never_the_issuer() {
        let (none, own) = (Audiences::Only(&[]), ["api".to_owned(), ISSUER.to_owned()]);
        assert_eq!(decide(Typ::AtJwt, "api", Audiences::Only(&own), none), None);
        assert_eq!(decide(Typ::AtJwt, "other", Audiences::Any, none), None);
        for (audience, audiences) in [
            ("other", Audiences::Only(&own)),
            (ISSUER, Audiences::Only(&own)),
            (ISSUER, Audiences::Any),
            ("", Audiences::Any),
        ] {
            assert_eq!(
                decide(Typ::AtJwt, audience, audiences, none),
                Some(TokenRefusal::Foreign),
                "{audience}"
            );
        }
    }

    #[test]
    fn typ_jwt_is_accepted_for_its_audiences_alone() {
        let legacy = ["legacy".to_owned()];
        assert_eq!(decide(Typ::Jwt, "legacy", Audiences::Any, Audiences::Only(&legacy)), None);
        assert_eq!(decide(Typ::AtJwt, "legacy", Audiences::Any, Audiences::Only(&legacy)), None);
        let refusal = decide(Typ::Jwt, "api", Audiences::Any, Audiences::Only(&legacy));
        assert_eq!(refusal, Some(TokenRefusal::WrongKind));
    }
}
