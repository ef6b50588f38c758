//! The events of the feed over HTTP (server-sent events, WHATWG HTML section 9.2). Their data are JSON objects.

use serde::{Deserialize, Serialize};

use super::{EndedSession, RevocationEvent};
use crate::clock::Timestamp;
use crate::session::Reason;

/// The name of [`EndedEvent`].
pub const ENDED_EVENT: &str = "ended";

/// The name of [`FreshEvent`]. Its `id` is for the header [`LAST_EVENT_ID_HEADER`] of a later request.
pub const FRESH_EVENT: &str = "fresh";

/// The header of a request that resumes a stream.
pub const LAST_EVENT_ID_HEADER: &str = "Last-Event-ID";

/// A session has ended. The same event may come several times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedEvent {
    /// The user of the session.
    pub sub: String,
    /// The session.
    pub sid: String,
    /// The reason.
    #[serde(default)]
    pub reason: String,
    /// The time of the event, in milliseconds since the epoch, on the clock of Redis.
    #[serde(default)]
    pub at: u64,
}

/// The watermark: everything published until `stale_ms` before this event has been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreshEvent {
    /// The lag of the node, in milliseconds.
    pub stale_ms: u64,
    /// Milliseconds on a clock of the node. Nobody puts it forward or back, and only differences mean something.
    pub now_ms: u64,
}

impl From<&RevocationEvent> for EndedEvent {
    fn from(event: &RevocationEvent) -> Self {
        Self {
            sub: event.subject.as_str().to_owned(),
            sid: event.ended.session.to_string(),
            reason: event.ended.reason.as_str().to_owned(),
            at: event.at.0 / 1000,
        }
    }
}

impl EndedEvent {
    /// The event on the clock of the store; `None` without a valid session or subject.
    pub fn read(&self) -> Option<RevocationEvent> {
        let ended = EndedSession { session: self.sid.parse().ok()?, reason: Reason::from_feed(&self.reason) };
        let at = Timestamp(self.at.saturating_mul(1000));
        Some(RevocationEvent { subject: self.sub.parse().ok()?, ended, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_as_it_was_written_to_the_millisecond() {
        let event = RevocationEvent {
            subject: "alice".parse().expect("a subject"),
            ended: EndedSession {
                session: "4830719265501837429".parse().expect("an id"),
                reason: Reason::Logout,
            },
            at: Timestamp(1_790_000_000_000_999),
        };
        let text = serde_json::to_string(&EndedEvent::from(&event)).expect("plain data");
        assert_eq!(
            text,
            r#"{"sub":"alice","sid":"4830719265501837429","reason":"logout","at":1790000000000}"#
        );
        let read: EndedEvent = serde_json::from_str(&text).expect("its own text");
        assert_eq!(read.read(), Some(RevocationEvent { at: Timestamp(1_790_000_000_000_000), ..event }));
    }

    #[test]
    fn an_event_without_a_session_is_none() {
        let event = EndedEvent { sub: "alice".into(), sid: "1".into(), reason: String::new(), at: 0 };
        assert_eq!(event.read(), None);
    }
}
