//! One bucket of a denylist: up to 256 ends, packed. They are sorted by session, so a lookup takes a few steps.

use super::super::limits::ENDS_AT_ONCE;
use super::super::{EndedSession, RevocationEvent};
use crate::clock::Timestamp;
use crate::session::{Reason, SessionId, Subject};

/// An end without its subject: 32 bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    session: u64,
    pub published: Published,
    /// When it came here, in seconds since the start of the denylist.
    learnt: u32,
    /// The snapshot in which it was seen last, or after which its event came.
    pub seen: u32,
    /// The lowest bits of its place in the log.
    pub place: u32,
    /// Where its subject begins in the text of the bucket.
    text: u16,
    text_len: u8,
    reason: u8,
}

/// The latest event of an end: milliseconds on the clock of the store, then 8 bits for the partition plus one. Zero
/// before the first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Published(u64);

impl Published {
    pub fn new(at: Timestamp, partition: usize) -> Self {
        Self((at.0 / 1000) << 8 | (partition as u64 + 1))
    }

    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    pub fn at(self) -> Timestamp {
        Timestamp((self.0 >> 8).saturating_mul(1000))
    }

    pub fn is_by(self, partition: usize) -> bool {
        self.0 & 0xff == partition as u64 + 1
    }
}

#[derive(Debug, Default)]
pub(super) struct Bucket {
    ends: Vec<End>,
    /// The subjects.
    text: Vec<u8>,
}

impl Bucket {
    /// The end of a session of this subject. Several subjects have the same session only where the holder of a signing
    /// key has made one up.
    pub fn find(&self, session: u64, subject: &Subject) -> Option<&End> {
        self.of_session(session).find(|end| self.subject(end) == subject.as_str().as_bytes())
    }

    pub fn find_mut(&mut self, session: u64, subject: &Subject) -> Option<&mut End> {
        let first = self.first_of(session);
        let same = self.of_session(session);
        let nth = same.take_while(|end| self.subject(end) != subject.as_str().as_bytes()).count();
        self.ends.get_mut(first + nth).filter(|end| end.session == session)
    }

    /// The ends of a session.
    pub fn of_session(&self, session: u64) -> impl Iterator<Item = &End> {
        self.ends[self.first_of(session)..].iter().take_while(move |end| end.session == session)
    }

    pub fn iter(&self) -> impl Iterator<Item = &End> {
        self.ends.iter()
    }

    pub fn is_full(&self) -> bool {
        self.ends.len() >= ENDS_AT_ONCE
    }

    /// Adds an end that is not held yet, to a bucket that is not full.
    pub fn insert(&mut self, session: u64, subject: &Subject, reason: Reason, learnt: u32) {
        let (text, bytes) = (self.text.len() as u16, subject.as_str().as_bytes()); // 256 subjects of 255 bytes fit
        let reason = Reason::ALL.iter().position(|one| *one == reason).expect("ALL holds every reason") as u8;
        let end = End {
            session,
            published: Published::default(),
            learnt,
            seen: 0,
            place: 0,
            text,
            text_len: bytes.len() as u8,
            reason,
        };
        grow(&mut self.text, bytes.len());
        self.text.extend_from_slice(bytes);
        grow(&mut self.ends, 1);
        self.ends.insert(self.first_of(session), end);
    }

    /// Drops the ends learnt before this second. Returns their number.
    pub fn sweep(&mut self, before: u32) -> usize {
        let old = self.ends.iter().filter(|end| end.learnt < before).count();
        if old > 0 {
            let mut kept = Self { ends: Vec::with_capacity(self.ends.len() - old), text: Vec::new() };
            for end in self.ends.iter().filter(|end| end.learnt >= before) {
                let text = kept.text.len() as u16;
                kept.text.extend_from_slice(self.subject(end));
                kept.ends.push(End { text, ..*end });
            }
            kept.text.shrink_to_fit();
            *self = kept;
        }
        old
    }

    /// The subject and the end, as they came.
    pub fn named(&self, end: &End) -> (Subject, EndedSession) {
        let text = std::str::from_utf8(self.subject(end)).expect("it was the text of a subject");
        let ended = EndedSession { session: SessionId::of_number(end.session), reason: end.reason() };
        (text.parse().expect("it was a subject"), ended)
    }

    /// The latest event of an end.
    pub fn event(&self, end: &End) -> RevocationEvent {
        let (subject, ended) = self.named(end);
        RevocationEvent { subject, ended, at: end.published.at() }
    }

    fn subject(&self, end: &End) -> &[u8] {
        let begin = usize::from(end.text);
        &self.text[begin..begin + usize::from(end.text_len)]
    }

    fn first_of(&self, session: u64) -> usize {
        self.ends.partition_point(|end| end.session < session)
    }
}

impl End {
    pub fn reason(&self) -> Reason {
        Reason::ALL[usize::from(self.reason)]
    }

    pub fn is_older_than(&self, learnt: u32) -> bool {
        self.learnt < learnt
    }

    /// Notes an event. Returns whether it is the first one.
    pub fn note(&mut self, event: Published, partition: usize, snapshot: u32) -> bool {
        let is_first = self.published.is_none();
        self.published = self.published.max(event);
        if self.published.is_by(partition) {
            self.seen = snapshot;
        }
        is_first
    }
}

/// Makes room for `more`. A vector grows by an eighth and not to its double, because all buckets fill up alike.
fn grow<T>(vector: &mut Vec<T>, more: usize) {
    if vector.capacity() - vector.len() < more {
        vector.reserve_exact(more.max(vector.len() / 8));
    }
}
