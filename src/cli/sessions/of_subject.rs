//! The sessions of one subject, as `sessions list` shows them.

use serde::Serialize;
use serde_json::Value;
use token_gateway_core::session::Subject;

use crate::cli::output::table;
use crate::shown_value::printable;
use crate::view::{ListedSession, SessionList, Tombstone};

/// The longest text for a device in a table, in characters.
const DEVICE_LEN: usize = 40;

/// How far back ended sessions are known.
const KEPT: &str = "within the last 24 h (or what TOMBSTONE_TTL_SECONDS of the nodes says)";

#[derive(Serialize)]
pub struct OfSubject<'a> {
    #[serde(skip)]
    pub subject: &'a Subject,
    #[serde(flatten)]
    pub live: SessionList,
    /// Where they were asked for.
    #[serde(flatten)]
    pub ended: Option<EndedSessions>,
}

/// Ended sessions, the latest first.
#[derive(Serialize)]
pub struct EndedSessions {
    pub ended: Vec<Tombstone>,
    /// The number of further ones.
    pub more: usize,
}

impl OfSubject<'_> {
    pub fn text(&self) -> String {
        let (subject, live) = (printable(self.subject.as_str()), &self.live.sessions);
        match &self.ended {
            None if live.is_empty() => {
                format!("{subject} has no live session; --ended shows those that ended {KEPT}\n")
            }
            None => live_table(live),
            Some(EndedSessions { ended, .. }) => {
                let live = match live.is_empty() {
                    true => format!("{subject} has no live session\n"),
                    false => live_table(live),
                };
                let ended = match ended.is_empty() {
                    true => format!("{subject} has no session that ended {KEPT}\n"),
                    false => ended_table(ended),
                };
                format!("{live}\n{ended}")
            }
        }
    }
}

fn live_table(sessions: &[ListedSession]) -> String {
    let header = ["SESSION", "DEVICE", "IP", "CLIENT_ID", "CREATED", "REFRESHED", "EXPIRES", "GEN"];
    let row = |item: &ListedSession| {
        let (created, refreshed) = (item.created_at.clone(), item.last_refreshed_at.clone());
        [
            item.session_id.to_string(),
            device(&item.client),
            known(&item.client, &["ip"]),
            printable(&item.client_id),
            created,
            refreshed,
            item.expires_at.clone(),
            item.generation.to_string(),
        ]
    };
    table(header, sessions.iter().map(row))
}

fn ended_table(sessions: &[Tombstone]) -> String {
    let row = |one: &Tombstone| {
        let (session, reason) = (one.session_id.to_string(), one.reason.as_str().to_owned());
        [session, one.state.to_owned(), reason, one.ended_at.clone()]
    };
    table(["SESSION", "STATE", "REASON", "ENDED"], sessions.iter().map(row))
}

/// The device as its user would know it, shortened.
fn device(client: &Value) -> String {
    let text = known(client, &["label", "user_agent"]);
    match text.char_indices().nth(DEVICE_LEN) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

/// The first of these members that the client has.
fn known(client: &Value, members: &[&str]) -> String {
    printable(members.iter().find_map(|name| client[name].as_str()).unwrap_or("-"))
}
