//! Where an API node hears of ended sessions: from the gateway over HTTP, or straight from Redis.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::TryStreamExt;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sse_stream::{Sse, SseByteStream};
use tokio::time::{sleep, timeout};

use super::Invalid;
use crate::clock::Timestamp;
use crate::revocations::{Announced, Ended, Listener, Revocations};
#[cfg(feature = "verify-redis")]
use crate::store::redis::feed::RedisFeed;

/// Without an event for so long, another node of the gateway is asked.
const SILENCE: Duration = Duration::from_secs(4);

/// What lags further is given up for a new stream: it was held up, or its server's clock has been put back.
const BEHIND: Duration = Duration::from_secs(6);

/// The longest that opening a stream may take.
const CONNECT: Duration = Duration::from_secs(5);

/// The feed of ended sessions.
pub struct Feed(Source);

enum Source {
    Http {
        url: Url,
        key: SecretString,
    },
    #[cfg(feature = "verify-redis")]
    Redis(Box<crate::store::redis::RedisSettings>),
}

impl Feed {
    /// `GET /v1/revocations` of the gateway, by a service key with the role `feed`.
    ///
    /// # Errors
    ///
    /// When the URL is none.
    pub fn http(url: &str, service_key: impl Into<SecretString>) -> Result<Self, Invalid> {
        let url = super::verifier::http_url("the URL of the feed", url)?;
        Ok(Self(Source::Http { url, key: service_key.into() }))
    }

    /// The stream in Redis, read from its master: standalone, behind Sentinels, or in a Cluster. `docs/verify.md` names the
    /// rights that a user needs.
    ///
    /// # Errors
    ///
    /// When the settings lead nowhere.
    #[cfg(feature = "verify-redis")]
    pub fn redis(settings: crate::store::redis::RedisSettings) -> Result<Self, Invalid> {
        settings.check().map_err(Invalid)?;
        Ok(Self(Source::Redis(Box::new(settings))))
    }

    /// Tells `known` of all that ends, for as long as it is polled.
    pub(super) async fn follow(self, client: Client, known: Arc<Revocations>) {
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

/// The feed over HTTP: one part, which is known as far as its last event `fresh` says.
struct Http {
    url: Url,
    key: SecretString,
    client: Client,
    known: Arc<Revocations>,
    /// The id of that event.
    last: Option<String>,
}

/// When what a stream tells was so, on this machine's clock. An event may be read long after it was sent; but its server
/// made the first after it had been asked for the stream, and tells by its own clock how much later each other is.
struct Since {
    asked: Instant,
    /// Its clock then or later, in milliseconds.
    at: Option<u64>,
}

impl Since {
    fn known_until(&mut self, until: u64, stale: u64) -> Option<Instant> {
        let at = *self.at.get_or_insert(until.saturating_add(stale));
        if until < at {
            self.asked.checked_sub(Duration::from_millis(at - until))
        } else {
            self.asked.checked_add(Duration::from_millis(until - at)).map(|known| known.min(Instant::now()))
        }
    }
}

#[derive(Deserialize)]
struct EndedEvent {
    sub: String,
    sid: String,
    reason: String,
    at: u64,
}

impl EndedEvent {
    /// `None` for what a gateway of another release may tell.
    fn read(data: &str) -> Option<Announced> {
        let event: Self = serde_json::from_str(data).ok()?;
        let ended = Ended { session: event.sid.parse().ok()?, reason: event.reason.parse().ok()? };
        let at = Timestamp(event.at.saturating_mul(1000));
        Some(Announced { subject: event.sub.parse().ok()?, ended, at })
    }
}

#[derive(Deserialize)]
struct FreshEvent {
    stale_ms: u64,
}

/// Why a stream is over.
#[derive(Debug, thiserror::Error)]
enum Over {
    #[error("it was silent for {SILENCE:?}")]
    Silent,
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("it is more than {BEHIND:?} behind")]
    Behind,
    #[error("it is no stream of events")]
    Malformed,
    #[error("its server has ended it")]
    Ended,
}

impl Http {
    async fn follow(mut self) {
        self.known.opened(1);
        loop {
            for pause in pauses() {
                let mut followed = false;
                let over = self.read(&mut followed).await;
                log::warn!("the stream of {} is over, opening it again: {over}", self.url);
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
        let mut since = Since { asked: Instant::now(), at: None };
        let answer = timeout(CONNECT, request.send()).await.map_err(|_| Over::Silent)??.error_for_status()?;
        let mut events = SseByteStream::new(answer.bytes_stream());
        loop {
            let event = timeout(SILENCE, events.try_next()).await.map_err(|_| Over::Silent)?;
            let Some(event) = event.map_err(|_| Over::Malformed)? else { return Ok(()) };
            *followed |= self.take(event, &mut since)?;
        }
    }

    /// Returns whether the event says that all is known. What has ended is refused at once, not only then.
    fn take(&mut self, event: Sse, since: &mut Since) -> Result<bool, Over> {
        let data = event.data.unwrap_or_default();
        match event.event.as_deref() {
            Some("ended") => {
                self.known.hear(0, EndedEvent::read(&data).as_slice(), None);
                Ok(false)
            }
            Some("fresh") => {
                let fresh: FreshEvent = serde_json::from_str(&data).map_err(|_| Over::Malformed)?;
                let until = event.id.as_deref().and_then(|id| id.parse().ok()).ok_or(Over::Malformed)?;
                let known_until = since.known_until(until, fresh.stale_ms);
                if known_until.is_none_or(|known| known.elapsed() > BEHIND) {
                    return Err(Over::Behind);
                }
                self.known.hear(0, &[], known_until);
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
