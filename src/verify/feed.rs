//! The source of revocation events for an API node: the gateway over HTTP, or Redis itself.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::TryStreamExt;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};
use sse_stream::{Sse, SseByteStream};
use token_gateway_core::feed::sse::{self, EndedEvent, FreshEvent};
use token_gateway_core::feed::timing::{CONNECT_TIMEOUT, SILENCE_LIMIT, STREAM_LAG_LIMIT};
use token_gateway_core::feed::{Denylist, Listener};
use tokio::time::{sleep, timeout, timeout_at};

use super::Invalid;
use super::verifier::shown;
#[cfg(feature = "verify-redis")]
pub use crate::store::redis::RedisSettings;
#[cfg(feature = "verify-redis")]
use crate::store::redis::feed::RedisFeed;

/// The revocation feed.
pub struct Feed(Source);

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

enum Source {
    Http {
        url: Url,
        key: SecretString,
    },
    #[cfg(feature = "verify-redis")]
    Redis(Box<RedisSettings>),
}

impl Feed {
    /// `GET /v1/revocations` of the gateway. The service key must have the role `feed`.
    ///
    /// # Errors
    ///
    /// When the URL is not an http(s) URL, or holds a user or a password.
    pub fn http(url: &str, service_key: impl Into<SecretString>) -> Result<Self, Invalid> {
        let url = super::verifier::http_url("the URL of the feed", url)?;
        Ok(Self(Source::Http { url, key: service_key.into() }))
    }

    /// The stream in Redis, read from its primary: standalone, behind Sentinels, or in a Cluster. `docs/verify.md`
    /// names the rights the Redis user needs.
    ///
    /// ```no_run
    /// use token_gateway::verify::{Feed, RedisSettings};
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let feed = Feed::redis(RedisSettings::new("redis+sentinel://sentinel-1:26379,sentinel-2:26379/master".to_owned()))?;
    /// # Ok::<_, token_gateway::verify::Invalid>(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// When the URL or a certificate cannot be read, or certificates are given without TLS.
    #[cfg(feature = "verify-redis")]
    pub fn redis(settings: RedisSettings) -> Result<Self, Invalid> {
        settings.link.check().map_err(Invalid)?;
        Ok(Self(Source::Redis(Box::new(settings))))
    }

    /// Passes all revocation events to `known`, as long as it is polled.
    pub(super) async fn follow(self, client: Client, known: Arc<Denylist>) {
        match self.0 {
            Source::Http { url, key } => Http { url, key, client, known, last: None }.follow().await,
            #[cfg(feature = "verify-redis")]
            Source::Redis(settings) => match RedisFeed::new(&settings) {
                Ok(feed) => feed.follow(known.retention(), &*known).await,
                Err(error) => log::error!("the feed cannot be followed: {error}"),
            },
        }
    }
}

/// The feed over HTTP, as a single partition. Its last event `fresh` determines the watermark.
struct Http {
    url: Url,
    key: SecretString,
    client: Client,
    known: Arc<Denylist>,
    /// The id of the last event `fresh`.
    last: Option<String>,
}

/// Translates the times of a stream into moments on this machine's clock. An event may be read long after it was sent.
/// But the server makes the first event after the request for the stream, and every event tells how much later it was
/// made.
struct Since {
    asked: Instant,
    /// `now_ms` of the first event `fresh`, made at `asked` or later.
    first: Option<u64>,
}

impl Since {
    fn watermark(&mut self, fresh: &FreshEvent) -> Option<Instant> {
        let later = fresh.now_ms.saturating_sub(*self.first.get_or_insert(fresh.now_ms));
        let told = self.asked.checked_add(Duration::from_millis(later))?;
        told.min(Instant::now()).checked_sub(Duration::from_millis(fresh.stale_ms))
    }
}

/// Why a stream is over.
#[derive(Debug, thiserror::Error)]
enum Over {
    #[error("it was not fresh for {SILENCE_LIMIT:?}")]
    Silent,
    #[error("{0}")]
    Http(reqwest::Error),
    #[error("it is more than {STREAM_LAG_LIMIT:?} behind")]
    Behind,
    #[error("it is no stream of events")]
    Malformed,
    #[error("its server has ended it")]
    Ended,
}

impl From<reqwest::Error> for Over {
    /// Without the URL, because its query may hold a secret.
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.without_url())
    }
}

impl Http {
    async fn follow(mut self) {
        self.known.opened(1);
        loop {
            for pause in pauses() {
                let mut followed = false;
                let over = self.read(&mut followed).await;
                log::warn!("the stream of {} is over, opening it again: {over}", shown(&self.url));
                sleep(pause).await;
                if followed {
                    break;
                }
            }
        }
    }

    async fn read(&mut self, followed: &mut bool) -> Over {
        match self.events(followed).await {
            Ok(()) => Over::Ended,
            Err(over) => over,
        }
    }

    async fn events(&mut self, followed: &mut bool) -> Result<(), Over> {
        let mut request = self.client.get(self.url.clone()).bearer_auth(self.key.expose_secret());
        if let Some(last) = &self.last {
            request = request.header("Last-Event-ID", last);
        }
        let mut since = Since { asked: Instant::now(), first: None };
        let answer =
            timeout(CONNECT_TIMEOUT, request.send()).await.map_err(|_| Over::Silent)??.error_for_status()?;
        let mut events = SseByteStream::new(answer.bytes_stream());
        let mut deadline = Instant::now() + SILENCE_LIMIT;
        loop {
            let event = timeout_at(deadline.into(), events.try_next()).await.map_err(|_| Over::Silent)?;
            let Some(event) = event.map_err(|_| Over::Malformed)? else { return Ok(()) };
            if self.take(event, &mut since)? {
                *followed = true;
                deadline = Instant::now() + SILENCE_LIMIT;
            }
        }
    }

    /// Returns whether the event moves the watermark. A revoked session is refused at once, even before that.
    fn take(&mut self, event: Sse, since: &mut Since) -> Result<bool, Over> {
        let data = event.data.unwrap_or_default();
        match event.event.as_deref() {
            Some(sse::ENDED) => {
                let ended: EndedEvent = serde_json::from_str(&data).map_err(|_| Over::Malformed)?;
                self.known.hear(0, &[ended.read().ok_or(Over::Malformed)?], None);
                Ok(false)
            }
            Some(sse::FRESH) => {
                let fresh: FreshEvent = serde_json::from_str(&data).map_err(|_| Over::Malformed)?;
                let watermark = since.watermark(&fresh);
                if watermark.is_none_or(|known| known.elapsed() > STREAM_LAG_LIMIT) {
                    return Err(Over::Behind);
                }
                self.known.hear(0, &[], watermark);
                self.last = event.id;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(1))
        .with_jitter()
        .without_max_times()
        .build()
}
