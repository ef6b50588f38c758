//! Key layout v1. Every key of the gateway is built here, and nowhere else.
//!
//! | key | type | TTL | holds |
//! |---|---|---|---|
//! | `tg:{sub}:session:<sid>` | hash | refresh lifetime, re-armed at each rotation | the refresh record, or a tombstone |
//! | `tg:{sub}:sessions` | set | that of its longest-lived member | ids of the subject's live sessions, and of ended ones until they are announced |
//! | `tg:revocations` | stream | trimmed by age | the feed of ended sessions |
//! | `tg:schema` | string | none | [`LAYOUT_VERSION`] |
//!
//! All keys of one subject share the hash tag `{sub}`, so they sit in one Cluster slot and one script can
//! touch them atomically. Scripts derive a session's key from the set's: `…:sessions` without its `s`, a
//! colon, the session id. **A changed key name is a data migration**: see `migrations-notes/`.

use crate::session::{SessionId, Subject};

/// The layout this node reads and writes. A node refuses to run on a newer one.
pub const LAYOUT_VERSION: u32 = 1;

#[derive(Debug, Clone)]
pub struct Keys {
    prefix: String,
}

impl Keys {
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
        format!("{}:revocations", self.prefix)
    }

    pub fn layout(&self) -> String {
        format!("{}:schema", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_pinned_because_a_changed_name_is_a_data_migration() {
        let keys = Keys::new("tg");
        let subject: Subject = "alice@example.com".parse().unwrap();
        let session: SessionId = "4830719265501837429".parse().unwrap();
        assert_eq!(keys.session(&subject, session), "tg:{alice@example.com}:session:4830719265501837429");
        assert_eq!(keys.sessions(&subject), "tg:{alice@example.com}:sessions");
        assert_eq!(keys.feed(), "tg:revocations");
        assert_eq!(keys.layout(), "tg:schema");
        assert_eq!(LAYOUT_VERSION, 1);
    }

    #[test]
    fn a_hostile_subject_stays_inside_its_hash_tag() {
        let subject: Subject = "a}:{b".parse().unwrap();
        assert_eq!(Keys::new("tg").sessions(&subject), "tg:{a%7D%3A%7Bb}:sessions");
    }

    #[test]
    fn a_session_key_is_its_set_key_without_the_s_and_the_id() {
        let keys = Keys::new("tg");
        let (subject, session) = ("bob".parse().unwrap(), SessionId::random());
        let set = keys.sessions(&subject);
        assert_eq!(keys.session(&subject, session), format!("{}:{session}", &set[..set.len() - 1]));
    }
}
