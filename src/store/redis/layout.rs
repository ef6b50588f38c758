//! Key layout v1. Every key of the gateway is built here, and nowhere else.
//!
//! | key | type | TTL | holds |
//! |---|---|---|---|
//! | `tg:{sub}:session:<sid>` | hash | refresh lifetime, re-armed at each rotation | the refresh record, or a tombstone |
//! | `tg:{sub}:sessions` | set | as its longest-lived member | ids of the subject's live sessions, and of ended ones until they are published |
//! | `tg:revocations`; in a Cluster `tg:{feed-N}:revocations`, see [`feed::stream_keys`] | stream | trimmed by age | the revocation feed |
//! | `tg:schema` | string | none | [`LAYOUT_VERSION`] |
//!
//! All keys of one subject share the hash tag `{sub}`, so they sit in one Cluster slot and one script can
//! touch them atomically. Scripts derive a session's key from the set's: `…:sessions` without its `s`, a
//! colon, the session id. **A changed key name is a data migration**: see `migrations-notes/`.

use token_gateway_core::feed;
use token_gateway_core::session::{SessionId, Subject};

/// The layout this node reads and writes. A node refuses to run on any other.
pub const LAYOUT_VERSION: u32 = 1;

/// One that begins with a small letter, a large one, a digit, and in keys `%`.
const SAMPLE_SUBJECTS: [&str; 4] = ["check", "Zoe", "0", "\u{fc}"];

/// A key of one subject, read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    Session(Subject, SessionId),
    Sessions(Subject),
}

/// The kinds of keys in the table above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    Session,
    Sessions,
    Feed,
    Layout,
}

#[derive(Debug, Clone)]
pub struct Layout {
    prefix: String,
}

impl Layout {
    /// `prefix` is `REDIS_PREFIX`: no brace, or every subject would share one slot.
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    pub fn session(&self, subject: &Subject, session: SessionId) -> String {
        let [record, _] = self.both(subject, session);
        record
    }

    pub fn sessions(&self, subject: &Subject) -> String {
        // Never longer: every byte of a subject may take three.
        let mut key = String::with_capacity(self.prefix.len() + 3 * subject.as_str().len() + 40);
        key.push_str(&self.prefix);
        key.push_str(":{");
        key.extend(subject.encoded());
        key.push_str("}:sessions");
        key
    }

    /// A session's record, and the set of its subject.
    pub fn both(&self, subject: &Subject, session: SessionId) -> [String; 2] {
        let set = self.sessions(subject);
        let mut record = String::with_capacity(set.len() + 20);
        record.push_str(&set[..set.len() - 1]);
        record.push(':');
        record.push_str(session.as_str());
        [record, set]
    }

    pub fn feed(&self) -> String {
        feed::stream_keys::stream(&self.prefix)
    }

    /// The partitions of the feed in a Cluster.
    pub fn feeds(&self) -> Vec<String> {
        feed::stream_keys::partitions(&self.prefix)
    }

    pub fn layout(&self) -> String {
        format!("{}:schema", self.prefix)
    }

    /// The pattern of all subjects' keys. No character of a prefix has a meaning in `SCAN MATCH`.
    pub fn of_subjects(&self) -> String {
        format!("{}:{{*", self.prefix)
    }

    /// The beginning of a subject's keys, up to their hash tag.
    pub fn before_tag(&self) -> String {
        format!("{}:{{", self.prefix)
    }

    /// The pattern of the key of a session with an unknown subject.
    pub fn of_session(&self, session: SessionId) -> String {
        format!("{}:{{*}}:session:{session}", self.prefix)
    }

    /// The pattern of the keys of a subject's sessions. No character of an encoded subject has a meaning in it either.
    pub fn of_sessions(&self, subject: &Subject) -> String {
        let set = self.sessions(subject);
        format!("{}:*", &set[..set.len() - 1])
    }

    /// The pattern of every key, for the rule of a user.
    pub fn all(&self) -> String {
        format!("{}:*", self.prefix)
    }

    /// The pattern of all keys of a kind.
    pub fn pattern(&self, kind: KeyKind, in_cluster: bool) -> String {
        let prefix = &self.prefix;
        match kind {
            KeyKind::Session => format!("{prefix}:{{*}}:session:*"),
            KeyKind::Sessions => format!("{prefix}:{{*}}:sessions"),
            KeyKind::Feed if in_cluster => format!("{prefix}:{{feed-*}}:revocations"),
            KeyKind::Feed => self.feed(),
            KeyKind::Layout => self.layout(),
        }
    }

    /// Keys of a kind, to ask about rights on them. Their subjects begin differently, and each partition of the feed is there.
    pub fn samples(&self, kind: KeyKind, in_cluster: bool) -> Vec<String> {
        let subjects = SAMPLE_SUBJECTS.iter().map(|name| name.parse::<Subject>().expect("a subject"));
        let session: SessionId = "1000000000000000000".parse().expect("an id");
        match kind {
            KeyKind::Session => subjects.map(|subject| self.session(&subject, session)).collect(),
            KeyKind::Sessions => subjects.map(|subject| self.sessions(&subject)).collect(),
            KeyKind::Feed if in_cluster => self.feeds(),
            KeyKind::Feed => vec![self.feed()],
            KeyKind::Layout => vec![self.layout()],
        }
    }

    /// The meaning of a key; `None` for a key outside this layout.
    pub fn read(&self, key: &[u8]) -> Option<Key> {
        let key = std::str::from_utf8(key).ok()?;
        let (subject, rest) = key.strip_prefix(&self.prefix)?.strip_prefix(":{")?.split_once("}:")?;
        let subject = Subject::from_encoded(subject)?;
        match rest.strip_prefix("session:") {
            Some(session) => Some(Key::Session(subject, session.parse().ok()?)),
            None => (rest == "sessions").then_some(Key::Sessions(subject)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_pinned_because_a_changed_name_is_a_data_migration() {
        let keys = Layout::new("tg");
        let subject: Subject = "alice@example.com".parse().unwrap();
        let session: SessionId = "4830719265501837429".parse().unwrap();
        assert_eq!(keys.session(&subject, session), "tg:{alice@example.com}:session:4830719265501837429");
        assert_eq!(keys.sessions(&subject), "tg:{alice@example.com}:sessions");
        assert_eq!(keys.feed(), "tg:revocations");
        assert_eq!(keys.feeds()[..2], ["tg:{feed-596}:revocations", "tg:{feed-486}:revocations"]);
        assert_eq!(keys.layout(), "tg:schema");
        assert_eq!(LAYOUT_VERSION, 1);
    }

    #[test]
    fn a_hostile_subject_stays_inside_its_hash_tag() {
        let subject: Subject = "a}:{b".parse().unwrap();
        assert_eq!(Layout::new("tg").sessions(&subject), "tg:{a%7D%3A%7Bb}:sessions");
    }

    #[test]
    fn the_pattern_of_a_subjects_sessions_holds_no_wildcard_of_the_subject() {
        let pattern = Layout::new("tg:eu-1_x").of_sessions(&r"*?[a-z]\^".parse().unwrap());
        assert_eq!(pattern, "tg:eu-1_x:{%2A%3F%5Ba-z%5D%5C%5E}:session:*");
    }

    #[test]
    fn a_key_is_read_back_and_what_is_none_of_ours_is_not() {
        let (keys, session) = (Layout::new("tg:eu"), SessionId::random());
        for name in ["alice", "a}:{b ü%", "x".repeat(255).as_str()] {
            let subject: Subject = name.parse().unwrap();
            let read = |key: String| keys.read(key.as_bytes());
            assert_eq!(read(keys.session(&subject, session)), Some(Key::Session(subject.clone(), session)));
            assert_eq!(read(keys.sessions(&subject)), Some(Key::Sessions(subject)));
        }
        for other in [
            "tg:{alice}:sessions",
            "tg:eu:{alice}:session",
            "tg:eu:{alice}:session:1",
            "tg:eu:{al ice}:sessions",
            "tg:eu:{%61lice}:sessions",
            "tg:eu:{%FF}:sessions",
            "tg:eu:{}:sessions",
            "tg:eu:revocations",
        ] {
            assert_eq!(keys.read(other.as_bytes()), None, "{other}");
        }
        assert_eq!(keys.read(b"tg:eu:{\xff}:sessions"), None);
    }

    #[test]
    fn a_session_key_is_its_set_key_without_the_s_and_the_id() {
        let keys = Layout::new("tg");
        let (subject, session) = ("bob".parse().unwrap(), SessionId::random());
        let set = keys.sessions(&subject);
        assert_eq!(keys.session(&subject, session), format!("{}:{session}", &set[..set.len() - 1]));
    }
}
