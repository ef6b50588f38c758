//! One bucket of a denylist: up to 256 ends, packed. They are sorted by session, so a lookup takes a few steps.

use super::super::limits::ENDS_AT_ONCE;
use super::super::{EndedSession, RevocationEvent};
use super::chunked::Chunked;
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

/// The bytes that an end takes up, at most: with its parts of the log and of its bucket, and of what chunks waste.
pub(super) const fn bytes_of_end(subject_bytes: usize) -> usize {
    60 + subject_bytes + subject_bytes / 8
}

/// Ends that were dropped.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    pub ends: usize,
    pub bytes: usize,
}

#[derive(Debug, Default)]
pub(super) struct Bucket {
    ends: Chunked<End, 4>,
    /// The subjects.
    text: Chunked<u8, 256>,
}

impl Bucket {
    /// The end of a session of this subject. Several subjects have the same session only where the holder of a signing
    /// key has made one up.
    pub fn find(&self, session: u64, subject: &Subject) -> Option<&End> {
        self.of_session(session).find(|end| self.is_of(end, subject))
    }

    pub fn find_mut(&mut self, session: u64, subject: &Subject) -> Option<&mut End> {
        let first = self.first_of(session);
        let nth = self.of_session(session).position(|end| self.is_of(end, subject))?;
        Some(self.ends.get_mut(first + nth))
    }

    /// The ends of a session.
    pub fn of_session(&self, session: u64) -> impl Iterator<Item = &End> {
        let from_first = self.ends.range(self.first_of(session)..self.ends.len());
        from_first.take_while(move |end| end.session == session)
    }

    pub fn iter(&self) -> impl Iterator<Item = &End> {
        self.ends.range(0..self.ends.len())
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
        bytes.iter().for_each(|byte| self.text.push(*byte));
        self.ends.insert(self.first_of(session), end);
    }

    /// Drops the ends learnt before this second.
    pub fn sweep(&mut self, before: u32) -> Dropped {
        let old = self.iter().filter(|end| end.is_older_than(before));
        let dropped = old.fold(Dropped::default(), Dropped::and);
        if dropped.ends > 0 {
            let mut kept = Self::default();
            for end in self.iter().filter(|end| !end.is_older_than(before)) {
                let text = kept.text.len() as u16;
                self.subject(end).for_each(|byte| kept.text.push(byte));
                kept.ends.push(End { text, ..*end });
            }
            *self = kept;
        }
        dropped
    }

    /// The subject and the end, as they came.
    pub fn named(&self, end: &End) -> (Subject, EndedSession) {
        let text = String::from_utf8(self.subject(end).collect()).expect("it was the text of a subject");
        let ended = EndedSession { session: SessionId::of_number(end.session), reason: end.reason() };
        (text.try_into().expect("it was a subject"), ended)
    }

    /// The latest event of an end.
    pub fn event(&self, end: &End) -> RevocationEvent {
        let (subject, ended) = self.named(end);
        RevocationEvent { subject, ended, at: end.published.at() }
    }

    fn is_of(&self, end: &End, subject: &Subject) -> bool {
        usize::from(end.text_len) == subject.as_str().len() && self.subject(end).eq(subject.as_str().bytes())
    }

    fn subject(&self, end: &End) -> impl Iterator<Item = u8> {
        let begin = usize::from(end.text);
        self.text.range(begin..begin + usize::from(end.text_len)).copied()
    }

    fn first_of(&self, session: u64) -> usize {
        self.ends.partition_point(|end| end.session < session)
    }
}

impl Dropped {
    fn and(self, end: &End) -> Self {
        Self { ends: self.ends + 1, bytes: self.bytes + bytes_of_end(usize::from(end.text_len)) }
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
