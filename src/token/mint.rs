//! Minting: a pair of tokens out of a session's record. The same record mints the same claims.

use std::time::Duration;

use token_gateway_core::clock::Timestamp;
use token_gateway_core::session::{Jti, Subject};
use token_gateway_core::token::Typ;

use super::Tokens;
use super::payload::{CorruptClaims, Payload};

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

impl Tokens {
    pub fn mint(&self, grant: &Grant<'_>) -> Result<Pair, CorruptClaims> {
        let (access_token, expires_in) = self.mint_access(grant)?;
        let (refresh_token, refresh_expires_in) = self.mint_refresh(grant);
        Ok(Pair { access_token, refresh_token, expires_in, refresh_expires_in })
    }

    /// The claims of RFC 9068 section 2.2, then the session's own, at top level.
    fn mint_access(&self, grant: &Grant<'_>) -> Result<(String, u64), CorruptClaims> {
        let issued_at = self.told_at(grant);
        let (iat, exp) = lifetime(issued_at, self.settings.access_ttl, grant.absolute_expires_at);
        let payload = Payload::new(&self.access_beginning)
            .member("sub", grant.subject)
            .member("aud", grant.audience)
            .member("exp", exp)
            .member("iat", iat)
            .id("jti", &[grant.jti.as_str(), ".", &iat.to_string()])
            .id("sid", &[grant.jti.session().as_str()])
            .member("client_id", grant.client_id)
            .optional("scope", grant.narrowed.or(grant.scope))
            .claims(grant.claims)?;
        let keys = self.keys();
        let signer = keys.access_signer(grant.now.seconds());
        Ok((signer.seal(self.typ(grant.audience), &payload.finish()), exp - iat))
    }

    /// `scope` is the granted scope of the session, so the gateway can refuse a request for more without asking the
    /// store.
    fn mint_refresh(&self, grant: &Grant<'_>) -> (String, u64) {
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
        let keys = self.keys();
        let signer = keys.refresh_signer(grant.now.seconds());
        (signer.seal(Typ::RtJwt, &payload.finish()), exp.saturating_sub(self.told_at(grant).seconds()))
    }

    /// The start of the lifetimes told to the client: the rotation, or now if the replay is stale.
    fn told_at(&self, grant: &Grant<'_>) -> Timestamp {
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
