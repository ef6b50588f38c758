//! Sessions as shown to people and programs: HTTP and the commands share these names and forms.

pub mod schema;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use token_gateway_core::clock::Timestamp;
use token_gateway_core::session::{Reason, SessionId};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{Ref, Schema};

use crate::store::{Lookup, Page, SessionRecord};

/// A page of the live sessions of one subject. Pages go by session id, so a refresh meanwhile neither hides a session nor
/// shows it twice. They are not of one moment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"sessions": [{
    "session_id": "4830719265501837429",
    "created_at": "2026-11-24T08:00:00.000Z",
    "last_refreshed_at": "2026-11-24T08:15:00.000Z",
    "expires_at": "2026-12-01T08:15:00.000Z",
    "absolute_expires_at": "2027-02-22T08:00:00.000Z",
    "generation": 1,
    "client": {"ip": "192.0.2.1", "user_agent": "Example/1.0"},
    "client_id": "web"
}]}))]
pub struct SessionList {
    /// The most recently refreshed first.
    pub sessions: Vec<ListedSession>,
    /// `after` of the next page. Not there on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::SessionIdSchema, required = false)]
    next: Option<SessionId>,
}

impl SessionList {
    /// `current` is the session of the caller, where the caller has one.
    pub fn new(records: &[SessionRecord], current: Option<SessionId>) -> Self {
        let item = |record: &SessionRecord| ListedSession {
            current: current.map(|current| current == record.session),
            ..ListedSession::new(record)
        };
        Self { sessions: records.iter().map(item).collect(), next: None }
    }

    /// The same for one page of several.
    pub fn of_page(page: &Page, current: Option<SessionId>) -> Self {
        Self { next: page.next, ..Self::new(&page.sessions, current) }
    }
}

/// A live session in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListedSession {
    #[schema(value_type = schema::SessionIdSchema)]
    pub session_id: SessionId,
    #[schema(format = DateTime)]
    pub created_at: String,
    #[schema(format = DateTime)]
    pub last_refreshed_at: String,
    #[schema(format = DateTime)]
    pub expires_at: String,
    /// `null` where sessions have no absolute lifetime.
    #[schema(format = DateTime, required)]
    pub absolute_expires_at: Option<String>,
    /// How often the session has been rotated.
    pub generation: u64,
    #[schema(schema_with = last_client)]
    pub client: Value,
    pub client_id: String,
    /// Whether it is the caller's own; only on `/v1/me`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    current: Option<bool>,
}

impl ListedSession {
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
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Session {
    Live(Box<LiveSession>),
    Ended(Tombstone),
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "session_id": "4830719265501837429",
    "created_at": "2026-11-24T08:00:00.000Z",
    "last_refreshed_at": "2026-11-24T08:15:00.000Z",
    "expires_at": "2026-12-01T08:15:00.000Z",
    "absolute_expires_at": "2027-02-22T08:00:00.000Z",
    "generation": 1,
    "client": {"ip": "192.0.2.1", "user_agent": "Example/1.0"},
    "client_id": "web",
    "state": "live",
    "claims": {"roles": ["admin"]},
    "first_client": {"ip": "192.0.2.1", "user_agent": "Example/1.0"}
}))]
pub struct LiveSession {
    #[serde(flatten)]
    pub item: ListedSession,
    #[schema(pattern = "^live$")]
    state: &'static str,
    /// The claims in every access token of the session.
    #[schema(value_type = Object)]
    pub claims: Box<RawValue>,
    #[schema(schema_with = first_client)]
    pub first_client: Value,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EndedSession, example = json!({
    "session_id": "4830719265501837429",
    "state": "ended",
    "reason": "logout",
    "ended_at": "2026-11-24T09:00:00.000Z"
}))]
pub struct Tombstone {
    #[schema(value_type = schema::SessionIdSchema)]
    pub session_id: SessionId,
    #[schema(pattern = "^ended$")]
    pub state: &'static str,
    #[schema(value_type = schema::ReasonSchema)]
    pub reason: Reason,
    #[schema(format = DateTime)]
    pub ended_at: String,
}

impl Tombstone {
    pub fn new(session: SessionId, reason: Reason, ended_at: Timestamp) -> Self {
        Self { session_id: session, state: "ended", reason, ended_at: rfc3339(ended_at) }
    }
}

impl Session {
    /// `None` where there is no such session.
    pub fn new(session: SessionId, found: &Lookup) -> Option<Self> {
        match found {
            Lookup::Live { record, claims, first_client, .. } => {
                let live = LiveSession {
                    item: ListedSession::new(record),
                    state: "live",
                    claims: as_stored(claims),
                    first_client: value(first_client),
                };
                Some(Self::Live(Box::new(live)))
            }
            Lookup::Ended { reason, ended_at, .. } => {
                Some(Self::Ended(Tombstone::new(session, *reason, *ended_at)))
            }
            Lookup::Missing => None,
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

/// The same, to the last digit of its numbers.
fn as_stored(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn last_client() -> Schema {
    client(
        "The device as a service described it last: at a refresh, or else at the login. `null` without a description.",
    )
}

fn first_client() -> Schema {
    client(
        "The device as the login service described it at `POST /v1/sessions`. `null` without a description.",
    )
}

fn client(description: &str) -> Schema {
    let nothing = ObjectBuilder::new().schema_type(Type::Null);
    let either = OneOfBuilder::new().item(nothing).item(Ref::from_schema_name("Client"));
    either.description(Some(description)).build().into()
}
