//! Keys of a JWK Set published over HTTP. They are kept in memory and fetched anew in the background. A token with an
//! unknown key causes a fetch at once, but not too often.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::TryStreamExt;
use reqwest::header::CACHE_CONTROL;
use reqwest::{Client, Response, Url};
use token_gateway_core::checker::Keys;
use token_gateway_core::outage::{Change, Outage};
use token_gateway_core::token::{Parts, TokenRefusal, Typ, VerifyingKey, find_access_key};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::{http_cause, lasting_status, server_url};

/// Least time between fetches for unknown keys, however many tokens name such keys.
const JWKS_COOLDOWN: Duration = Duration::from_secs(10);

/// Time between fetches when the server does not say how long the set keeps (`Cache-Control: max-age`).
const JWKS_MAX_AGE_DEFAULT: Duration = Duration::from_secs(300);

/// Bounds for the server's `max-age`.
const JWKS_MAX_AGE_LEAST: Duration = Duration::from_secs(10);
const JWKS_MAX_AGE_MOST: Duration = Duration::from_secs(3600);

/// Time between fetches after a failure.
const JWKS_RETRY: Duration = Duration::from_secs(5);

/// The same while the server refuses: the path is wrong, or a key of the server's own is missing.
const JWKS_REFUSED_RETRY: Duration = Duration::from_secs(30);

/// Time limit for an answer.
const JWKS_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest set accepted, in bytes.
const JWKS_MAX_LEN: usize = 256 * 1024;

pub struct Jwks {
    url: Url,
    client: Client,
    keys: ArcSwapOption<Published>,
    /// The last fetch has failed, so a key that is unknown here may exist all the same.
    failed: AtomicBool,
    outage: std::sync::Mutex<Outage>,
    /// The time of the last fetch.
    asked: Mutex<Option<Instant>>,
}

/// A set as received. While the set is unchanged, its keys keep their ids, and its tokens found valid stay so.
struct Published {
    json: Vec<u8>,
    keys: Vec<Arc<VerifyingKey>>,
}

/// The key set could not be fetched. Holds nothing of the answer.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("no answer within {JWKS_TIMEOUT:?}; look at the network and at the gateway's log")]
    Slow,
    #[error("{}; {}", http_cause::cause(.0), http_cause::remedy(.0))]
    Http(reqwest::Error),
    #[error("larger than {JWKS_MAX_LEN} bytes; correct the URL")]
    TooLarge,
    #[error("it is no JWK Set (RFC 7517 section 5); correct the URL")]
    Malformed,
    #[error(
        "none of its keys is one for ES256, EdDSA, Ed25519, RS256 or PS256, with a kid; let the gateway sign with one"
    )]
    NoKey,
}

impl From<reqwest::Error> for FetchError {
    /// Without the URL, because its query may hold a secret.
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.without_url())
    }
}

impl FetchError {
    /// The status by which the server refuses, until somebody mends something.
    fn lasting_status(&self) -> Option<u16> {
        if let Self::Http(error) = self { lasting_status::of(error) } else { None }
    }
}

impl Jwks {
    pub fn new(url: Url, client: Client) -> Self {
        Self {
            url,
            client,
            keys: ArcSwapOption::empty(),
            failed: AtomicBool::new(false),
            outage: std::sync::Mutex::default(),
            asked: Mutex::default(),
        }
    }

    /// Whether the set was ever read.
    pub fn is_known(&self) -> bool {
        self.keys.load().is_some()
    }

    /// Whether the set may hold keys unknown here.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Fetches the set again and again, as long as it is polled.
    pub async fn keep(self: Arc<Self>) {
        loop {
            let mut asked = self.asked.lock().await;
            *asked = Some(Instant::now());
            let pause = match self.fetch().await {
                Ok(fresh_for) => {
                    fresh_for.unwrap_or(JWKS_MAX_AGE_DEFAULT).clamp(JWKS_MAX_AGE_LEAST, JWKS_MAX_AGE_MOST)
                }
                Err(error) if error.lasting_status().is_some() => JWKS_REFUSED_RETRY,
                Err(_) => JWKS_RETRY,
            };
            drop(asked);
            sleep(pause).await;
        }
    }

    /// Fetches the set, unless another task has just done so. Later callers wait for a running fetch, and the fetch
    /// goes on even if every caller gives up.
    pub async fn look_again(self: &Arc<Self>) {
        let looking = self.clone();
        let _ = tokio::spawn(async move { looking.look().await }).await; // the caller's next check shows its success
    }

    async fn look(&self) {
        let mut asked = self.asked.lock().await;
        if asked.is_some_and(|asked| asked.elapsed() < JWKS_COOLDOWN) {
            return;
        }
        *asked = Some(Instant::now());
        let _ = self.fetch().await; // it has logged its failure
    }

    /// Returns how long the set may be kept. A failure keeps the former keys, and is logged where it is a change.
    async fn fetch(&self) -> Result<Option<Duration>, FetchError> {
        let fetched = timeout(JWKS_TIMEOUT, self.get()).await.unwrap_or(Err(FetchError::Slow));
        let taken = fetched.and_then(|(json, fresh_for)| self.take(json).map(|()| fresh_for));
        self.failed.store(taken.is_err(), Ordering::Release);
        self.log_change(taken.as_ref().err());
        taken
    }

    fn log_change(&self, failure: Option<&FetchError>) {
        let mut outage = self.outage.lock().expect("no panic while it is held");
        let url = server_url::without_query(&self.url);
        match (outage.note(failure.is_some(), std::time::Instant::now()), failure) {
            (Some(Change::Began), Some(error)) => {
                log::warn!(url:%, error:%; "cannot read the JWK Set at {url}, trying on: {error}");
            }
            (Some(Change::Lasts(lasted)), Some(error)) => {
                log::warn!(url:%, seconds = lasted.seconds(), error:%; "still cannot read the JWK Set at {url}, for {lasted}: {error}");
            }
            (Some(Change::Over(lasted)), _) => {
                log::info!(url:%, seconds = lasted.seconds(); "the JWK Set at {url} is read again after {lasted}");
            }
            _ => {}
        }
    }

    fn take(&self, json: Vec<u8>) -> Result<(), FetchError> {
        if self.keys.load().as_ref().is_some_and(|known| known.json == json) {
            return Ok(());
        }
        let keys = VerifyingKey::read_set(&json).ok_or(FetchError::Malformed)?;
        if keys.is_empty() {
            return Err(FetchError::NoKey);
        }
        let keys = keys.into_iter().map(Arc::new).collect();
        self.keys.store(Some(Arc::new(Published { json, keys })));
        Ok(())
    }

    async fn get(&self) -> Result<(Vec<u8>, Option<Duration>), FetchError> {
        let answer = self.client.get(self.url.clone()).send().await?.error_for_status()?;
        let fresh_for = max_age(&answer);
        let body = answer.bytes_stream().map_err(FetchError::from);
        let body = body.try_fold(Vec::new(), async |mut body, chunk| {
            body.extend_from_slice(&chunk);
            if body.len() > JWKS_MAX_LEN { Err(FetchError::TooLarge) } else { Ok(body) }
        });
        Ok((body.await?, fresh_for))
    }
}

impl Keys for Jwks {
    fn find(&self, parts: &Parts<'_>) -> Result<(Arc<VerifyingKey>, Typ), TokenRefusal> {
        let keys = self.keys.load();
        let known = keys.as_deref().ok_or(TokenRefusal::UnknownKey)?;
        let (key, typ) = find_access_key(known.keys.iter(), parts)?;
        Ok((key.clone(), typ))
    }
}

/// RFC 9111 section 5.2.2.1
fn max_age(answer: &Response) -> Option<Duration> {
    let directives = answer.headers().get(CACHE_CONTROL)?.to_str().ok()?;
    let seconds = directives.split(',').find_map(|it| it.trim().strip_prefix("max-age="))?;
    seconds.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_error_does_not_show_the_query() {
        let error =
            Client::new().get("http://127.0.0.1:1/jwks.json?key=hunter2").send().await.expect_err("nobody");
        assert!(error.to_string().contains("hunter2"));
        let said = FetchError::from(error).to_string();
        assert!(said.contains("Connection refused") && said.contains("; start the gateway"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}
