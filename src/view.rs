//! Sessions as people and programs are shown them: the names and forms that HTTP and the commands share.

use serde::Serialize;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::session::{Reason, SessionId};
use crate::store::{Lookup, SessionRecord};

/// The live sessions of one subject.
#[derive(Debug, Serialize)]
pub struct List {
    pub sessions: Vec<Item>,
}

impl List {
    /// `current` is the session of the caller, where the caller has one.
    pub fn new(records: &[SessionRecord], current: Option<SessionId>) -> Self {
        let item = |record: &SessionRecord| Item {
            current: current.map(|current| current == record.session),
            ..Item::new(record)
        };
        Self { sessions: records.iter().map(item).collect() }
    }
}

/// A live session in a list.
#[derive(Debug, Serialize)]
pub struct Item {
    pub session_id: SessionId,
    pub created_at: String,
    pub last_refreshed_at: String,
    pub expires_at: String,
    pub absolute_expires_at: Option<String>,
    pub generation: u64,
    pub client: Value,
    pub client_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<bool>,
}

impl Item {
    fn new(record: &SessionRecord) -> Self {
        Self {
            session_id: record.session,
            created_at: rfc3339(record.created_at),
            last_refreshed_at: rfc3339(record.last_refreshed_at),
            expires_at: rfc3339(record.expires_at),
            absolute_expires_at: record.absolute_expires_at.map(rfc3339),
            generation: record.generation,
            client: value(&record.client),
            client_id: record.client_id.clone(),
            current: None,
        }
    }
}

/// One session, live or ended.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Session {
    Live(Box<Live>),
    Ended(Ended),
}

#[derive(Debug, Serialize)]
pub struct Live {
    #[serde(flatten)]
    pub item: Item,
    state: &'static str,
    pub claims: Value,
}

#[derive(Debug, Serialize)]
pub struct Ended {
    pub session_id: SessionId,
    state: &'static str,
    pub reason: Reason,
    pub ended_at: String,
}

impl Session {
    /// `None` where there is no such session.
    pub fn new(session: SessionId, found: &Lookup) -> Option<Self> {
        match found {
            Lookup::Live { record, claims, .. } => {
                let live = Live { item: Item::new(record), state: "live", claims: value(claims) };
                Some(Self::Live(Box::new(live)))
            }
            Lookup::Ended { reason, ended_at, .. } => Some(Self::Ended(Ended {
                session_id: session,
                state: "ended",
                reason: *reason,
                ended_at: rfc3339(*ended_at),
            })),
            Lookup::Unknown => None,
        }
    }
}

pub fn rfc3339(time: Timestamp) -> String {
    let micros = i64::try_from(time.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(micros).map(|at| format!("{at:.3}")).unwrap_or_default()
}

/// The same for whole seconds since the epoch.
pub fn rfc3339_seconds(seconds: u64) -> String {
    let at = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    at.map(|at| at.to_string()).unwrap_or_default()
}

/// Stored JSON; `null` where nothing was stored.
fn value(stored: &str) -> Value {
    serde_json::from_str(stored).unwrap_or_default()
}
