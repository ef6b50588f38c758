//! A verifier of an API node: its source of keys, its source of revocation events, and its rules for a stale feed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use token_gateway_core::checker::{Checker, Keys, Rules};
use token_gateway_core::clock::Timestamp;
use token_gateway_core::feed::{Denylist, timing};
use token_gateway_core::token::{Parts, Secret, TokenRefusal, Typ, VerifyingKey, find_access_key};
use tokio::task::JoinHandle;

use crate::jwks::Jwks;
use crate::{AccessRefusal, BuildError, Feed, Outcome, Unknown, server_url};

/// Checks access tokens in process. Cheap to clone; its background tasks end with the last clone.
#[derive(Clone)]
pub struct Verifier(Arc<VerifierState>);

struct VerifierState {
    checker: Arc<Checker>,
    denylist: Arc<Denylist>,
    /// `None` when the key is a secret.
    jwks: Option<Arc<Jwks>>,
    tasks: Vec<JoinHandle<()>>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("stale", &self.stale()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Drop for VerifierState {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// The parts of a verifier.
pub struct Builder {
    rules: Rules,
    keys: Option<KeySource>,
    feed: Option<Feed>,
    retention: Duration,
}

enum KeySource {
    Jwks(Url),
    Secret(Secret),
}

impl Verifier {
    /// `issuer` is the gateway's `ISSUER`, byte for byte; `audience` is the name of this API.
    pub fn builder(issuer: impl Into<String>, audience: impl Into<String>) -> Builder {
        let rules = Rules {
            issuer: issuer.into(),
            audiences: vec![audience.into()],
            takes_typ_jwt: false,
            max_stale: timing::STALE_AFTER,
            goes_on_when_stale: false,
        };
        Builder { rules, keys: None, feed: None, retention: timing::DEFAULT_RETENTION }
    }

    /// Checks a token now. Waits in two cases only:
    ///
    /// - The token names an unknown key. The wait is for at most one answer of the key server.
    /// - The verifier has just started. The wait is for keys and feed.
    pub async fn verify(&self, token: &str) -> Outcome {
        let has_not_started = || self.stale().is_none() || !self.has_keys();
        match self.check(token) {
            Outcome::Refused(AccessRefusal::Token(TokenRefusal::UnknownKey)) => self.look_again().await,
            Outcome::Unknown(_) if has_not_started() => {
                self.look_again().await;
                self.0.denylist.read_first().await;
            }
            decided => return decided,
        }
        self.check(token)
    }

    /// The same check from memory, without waiting: a key not known yet counts as unknown.
    pub fn check(&self, token: &str) -> Outcome {
        if !self.has_keys() {
            return Outcome::Unknown(Unknown::KeysUnfetched);
        }
        match self.0.checker.check(token, |_| Timestamp::from_system_clock()) {
            Outcome::Refused(AccessRefusal::Token(TokenRefusal::UnknownKey)) if self.may_lack_keys() => {
                Outcome::Unknown(Unknown::KeysUnfetched)
            }
            decided => decided,
        }
    }

    /// Whether the last fetch of the keys has failed.
    fn may_lack_keys(&self) -> bool {
        self.0.jwks.as_ref().is_some_and(|jwks| jwks.has_failed())
    }

    fn has_keys(&self) -> bool {
        self.0.jwks.as_ref().is_none_or(|jwks| jwks.is_known())
    }

    async fn look_again(&self) {
        if let Some(jwks) = &self.0.jwks {
            jwks.look_again().await;
        }
    }

    /// The feed's lag; `None` until the first snapshot is read.
    pub fn stale(&self) -> Option<Duration> {
        self.0.denylist.stale()
    }

    /// Whether the feed's lag is beyond the limit. `/readyz` of an API node should report it.
    pub fn is_stale(&self) -> bool {
        self.0.checker.is_stale()
    }
}

impl Builder {
    /// The gateway's published keys: `/.well-known/jwks.json`.
    ///
    /// # Errors
    ///
    /// When the URL is not an http(s) URL, or holds a user or a password.
    pub fn jwks(mut self, url: &str) -> Result<Self, BuildError> {
        self.keys = Some(KeySource::Jwks(server_url::parse("the URL of the JWK Set", url)?));
        Ok(self)
    }

    /// The gateway's `SIGNING_SECRET`; line ends at its end are no part of it. Prefer published keys: a holder of the secret
    /// can mint access tokens.
    ///
    /// # Errors
    ///
    /// When it is shorter than 32 bytes, or not base64 after `base64:`.
    pub fn secret(mut self, secret: &str) -> Result<Self, BuildError> {
        let secret = Secret::parse(secret).map_err(|error| BuildError(format!("the secret {error}")))?;
        self.keys = Some(KeySource::Secret(secret));
        Ok(self)
    }

    /// Accepts tokens of this audience, too.
    pub fn also_for(mut self, audience: impl Into<String>) -> Self {
        self.rules.audiences.push(audience.into());
        self
    }

    /// Accepts `typ: JWT`, too. For an audience listed in the gateway's `TYP_JWT_AUDIENCES`.
    pub fn typ_jwt(mut self) -> Self {
        self.rules.takes_typ_jwt = true;
        self
    }

    /// The source of revocation events.
    pub fn feed(mut self, feed: Feed) -> Self {
        self.feed = Some(feed);
        self
    }

    /// How long the denylist keeps an entry: the gateway's `ACCESS_TTL_SECONDS` plus a quarter of an hour. The default
    /// is 30 minutes; the least is one minute. For a token with a longer lifetime the outcome is [`Unknown::OutlivesDenylist`], because the
    /// denylist may have dropped its session already. [`accept_when_stale`](Self::accept_when_stale) accepts such
    /// tokens.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// The largest lag before the feed is stale: 10 seconds by default.
    pub fn max_stale(mut self, max_stale: Duration) -> Self {
        self.rules.max_stale = max_stale;
        self
    }

    /// Accepts tokens while the feed is stale, or not read yet: a logout may then go unnoticed until the token expires.
    pub fn accept_when_stale(mut self) -> Self {
        self.rules.goes_on_when_stale = true;
        self
    }

    /// Begins to fetch keys and to read the feed, on the current tokio runtime. Never waits for either.
    ///
    /// # Errors
    ///
    /// When keys or feed are missing, the retention is too short, or the HTTP client cannot be built.
    pub fn start(self) -> Result<Verifier, BuildError> {
        let invalid = |what: &str| BuildError(what.to_owned());
        let source = self.keys.ok_or_else(|| invalid("keys: are missing; call jwks or secret"))?;
        let feed = self.feed.ok_or_else(|| invalid("feed: is missing; call feed"))?;
        if self.retention < timing::LEAST_RETENTION {
            return Err(invalid("retention: must be at least 60 seconds"));
        }
        let client = Client::builder().redirect(Policy::none()).build();
        let client = client.map_err(|error| BuildError(format!("HTTP: {error}")))?;
        let denylist = Arc::new(Denylist::new(self.retention));
        let (jwks, keys): (_, Arc<dyn Keys>) = match source {
            KeySource::Jwks(url) => {
                let jwks = Arc::new(Jwks::new(url, client.clone()));
                (Some(jwks.clone()), jwks)
            }
            KeySource::Secret(secret) => {
                (None, Arc::new(Fixed(Arc::new(VerifyingKey::from_secret(&secret)))))
            }
        };
        let mut tasks = vec![tokio::spawn(feed.subscribe(client, denylist.clone()))];
        tasks.extend(jwks.clone().map(|jwks| tokio::spawn(jwks.keep())));
        let checker = Arc::new(Checker::new(keys, self.rules, denylist.clone()));
        tasks.push(tokio::spawn({
            let checker = checker.clone();
            async move { checker.drop_ended().await }
        }));
        Ok(Verifier(Arc::new(VerifierState { checker, denylist, jwks, tasks })))
    }
}

/// A constant secret.
struct Fixed(Arc<VerifyingKey>);

impl Keys for Fixed {
    fn find(&self, parts: &Parts<'_>) -> Result<(Arc<VerifyingKey>, Typ), TokenRefusal> {
        let (key, typ) = find_access_key(std::iter::once(&self.0), parts)?;
        Ok((key.clone(), typ))
    }
}
