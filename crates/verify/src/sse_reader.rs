//! A reader of the feed over HTTP: the server-sent events of a gateway.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures_util::TryStreamExt;
use reqwest::{Client, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use sse_stream::{Sse, SseByteStream};
use token_gateway_core::feed::sse::{self, EndedEvent, FreshEvent};
use token_gateway_core::feed::timing::{
    FIRST_RECONNECT_PAUSE, LONGEST_REFUSED_PAUSE, LONGEST_STREAM_PAUSE, SILENCE_LIMIT, STREAM_LAG_LIMIT,
    STREAM_OPEN_TIMEOUT,
};
use token_gateway_core::feed::{Denylist, Listener};
use token_gateway_core::outage::{Change, Outage};
use tokio::time::{sleep, timeout, timeout_at};

use crate::{http_cause, lasting_status, server_url};

/// Reads the feed as a single partition. Its last event `fresh` determines the watermark.
pub struct SseReader {
    url: Url,
    service_key: SecretString,
    client: Client,
    denylist: Arc<Denylist>,
    /// The id of the last event `fresh`.
    last_fresh: Option<String>,
    tries: Tries,
}

/// The tries to open a stream: the pauses between them, and whether the last one failed.
struct Tries {
    outage: Outage,
    pauses: ExponentialBackoff,
    /// While the server refuses: somebody must mend something first.
    refused_pauses: ExponentialBackoff,
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
    #[error("it was not fresh for {SILENCE_LIMIT:?}; look at the network and at the gateway's log")]
    Silent,
    #[error("{}; {}", http_cause::cause(.0), http_cause::remedy(.0))]
    Http(reqwest::Error),
    #[error("it is more than {STREAM_LAG_LIMIT:?} behind; look at the network and at the load of both sides")]
    Lagging,
    #[error("it is no stream of events; correct the URL, or let a proxy pass the stream on")]
    Malformed,
    #[error("its server has ended it; look at the gateway's log")]
    Ended,
}

impl From<reqwest::Error> for StreamError {
    /// Without the URL, because its query may hold a secret.
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.without_url())
    }
}

impl StreamError {
    /// The status by which the server refuses, until somebody mends something.
    fn lasting_status(&self) -> Option<u16> {
        if let Self::Http(error) = self { lasting_status::of(error) } else { None }
    }
}

impl Tries {
    fn new() -> Self {
        let (pauses, refused_pauses) = (pauses(LONGEST_STREAM_PAUSE), pauses(LONGEST_REFUSED_PAUSE));
        Self { outage: Outage::default(), pauses, refused_pauses }
    }

    /// A stream is over. Returns the reason for a log line, where there is one, and the pause before the next stream.
    fn failed(&mut self, error: &StreamError) -> (Option<Change>, Duration) {
        let status = error.lasting_status();
        if status.is_none() {
            self.refused_pauses = pauses(LONGEST_REFUSED_PAUSE);
        }
        let pauses = if status.is_some() { &mut self.refused_pauses } else { &mut self.pauses };
        (self.outage.note(true, Instant::now()), pauses.next().expect("the backoff never ends"))
    }

    /// An event `fresh` has come. Returns the reason for a log line, where there is one.
    fn succeeded(&mut self) -> Option<Change> {
        let change = self.outage.note(false, Instant::now());
        if change.is_some() {
            *self = Self::new();
        }
        change
    }
}

impl SseReader {
    pub fn new(url: Url, service_key: SecretString, client: Client, denylist: Arc<Denylist>) -> Self {
        Self { url, service_key, client, denylist, last_fresh: None, tries: Tries::new() }
    }

    /// Passes all revocation events to the denylist, as long as it is polled.
    pub async fn read(mut self) {
        self.denylist.opened(1);
        loop {
            let error = self.read_stream().await.err().unwrap_or(StreamError::Ended);
            let (change, pause) = self.tries.failed(&error);
            let url = server_url::without_query(&self.url);
            match change {
                Some(Change::Lasts(lasted)) => {
                    log::warn!(url:%, seconds = lasted.seconds(), error:%; "still without the stream of {url}, for {lasted}: {error}");
                }
                Some(_) => {
                    log::warn!(url:%, error:%; "the stream of {url} is over, opening it again: {error}")
                }
                None => {}
            }
            sleep(pause).await;
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
            let is_fresh = self.take(event, &mut clock)?;
            if is_fresh || clock.first.is_none() {
                deadline = Instant::now() + SILENCE_LIMIT; // a long history is no silence
            }
            if is_fresh && let Some(Change::Over(lasted)) = self.tries.succeeded() {
                let url = server_url::without_query(&self.url);
                log::info!(url:%, seconds = lasted.seconds(); "the stream of {url} is open again after {lasted}");
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
        self.last_fresh = id; // a late one, too: the next stream need not begin at the beginning again
        if watermark.is_none_or(|watermark| watermark.elapsed() > STREAM_LAG_LIMIT) {
            return Err(StreamError::Lagging);
        }
        self.denylist.events(0, Vec::new(), watermark);
        Ok(())
    }
}

/// Each pause is up to twice as long by its jitter.
fn pauses(longest: Duration) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_RECONNECT_PAUSE)
        .with_max_delay(longest / 2)
        .with_jitter()
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// The failure to open a stream at a server with this answer.
    async fn answered(status: &'static str) -> StreamError {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/v1/revocations", listener.local_addr().expect("an address"));
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let _ = stream.read(&mut [0; 1024]);
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        });
        let answer = Client::new().get(url).send().await.expect("an answer").error_for_status();
        server.join().expect("no panic").expect("it was sent");
        answer.expect_err("a failure").into()
    }

    #[tokio::test]
    async fn a_stream_that_is_refused_is_asked_for_less_and_less_and_any_other_within_a_second() {
        for (status, is_refused) in [
            ("401 Unauthorized", true),
            ("403 Forbidden", true),
            ("404 Not Found", true),
            ("429 Too Many Requests", false),
            ("500 Internal Server Error", false),
            ("503 Service Unavailable", false),
        ] {
            let (error, mut tries) = (answered(status).await, Tries::new());
            let all: Vec<_> = (0..40).map(|_| tries.failed(&error)).collect();
            assert_eq!(all.iter().filter(|(change, _)| change.is_some()).count(), 1, "{status}");
            let longest = if is_refused { LONGEST_REFUSED_PAUSE } else { LONGEST_STREAM_PAUSE };
            assert!(all.iter().all(|(_, pause)| *pause <= longest), "{status}: {all:?}");
            assert!(all[20..].iter().all(|(_, pause)| *pause >= longest / 2), "{status}: {all:?}");
        }
    }

    #[tokio::test]
    async fn a_refusal_after_a_failure_of_another_kind_begins_with_short_pauses() {
        let (refused, mut tries) = (answered("403 Forbidden").await, Tries::new());
        let last = (0..30).map(|_| tries.failed(&refused).1).last();
        assert!(last >= Some(LONGEST_REFUSED_PAUSE / 2), "{last:?}");
        assert!(tries.failed(&StreamError::Silent).1 <= LONGEST_STREAM_PAUSE);
        assert!(tries.failed(&refused).1 <= LONGEST_STREAM_PAUSE);
    }

    #[test]
    fn a_stream_that_ends_is_logged_once_until_another_is_open() {
        let mut tries = Tries::new();
        let ends =
            |tries: &mut Tries| (0..5).filter(|_| tries.failed(&StreamError::Silent).0.is_some()).count();
        assert_eq!(ends(&mut tries), 1);
        assert!(tries.succeeded().is_some() && tries.succeeded().is_none());
        assert_eq!(ends(&mut tries), 1);
    }
}
