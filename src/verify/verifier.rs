//! A verifier of an API node: where its keys come from, where it hears of ended sessions, and what it does when it does not.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use token_gateway_core::clock::Timestamp;
use token_gateway_core::revocations::Revocations;
use token_gateway_core::token::verify::Rejected;
use token_gateway_core::token::verifying::{self, VerifyingKey};
use token_gateway_core::token::{Parts, Secret, Typ};
use tokio::task::JoinHandle;

use super::jwks::Jwks;
use super::{Access, Checker, Feed, Keys, Refused, Rules};

/// As long as access tokens of a gateway with default settings live, and a quarter of an hour.
const RETENTION: Duration = Duration::from_secs(1800);

/// For so long a feed may go unheard before it is stale.
const MAX_STALE: Duration = Duration::from_secs(10);

/// Why a verifier cannot be made: which part is wrong, and what would be right. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub(super) String);

/// An end is remembered at least for this.
const LEAST_RETENTION: Duration = Duration::from_secs(60);

/// Checks access tokens in process. Cheap to clone; its background tasks end with the last clone.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    checker: Arc<Checker>,
    revocations: Arc<Revocations>,
    /// Where keys come over HTTP.
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

impl Drop for Inner {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// What a verifier is made from.
pub struct Builder {
    rules: Rules,
    keys: Option<Source>,
    feed: Option<Feed>,
    retention: Duration,
}

enum Source {
    Jwks(Url),
    Secret(Secret),
}

impl Verifier {
    /// `issuer` is the gateway's `ISSUER`, to the byte; `audience` is who this API is.
    pub fn builder(issuer: impl Into<String>, audience: impl Into<String>) -> Builder {
        let rules = Rules {
            issuer: issuer.into(),
            audiences: vec![audience.into()],
            takes_typ_jwt: false,
            max_stale: MAX_STALE,
            goes_on_when_stale: false,
        };
        Builder { rules, keys: None, feed: None, retention: RETENTION }
    }

    /// What a token says that is good now. Waits only where the token names a key that is not known, at most for one answer
    /// of the server of the keys; and just after the start, for keys and feed.
    ///
    /// # Errors
    ///
    /// [`Refused::Unsure`] is no verdict (503); all others are one (401).
    pub async fn verify(&self, token: &str) -> Result<Access, Refused> {
        let has_not_started = || self.stale().is_none() || !self.has_keys();
        match self.check(token) {
            Err(Refused::Token(Rejected::UnknownKey)) => self.look_again().await,
            Err(Refused::Unsure) if has_not_started() => {
                self.look_again().await;
                self.0.revocations.read_first().await;
            }
            decided => return decided,
        }
        self.check(token)
    }

    /// The same by what is in memory, without waiting: a key that is not known yet is no key.
    ///
    /// # Errors
    ///
    /// As [`Verifier::verify`].
    pub fn check(&self, token: &str) -> Result<Access, Refused> {
        if !self.has_keys() {
            return Err(Refused::Unsure);
        }
        match self.0.checker.check(token, |_| Timestamp::from_system_clock()) {
            Err(Refused::Token(Rejected::UnknownKey)) if self.may_lack_keys() => Err(Refused::Unsure),
            decided => decided,
        }
    }

    /// Its server did not answer when it was asked last.
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

    /// For how long ends may have gone unheard; `None` as long as the feed was never read in whole.
    pub fn stale(&self) -> Option<Duration> {
        self.0.revocations.stale()
    }

    /// Whether the feed was not heard for longer than allowed: what `/readyz` of an API node should tell.
    pub fn is_stale(&self) -> bool {
        self.0.checker.is_stale()
    }
}

impl Builder {
    /// Keys that the gateway publishes: `/.well-known/jwks.json`.
    ///
    /// # Errors
    ///
    /// When the URL is none.
    pub fn jwks(mut self, url: &str) -> Result<Self, Invalid> {
        self.keys = Some(Source::Jwks(http_url("the URL of the JWK Set", url)?));
        Ok(self)
    }

    /// The gateway's `SIGNING_SECRET`. Who has it can mint access tokens; prefer published keys.
    ///
    /// # Errors
    ///
    /// When it is shorter than 32 bytes.
    pub fn secret(mut self, secret: &str) -> Result<Self, Invalid> {
        let secret = Secret::parse(secret).map_err(|error| Invalid(format!("the secret {error}")))?;
        self.keys = Some(Source::Secret(secret));
        Ok(self)
    }

    /// Accepts tokens of this audience, too.
    pub fn also_for(mut self, audience: impl Into<String>) -> Self {
        self.rules.audiences.push(audience.into());
        self
    }

    /// Takes `typ: JWT`, too: where the gateway has the audience in `TYP_JWT_AUDIENCES`.
    pub fn typ_jwt(mut self) -> Self {
        self.rules.takes_typ_jwt = true;
        self
    }

    pub fn feed(mut self, feed: Feed) -> Self {
        self.feed = Some(feed);
        self
    }

    /// How long ends are remembered: the gateway's `ACCESS_TTL_SECONDS`, and a quarter of an hour. 30 minutes unless said
    /// otherwise, and at least one. A token that lives longer than this is [`Refused::Unsure`], because its session's end
    /// may be forgotten, unless one goes on when stale.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// For how long the feed may go unheard before it is stale. 10 seconds unless said otherwise.
    pub fn max_stale(mut self, max_stale: Duration) -> Self {
        self.rules.max_stale = max_stale;
        self
    }

    /// Accepts tokens though the feed is stale, or not read yet: a logout may then go unnoticed until the token expires.
    pub fn accept_when_stale(mut self) -> Self {
        self.rules.goes_on_when_stale = true;
        self
    }

    /// Begins to fetch keys and to follow the feed, on the current tokio runtime. Never waits for them.
    ///
    /// # Errors
    ///
    /// When keys or feed were not said, or the retention is too short.
    pub fn start(self) -> Result<Verifier, Invalid> {
        let invalid = |what: &str| Invalid(what.to_owned());
        let source = self.keys.ok_or_else(|| invalid("keys: are missing; call jwks or secret"))?;
        let feed = self.feed.ok_or_else(|| invalid("feed: is missing; call feed"))?;
        if self.retention < LEAST_RETENTION {
            return Err(invalid("retention: must be at least 60 seconds"));
        }
        let client = Client::builder().redirect(Policy::none()).build();
        let client = client.map_err(|error| Invalid(format!("HTTP: {error}")))?;
        let revocations = Arc::new(Revocations::new(self.retention));
        let (jwks, keys): (_, Arc<dyn Keys>) = match source {
            Source::Jwks(url) => {
                let jwks = Arc::new(Jwks::new(url, client.clone()));
                (Some(jwks.clone()), jwks)
            }
            Source::Secret(secret) => (None, Arc::new(Fixed(Arc::new(VerifyingKey::from_secret(&secret))))),
        };
        let mut tasks = vec![tokio::spawn(feed.follow(client, revocations.clone()))];
        tasks.extend(jwks.clone().map(|jwks| tokio::spawn(jwks.keep())));
        let checker = Arc::new(Checker::new(keys, self.rules, revocations.clone()));
        tasks.push(tokio::spawn({
            let checker = checker.clone();
            async move { checker.drop_ended().await }
        }));
        Ok(Verifier(Arc::new(Inner { checker, revocations, jwks, tasks })))
    }
}

/// A secret that does not change.
struct Fixed(Arc<VerifyingKey>);

impl Keys for Fixed {
    fn find(&self, parts: &Parts<'_>) -> Result<(Arc<VerifyingKey>, Typ), Rejected> {
        let (key, typ) = verifying::find_access(std::iter::once(&self.0), parts)?;
        Ok((key.clone(), typ))
    }
}

pub(super) fn http_url(what: &str, text: &str) -> Result<Url, Invalid> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or_else(|| Invalid(format!("{what}: must be an http(s) URL")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Invalid(format!("{what}: must not hold a user or a password")));
    }
    Ok(url)
}

/// As it is logged: without a query, which may hold a secret.
pub(super) fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}
