//! The sessions of a denylist in the order of their first events, in segments of 256. A stream is a cursor in this log:
//! earlier events and later ones are read alike, one at a time, so no reader is too slow and nothing is copied for it.

use std::collections::VecDeque;
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::watch;

use super::super::RevocationEvent;
use super::super::limits::ENDS_AT_ONCE;
use crate::clock::Timestamp;

/// A reader's place among the events of a denylist. It reads those that were published since a moment.
#[derive(Debug, Clone)]
pub struct EventCursor {
    /// The number of the next event; zero at the beginning of the log, wherever that is.
    next: u64,
    pub(super) since: Timestamp,
}

impl EventCursor {
    pub(super) fn new(since: Timestamp) -> Self {
        Self { next: 0, since }
    }

    /// Whether it has read all events before this place.
    pub fn has_reached(&self, place: u64) -> bool {
        self.next >= place
    }
}

/// A look at the next event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextEvent {
    /// The event.
    Event(RevocationEvent),
    /// It is nothing for this reader: too old, or dropped.
    Skipped,
    /// There is none yet.
    End,
    /// The reader is so slow that events are gone for their age.
    Trimmed,
}

/// The answer to a look at the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// The session of an event, and the lowest bits of the event's place.
    Session(u64, u32),
    /// A whole segment is too old for this reader.
    Skipped,
    /// There is nothing yet.
    End,
    /// The event is gone for its age.
    Trimmed,
}

#[derive(Debug)]
pub(super) struct EventLog {
    segments: RwLock<Segments>,
    /// The number of all events ever appended.
    end: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Segments {
    /// The number of the first event that is held.
    first: u64,
    held: VecDeque<Segment>,
}

/// All segments but the last are full.
#[derive(Debug)]
struct Segment {
    sessions: Vec<u64>,
    /// When the latest came here, in seconds since the start of the denylist.
    learnt: u32,
    /// The latest time of an event.
    latest: Timestamp,
}

impl EventLog {
    pub fn new() -> Self {
        Self { segments: RwLock::default(), end: watch::Sender::new(0) }
    }

    /// Appends an event. Returns its place.
    pub fn append(&self, session: u64, at: Timestamp, learnt: u32) -> u64 {
        let mut segments = self.write();
        if segments.held.back().is_none_or(Segment::is_full) {
            segments.held.push_back(Segment::new());
        }
        let segment = segments.held.back_mut().expect("there is one now");
        segment.sessions.push(session);
        segment.learnt = learnt;
        segment.latest = segment.latest.max(at);
        segments.end() - 1
    }

    /// Another event of an end came, with a later time. `place` has the lowest bits of the place of the first one.
    pub fn renew(&self, place: u32, at: Timestamp) {
        let mut segments = self.write();
        let offset = place.wrapping_sub(segments.first as u32) as usize;
        if let Some(segment) = segments.held.get_mut(offset / ENDS_AT_ONCE) {
            segment.latest = segment.latest.max(at);
        }
    }

    pub fn read(&self, cursor: &mut EventCursor) -> Entry {
        let segments = self.segments();
        if cursor.next == 0 {
            cursor.next = segments.first;
        }
        let Some(offset) = cursor.next.checked_sub(segments.first) else { return Entry::Trimmed };
        let (segment, within) = (offset as usize / ENDS_AT_ONCE, offset as usize % ENDS_AT_ONCE);
        let Some(segment) = segments.held.get(segment) else { return Entry::End };
        if segment.is_full() && segment.latest < cursor.since {
            cursor.next += (ENDS_AT_ONCE - within) as u64;
            return Entry::Skipped;
        }
        let Some(session) = segment.sessions.get(within) else { return Entry::End };
        cursor.next += 1;
        Entry::Session(*session, (cursor.next - 1) as u32)
    }

    /// The place after the last event.
    pub fn end(&self) -> u64 {
        self.segments().end()
    }

    /// Wakes the readers that wait for events.
    pub fn wake(&self) {
        let end = self.end();
        self.end.send_if_modified(|known| std::mem::replace(known, end) != end);
    }

    /// Changes after events have come.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.end.subscribe()
    }

    /// Drops the segments with nothing learnt since `before`, one at a time.
    pub fn trim(&self, before: u32) {
        while self.write().trim(before) {}
    }

    fn segments(&self) -> RwLockReadGuard<'_, Segments> {
        self.segments.read().expect("no panic while the log is held")
    }

    fn write(&self) -> RwLockWriteGuard<'_, Segments> {
        self.segments.write().expect("no panic while the log is held")
    }
}

impl Segments {
    fn end(&self) -> u64 {
        let last = self.held.back().map_or(0, |last| last.sessions.len());
        self.first + (self.held.len().saturating_sub(1) * ENDS_AT_ONCE + last) as u64
    }

    fn trim(&mut self, before: u32) -> bool {
        let is_old = |segment: &Segment| segment.is_full() && segment.learnt < before;
        if !self.held.front().is_some_and(is_old) {
            return false;
        }
        self.held.pop_front();
        self.first += ENDS_AT_ONCE as u64;
        true
    }
}

impl Segment {
    fn new() -> Self {
        Self { sessions: Vec::with_capacity(ENDS_AT_ONCE), learnt: 0, latest: Timestamp::default() }
    }

    fn is_full(&self) -> bool {
        self.sessions.len() == ENDS_AT_ONCE
    }
}
