//! The error replies of late, for the log and for `/readyz`.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::ErrorReply;

/// A lasting reply is logged this often, and forgotten when it has not come back for as long.
pub const REPLY_INTERVAL: Duration = Duration::from_secs(60);

/// A reply that came within this time still holds, whatever the server says of its rules.
const RECENT: Duration = Duration::from_secs(2);

/// The commands refused within the last minute. All links of a process share it.
#[derive(Debug, Default)]
pub struct ErrorReplies(Mutex<HashMap<String, Seen>>);

/// A reply, and how often it came.
#[derive(Debug)]
struct Seen {
    is_of_rights: bool,
    count: u64,
    /// The count at the last log line.
    logged: u64,
    logged_at: Instant,
    last: Instant,
}

impl ErrorReplies {
    /// Notes a reply. The first one is logged at once, and then a count of them once a minute.
    pub fn record(&self, reply: &ErrorReply) {
        if let Some(line) = self.noted(reply, Instant::now()) {
            log::warn!("{line}");
        }
    }

    /// Notes a reply that has a log line of its own.
    pub fn note(&self, reply: &ErrorReply) {
        self.noted(reply, Instant::now());
    }

    /// Drops the error replies for want of rights: the user has them all. Recent ones stay, because not every key was
    /// asked about.
    pub fn forget_rights(&self) {
        let mut seen = self.lock();
        let count = seen.len();
        seen.retain(|_, seen| !seen.is_of_rights || seen.last.elapsed() < RECENT);
        if seen.len() < count {
            log::info!("Redis grants its user all rights again");
        }
    }

    /// A line for each reply of the last minute.
    pub fn lines(&self) -> Vec<String> {
        let mut seen = self.lock();
        seen.retain(|_, seen| seen.last.elapsed() < REPLY_INTERVAL);
        let line = |(reply, seen): (&String, &Seen)| {
            format!("{reply}; {} so far, the last {} s ago", seen.count, seen.last.elapsed().as_secs())
        };
        seen.iter().map(line).collect()
    }

    /// The log line that is due.
    fn noted(&self, reply: &ErrorReply, now: Instant) -> Option<String> {
        let (mut all, name) = (self.lock(), reply.to_string());
        all.retain(|_, seen| now.duration_since(seen.last) < REPLY_INTERVAL);
        let Some(seen) = all.get_mut(&name) else {
            let is_of_rights = reply.is_of_rights();
            let seen = Seen { is_of_rights, count: 1, logged: 1, logged_at: now, last: now };
            all.insert(name.clone(), seen);
            return Some(name);
        };
        (seen.count, seen.last) = (seen.count + 1, now);
        if now.duration_since(seen.logged_at) < REPLY_INTERVAL {
            return None;
        }
        let more = seen.count - seen.logged;
        (seen.logged, seen.logged_at) = (seen.count, now);
        Some(format!("{name}; {more} more"))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.0.lock().expect("no panic while the error replies are held")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_logged_at_once_then_counted_once_a_minute_and_forgotten_after_a_quiet_one() {
        let (error_replies, reply) = (ErrorReplies::default(), ErrorReply::by_member_of_cluster());
        let began = Instant::now();
        let noted = |seconds: u64| error_replies.noted(&reply, began + Duration::from_secs(seconds));
        assert_eq!(noted(0), Some(reply.to_string()));
        let lines: Vec<_> = (1..=120).filter_map(&noted).collect();
        assert_eq!(lines, [format!("{reply}; 60 more"), format!("{reply}; 60 more")]);
        assert_eq!(noted(181), Some(reply.to_string()), "a new spell begins");
    }
}
