//! The error replies of late, for the log and for `/readyz`.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::ErrorReply;

/// A lasting reply is logged this often, and forgotten when it has not come back for as long.
pub const REPLY_INTERVAL: Duration = Duration::from_secs(60);

/// A reply that came within this time still holds, whatever the server says of its rules.
const RECENT: Duration = Duration::from_secs(2);

/// The commands refused within the last minute, by the kind of the reply. All links of a process share it.
#[derive(Debug, Default)]
pub struct ErrorReplies {
    seen: Mutex<HashMap<String, Seen>>,
    /// A server was full for the first time within a minute.
    full: Notify,
}

/// A reply, and how often it came.
#[derive(Debug)]
struct Seen {
    /// The last one: its server and its words may change.
    reply: ErrorReply,
    count: u64,
    /// The count at the last log line.
    logged: u64,
    logged_at: Option<Instant>,
    last: Instant,
}

/// A log line that is due.
#[derive(Debug, Clone)]
pub struct DueReply {
    /// The reply, as it came last.
    pub reply: ErrorReply,
    /// How often it came since its last line.
    pub count: u64,
    is_first: bool,
}

impl fmt::Display for DueReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reply.fmt(f)?;
        if self.is_first { Ok(()) } else { write!(f, "; {} more", self.count) }
    }
}

impl ErrorReplies {
    /// Notes a reply.
    pub(crate) fn record(&self, reply: &ErrorReply) {
        self.record_at(reply, Instant::now());
    }

    /// Notes a reply that has a log line of its own.
    pub(crate) fn note(&self, reply: &ErrorReply) {
        let now = Instant::now();
        self.record_at(reply, now);
        if let Some(seen) = self.lock().get_mut(&reply.kind()) {
            (seen.logged, seen.logged_at) = (seen.count, Some(now));
        }
    }

    /// Drops the error replies for want of rights: the user has them all. Recent ones stay, because not every key was
    /// asked about.
    pub fn forget_rights(&self) {
        let mut seen = self.lock();
        let count = seen.len();
        seen.retain(|_, seen| !seen.reply.is_of_rights() || seen.last.elapsed() < RECENT);
        if seen.len() < count {
            log::info!("Redis grants its user all rights again");
        }
    }

    /// Whether a server was full within the last minute, or could not write to its disk.
    pub fn any_of_pressure(&self) -> bool {
        self.lock().values().any(|seen| seen.reply.may_pass() && seen.last.elapsed() < REPLY_INTERVAL)
    }

    /// Returns when a server is full that was not within the last minute. It serves all else, so nobody may notice
    /// otherwise.
    pub async fn full(&self) {
        self.full.notified().await;
    }

    /// A line for each reply of the last minute.
    pub fn lines(&self) -> Vec<String> {
        let mut seen = self.lock();
        seen.retain(|_, seen| seen.last.elapsed() < REPLY_INTERVAL);
        let line = |seen: &Seen| {
            format!("{}; {} so far, the last {} s ago", seen.reply, seen.count, seen.last.elapsed().as_secs())
        };
        seen.values().map(line).collect()
    }

    /// The log lines that are due: the first reply of a kind, and then a count of them once a minute. Replies that
    /// `is_told` knows from another line have none.
    pub fn due_lines(&self, now: Instant, is_told: impl Fn(&ErrorReply) -> bool) -> Vec<DueReply> {
        let mut all = self.lock();
        let due = all.values_mut().filter_map(|seen| seen.due_line(now));
        let lines = due.filter(|line| !is_told(&line.reply)).collect();
        all.retain(|_, seen| now.saturating_duration_since(seen.last) < REPLY_INTERVAL);
        lines
    }

    fn record_at(&self, reply: &ErrorReply, now: Instant) {
        let mut all = self.lock();
        all.retain(|_, seen| now.saturating_duration_since(seen.last) < REPLY_INTERVAL);
        let new = || {
            if reply.is_of_memory() {
                self.full.notify_one();
            }
            Seen { reply: reply.clone(), count: 0, logged: 0, logged_at: None, last: now }
        };
        let seen = all.entry(reply.kind()).or_insert_with(new);
        (seen.reply, seen.count, seen.last) = (reply.clone(), seen.count + 1, now);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.seen.lock().expect("no panic while the error replies are held")
    }
}

impl Seen {
    fn due_line(&mut self, now: Instant) -> Option<DueReply> {
        let count = self.count - self.logged;
        let is_due =
            self.logged_at.is_none_or(|logged| now.saturating_duration_since(logged) >= REPLY_INTERVAL);
        if count == 0 || !is_due {
            return None;
        }
        let is_first = self.logged_at.is_none();
        (self.logged, self.logged_at) = (self.count, Some(now));
        Some(DueReply { reply: self.reply.clone(), count, is_first })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::address::Address;
    use crate::role::Role;
    use crate::server::Server;

    #[test]
    fn a_reply_is_logged_at_once_then_counted_once_a_minute_and_forgotten_after_a_quiet_one() {
        let address = Address { host: "one".to_owned(), port: 1 };
        let server = Server { address, role: Role::Data, over_tls: false, announcer: None };
        let reply = ErrorReply::by_member_of_cluster(&Arc::new(server));
        let (error_replies, began) = (ErrorReplies::default(), Instant::now());
        let logged = |seconds: u64| {
            let now = began + Duration::from_secs(seconds);
            error_replies.record_at(&reply, now);
            let due = error_replies.due_lines(now, |_| false);
            due.iter().map(|due| (due.to_string(), due.count)).collect::<Vec<_>>()
        };
        assert_eq!(logged(0), [(reply.to_string(), 1)]);
        let lines: Vec<_> = (1..=120).flat_map(&logged).collect();
        assert_eq!(lines, vec![(format!("{reply}; 60 more"), 60); 2]);
        assert_eq!(logged(181), [(reply.to_string(), 1)], "a new spell begins");
    }
}
