//! `GET /v1/revocations`: the revocation feed as server-sent events (WHATWG HTML, section 9.2), so API nodes need no
//! access to Redis.
//!
//! A stream begins with the events of the whole retention, or with those after `Last-Event-ID`, and goes on with new
//! ones:
//!
//! - `ended`: a session has ended. The same session may come several times.
//! - `fresh`, at least once a second: all sessions that had ended until `stale_ms` before have been sent. Its `id` is
//!   the point to resume from: the time of the latest event, on the clock of Redis. A node cut off from the feed ends
//!   its streams. A client without `fresh` for some seconds asks another node.
//!
//! Events are ASCII: a subscriber that takes U+2028 for the end of a line would lose the logout of such a subject.

pub mod open_streams;

use actix_web::http::Method;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use futures_util::stream;
use serde::Serialize;
use sse_stream::Sse;
use token_gateway_core::ascii_json::to_ascii_json;
use token_gateway_core::clock::Timestamp;
use token_gateway_core::feed::limits::{ENDS_AT_ONCE, STREAM_PIECE_BYTES};
use token_gateway_core::feed::sse::{self, FreshEvent};
use token_gateway_core::feed::{Denylist, EventCursor, NextEvent, RevocationEvent, timing};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

pub use self::open_streams::MostStreams;
use self::open_streams::OpenStream;
use super::error::ErrorResponse;
use super::health::Lifecycle;
use super::openapi::refusals;
use super::{credentials, query};
use crate::gateway::Gateway;
use crate::gateway::service_keys::Role;
use crate::view::schema;

// For the document alone: `sse::EndedEvent` is sent. A test compares their fields.
/// The data of an event `ended`.
#[derive(ToSchema)]
#[schema(as = EndedEvent, example = json!({"sub": "alice", "sid": "4830719265501837429", "reason": "logout", "at": 1_790_000_000_000_u64}))]
#[expect(dead_code, reason = "it documents what `sse::EndedEvent` sends")]
pub struct EndedEventSchema {
    sub: String,
    #[schema(value_type = schema::SessionIdSchema)]
    sid: String,
    reason: String,
    /// Milliseconds since the epoch, on the clock of Redis.
    at: u64,
}

/// The error of a node with the most open streams.
pub struct TooManyStreams;

impl utoipa::IntoResponses for TooManyStreams {
    fn responses() -> std::collections::BTreeMap<String, utoipa::openapi::RefOr<utoipa::openapi::Response>> {
        refusals::document([ErrorResponse::TooManyStreams])
    }
}

/// Follow the feed of ended sessions
///
/// Server-sent events. `ended` tells of a session that has ended, its data is a JSON object. `fresh` comes at least once a
/// second: all that had ended until `stale_ms` before has been told, and its `id` is where to resume. A stream begins with all that
/// ended within the retention, or since `Last-Event-ID`; sessions may be told of more than once.
#[utoipa::path(
    get,
    path = "/v1/revocations",
    tag = "Verification",
    operation_id = "follow_revocations",
    params(("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event `fresh` that was heard", pattern = "^[0-9]{1,16}$", nullable = false, example = "1790000000000")),
    responses(TooManyStreams, (status = 200, description = "A stream that ends when the node stops or the client is too slow", content_type = "text/event-stream", body = serde_json::Value, example = "event: ended\ndata: {\"sub\":\"alice\",\"sid\":\"4830719265501837429\",\"reason\":\"logout\",\"at\":1790000000000}\n\nevent: fresh\nid: 1790000000000\ndata: {\"stale_ms\":12,\"now_ms\":86400000}\n\n")),
    security(("service_key" = ["feed"]), ("service_basic" = ["feed"])),
)]
pub async fn stream(
    http: HttpRequest,
    payload: Payload,
    gateway: Data<Gateway>,
    lifecycle: Data<Lifecycle>,
    most: Data<MostStreams>,
) -> Result<HttpResponse, ErrorResponse> {
    credentials::service(&http, &gateway.services, Role::Feed)?;
    query::nothing(&http, payload).await?;
    let since = since(&http)?;
    fresh(&gateway.denylist).ok_or(ErrorResponse::Unavailable)?;
    if http.method() == Method::HEAD {
        return Ok(stream_head().finish()); // an endless body that is left out would hold up the connection
    }
    let open = open_streams::admit(&gateway.metrics, &most)?;
    let events = EventStream::new(gateway, lifecycle, open, since);
    let body = stream::unfold(events, |mut events| async {
        let piece = events.next().await?;
        Some((Ok::<_, actix_web::Error>(Bytes::from(piece)), events))
    });
    Ok(stream_head().streaming(body))
}

fn stream_head() -> HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("X-Accel-Buffering", "no")); // nginx would hold events back
    answer
}

/// The time of the earliest event to send.
fn since(http: &HttpRequest) -> Result<Timestamp, ErrorResponse> {
    let Some(id) = http.headers().get(sse::LAST_EVENT_ID_HEADER) else { return Ok(Timestamp::default()) };
    let millis: Option<u64> = id.to_str().ok().filter(|id| id.len() <= 16).and_then(|id| id.parse().ok());
    let millis = millis.ok_or_else(|| {
        ErrorResponse::field(sse::LAST_EVENT_ID_HEADER, "must be the id of an event 'fresh'")
    })?;
    Ok(Timestamp(millis.saturating_mul(1000)).minus(timing::CLOCK_SKEW))
}

/// An open stream: a cursor in the events of the denylist. Whatever its client reads or not, it holds one piece.
struct EventStream {
    gateway: Data<Gateway>,
    lifecycle: Data<Lifecycle>,
    cursor: EventCursor,
    changes: watch::Receiver<u64>,
    heartbeat_at: Instant,
    /// An event `fresh` that waits for all events before this place.
    fresh: Option<(Vec<u8>, u64)>,
    _open: OpenStream,
}

impl EventStream {
    fn new(gateway: Data<Gateway>, lifecycle: Data<Lifecycle>, open: OpenStream, since: Timestamp) -> Self {
        let (cursor, changes) = (gateway.denylist.events_since(since), gateway.denylist.event_changes());
        Self { gateway, lifecycle, cursor, changes, heartbeat_at: Instant::now(), fresh: None, _open: open }
    }

    /// The next piece. `None` ends the stream: its client comes back, and asks for the missed events.
    async fn next(&mut self) -> Option<Vec<u8>> {
        while !self.lifecycle.is_draining() {
            yield_now().await; // other requests of this worker have their turn between two pieces
            if Instant::now() >= self.heartbeat_at {
                self.promise_fresh()?; // however many events wait
            }
            let piece = self.piece()?;
            if !piece.is_empty() {
                return Some(piece);
            }
            if self.is_at_end() {
                let _ = timeout_at(self.heartbeat_at, self.changes.changed()).await; // either is a reason to look
            }
        }
        None
    }

    /// Makes an event `fresh` now, for after the events up to now. An event in between is sent later, not lost.
    fn promise_fresh(&mut self) -> Option<()> {
        if self.fresh.is_none() {
            self.heartbeat_at = Instant::now() + timing::FEED_HEARTBEAT;
            let fresh = fresh(&self.gateway.denylist)?;
            self.fresh = Some((fresh, self.gateway.denylist.events_end()));
        }
        Some(())
    }

    /// Some events, and `fresh` where its place is reached. `None` for a client that is too slow.
    fn piece(&mut self) -> Option<Vec<u8>> {
        let mut piece = Vec::new();
        for _ in 0..ENDS_AT_ONCE {
            if piece.len() >= STREAM_PIECE_BYTES || self.is_fresh_due() {
                break;
            }
            match self.gateway.denylist.next_event(&mut self.cursor) {
                NextEvent::Event(event) => piece.extend(ended(&event)),
                NextEvent::Skipped => {}
                NextEvent::End => break,
                NextEvent::Trimmed => return None,
            }
        }
        if self.is_fresh_due() {
            piece.extend(self.fresh.take().into_iter().flat_map(|(fresh, _)| fresh));
        }
        Some(piece)
    }

    fn is_fresh_due(&self) -> bool {
        self.fresh.as_ref().is_some_and(|(_, place)| self.cursor.has_reached(*place))
    }

    fn is_at_end(&mut self) -> bool {
        let end = *self.changes.borrow_and_update();
        self.cursor.has_reached(end)
    }
}

fn ended(one: &RevocationEvent) -> Vec<u8> {
    event(sse::ENDED_EVENT, None, &sse::EndedEvent::from(one))
}

/// `None` while this node does not know.
fn fresh(denylist: &Denylist) -> Option<Vec<u8>> {
    let stale = denylist.stale().filter(|stale| *stale < timing::NODE_LAG_LIMIT)?;
    if denylist.lacks_ends() {
        return None;
    }
    let data = FreshEvent { stale_ms: stale.as_millis() as u64, now_ms: denylist.clock() / 1000 };
    Some(event(sse::FRESH_EVENT, Some(denylist.latest().0 / 1000), &data))
}

fn event(name: &str, id: Option<u64>, data: &impl Serialize) -> Vec<u8> {
    let event =
        Sse { id: id.map(|id| id.to_string()), ..Sse::default() }.event(name).data(to_ascii_json(data));
    event.encode().expect("no line break in a name or a number").to_vec()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use serde_json::{Value, json, to_value};
    use token_gateway_core::feed::limits::Limits;
    use token_gateway_core::feed::sse::EndedEvent;
    use token_gateway_core::feed::{EndedSession, Listener as _};
    use token_gateway_core::session::{Reason, SessionId};
    use utoipa::PartialSchema;

    use super::*;

    fn names(object: &Value) -> BTreeSet<&String> {
        object.as_object().expect("an object").keys().collect()
    }

    #[test]
    fn the_document_has_the_fields_of_an_event_that_is_sent() {
        let event = EndedEvent { sub: "alice".into(), sid: "1".into(), reason: "logout".into(), at: 0 };
        let sent = to_value(event).expect("plain data");
        let documented = to_value(EndedEventSchema::schema()).expect("plain data");
        assert_eq!(names(&documented["properties"]), names(&sent));
        let required = documented["required"].as_array().expect("a list");
        assert_eq!(required.len(), names(&sent).len(), "each field is always sent");
    }

    /// Otherwise API nodes would accept tokens whose end this node could not store.
    #[test]
    fn a_node_that_lacks_ends_is_not_fresh() {
        let limits = Limits { many: 1, most: 1 };
        let denylist = Denylist::with_limits(Duration::from_secs(60), limits);
        let end = || {
            let ended = EndedSession { session: SessionId::random(), reason: Reason::Logout };
            let subject = "alice".parse().expect("a subject");
            let event = RevocationEvent { subject, ended, at: Timestamp::from_system_clock() };
            denylist.events(0, vec![event], Some(std::time::Instant::now()));
            fresh(&denylist).is_some()
        };
        denylist.opened(1);
        assert!(end(), "it is just full");
        assert!(!end());
    }

    #[test]
    fn the_document_names_the_header_that_is_read() {
        let operation = to_value(<__path_stream as utoipa::Path>::operation()).expect("plain data");
        assert_eq!(operation["parameters"][0]["name"], json!(sse::LAST_EVENT_ID_HEADER));
    }
}
