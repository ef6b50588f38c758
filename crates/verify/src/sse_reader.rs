//! A reader of the feed over HTTP: the server-sent events of a gateway.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::TryStreamExt;
use reqwest::{Client, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use sse_stream::{Sse, SseByteStream};
use token_gateway_core::feed::sse::{self, EndedEvent, FreshEvent};
use token_gateway_core::feed::timing::{
    FIRST_RECONNECT_PAUSE, LONGEST_STREAM_PAUSE, SILENCE_LIMIT, STREAM_LAG_LIMIT, STREAM_OPEN_TIMEOUT,
};
use token_gateway_core::feed::{Denylist, Listener};
use tokio::time::{sleep, timeout, timeout_at};

use crate::server_url;

/// Reads the feed as a single partition. Its last event `fresh` determines the watermark.
pub struct SseReader {
    url: Url,
    service_key: SecretString,
    client: Client,
    denylist: Arc<Denylist>,
    /// The id of the last event `fresh`.
    last_fresh: Option<String>,
    /// Whether the present stream has had an event `fresh`.
    is_fresh: bool,
}

/// Translates the times of a stream into moments on this machine's clock. An event may be read long after it was sent.
/// But the server makes the first event after the request for the stream, and every event tells how much later it was
/// made.
struct StreamClock {
    asked: Instant,
    /// `now_ms` of the first event `fresh`, made at `asked` or later.
    first: Option<u64>,
}

impl StreamClock {
    fn watermark(&mut self, fresh: &FreshEvent) -> Option<Instant> {
        let later = fresh.now_ms.saturating_sub(*self.first.get_or_insert(fresh.now_ms));
        let made = self.asked.checked_add(Duration::from_millis(later))?;
        made.min(Instant::now()).checked_sub(Duration::from_millis(fresh.stale_ms))
    }
}

/// A stream is over. Holds no event.
#[derive(Debug, thiserror::Error)]
enum StreamError {
    #[error("it was not fresh for {SILENCE_LIMIT:?}")]
    Silent,
    #[error("{0}")]
    Http(reqwest::Error),
    #[error("it is more than {STREAM_LAG_LIMIT:?} behind")]
    Lagging,
    #[error("it is no stream of events")]
    Malformed,
    #[error("its server has ended it")]
    Ended,
}

impl From<reqwest::Error> for StreamError {
    /// Without the URL, because its query may hold a secret.
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.without_url())
    }
}

impl SseReader {
    pub fn new(url: Url, service_key: SecretString, client: Client, denylist: Arc<Denylist>) -> Self {
        Self { url, service_key, client, denylist, last_fresh: None, is_fresh: false }
    }

    /// Passes all revocation events to the denylist, as long as it is polled.
    pub async fn read(mut self) {
        self.denylist.opened(1);
        loop {
            for pause in pauses() {
                self.is_fresh = false;
                let error = self.read_stream().await.err().unwrap_or(StreamError::Ended);
                let url = server_url::without_query(&self.url);
                log::warn!("the stream of {url} is over, opening it again: {error}");
                sleep(pause).await;
                if self.is_fresh {
                    break;
                }
            }
        }
    }

    /// Returns without an error when the server has ended the stream.
    async fn read_stream(&mut self) -> Result<(), StreamError> {
        let mut clock = StreamClock { asked: Instant::now(), first: None };
        let mut events = SseByteStream::new(self.open().await?.bytes_stream());
        let mut deadline = Instant::now() + SILENCE_LIMIT;
        loop {
            let event = timeout_at(deadline.into(), events.try_next()).await;
            let event = event.map_err(|_| StreamError::Silent)?.map_err(|_| StreamError::Malformed)?;
            let Some(event) = event else { return Ok(()) };
            if self.take(event, &mut clock)? {
                self.is_fresh = true;
                deadline = Instant::now() + SILENCE_LIMIT;
            }
        }
    }

    async fn open(&self) -> Result<Response, StreamError> {
        let mut request = self.client.get(self.url.clone()).bearer_auth(self.service_key.expose_secret());
        if let Some(last) = &self.last_fresh {
            request = request.header(sse::LAST_EVENT_ID_HEADER, last);
        }
        let answer =
            timeout(STREAM_OPEN_TIMEOUT, request.send()).await.map_err(|_| StreamError::Silent)??;
        Ok(answer.error_for_status()?)
    }

    /// Returns whether the event moves the watermark. A revoked session is refused at once, even before that.
    fn take(&mut self, event: Sse, clock: &mut StreamClock) -> Result<bool, StreamError> {
        let data = event.data.unwrap_or_default();
        match event.event.as_deref() {
            Some(sse::ENDED_EVENT) => self.take_ended(&data).map(|()| false),
            Some(sse::FRESH_EVENT) => self.take_fresh(&data, event.id, clock).map(|()| true),
            _ => Ok(false),
        }
    }

    fn take_ended(&self, data: &str) -> Result<(), StreamError> {
        let ended: EndedEvent = serde_json::from_str(data).map_err(|_| StreamError::Malformed)?;
        self.denylist.events(0, vec![ended.read().ok_or(StreamError::Malformed)?], None);
        Ok(())
    }

    fn take_fresh(
        &mut self,
        data: &str,
        id: Option<String>,
        clock: &mut StreamClock,
    ) -> Result<(), StreamError> {
        let fresh: FreshEvent = serde_json::from_str(data).map_err(|_| StreamError::Malformed)?;
        let watermark = clock.watermark(&fresh);
        if watermark.is_none_or(|watermark| watermark.elapsed() > STREAM_LAG_LIMIT) {
            return Err(StreamError::Lagging);
        }
        self.denylist.events(0, Vec::new(), watermark);
        self.last_fresh = id;
        Ok(())
    }
}

fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_RECONNECT_PAUSE)
        .with_max_delay(LONGEST_STREAM_PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
}
