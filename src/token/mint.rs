//! Minting: a pair of tokens out of a session's record. The same record mints the same claims.

use std::time::Duration;

use token_gateway_core::clock::Timestamp;
use token_gateway_core::session::{Jti, Subject};
use token_gateway_core::token::{AccessToken, RefreshToken, Typ};

use super::keyring::Keyring;
use super::payload::{Beginning, CorruptClaims, Payload};

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

    /// The session's own claims, at top level, then those of RFC 9068 section 2.2: a reader that ignores case, and believes the
    /// last of two equal names, believes ours. The `jti` comes last, because it names all the others.
    fn mint_access(&self, keys: &Keyring, grant: &Grant<'_>) -> Result<(String, u64), CorruptClaims> {
        let issued_at = self.lifetimes_from(grant);
        let (iat, exp) = lifetime(issued_at, self.settings.access_ttl, grant.absolute_expires_at);
        let payload = Payload::behind(grant.claims, &self.access_beginning)?
            .member("sub", grant.subject)
            .member("aud", grant.audience)
            .member("exp", exp)
            .member("iat", iat)
            .id("sid", &[grant.jti.session().as_str()])
            .member("client_id", grant.client_id)
            .optional("scope", grant.narrowed.or(grant.scope));
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
