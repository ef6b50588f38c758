//! Reads a page of sessions in slices, so that no call holds Redis up for longer than a few refreshes.
//!
//! The first call reads the ids of the set, and its records where they are few. Each further call reads one slice of the
//! records. This is the order of the calls; the caller sends them.

use std::time::Duration;

use token_gateway_core::session::SessionId;
use token_gateway_redis_link::Reply;

use super::scripts::list_sessions::{self, Listing, MAX_SLICE};
use crate::store::{Page, PageRequest, SessionRecord, StoreError};

/// The most slices of one page. A full page takes four. The others pass over members of the set that do not live any more.
const MAX_SLICES: usize = 8;

/// A page on its way.
pub struct PageReading {
    asked: PageRequest,
    max_age: Option<Duration>,
    /// The ids after the last page, in order; `None` until the set is read.
    ids: Option<Vec<SessionId>>,
    /// How many of the ids, and in how many slices, have been read.
    passed: usize,
    slices: usize,
    found: Vec<SessionRecord>,
}

impl PageReading {
    /// `max_age` is the setting of the absolute lifetime.
    pub fn new(asked: PageRequest, max_age: Option<Duration>) -> Self {
        Self { asked, max_age, ids: None, passed: 0, slices: 0, found: Vec::new() }
    }

    /// The ids for the next call, none for the first one. `None` once the page is read.
    pub fn wanted(&self) -> Option<&[SessionId]> {
        let Some(ids) = &self.ids else { return Some(&[]) };
        let slice = &ids[self.passed..self.slice_end(ids)];
        (!slice.is_empty()).then_some(slice)
    }

    /// A page takes one session more than it shows, to know whether another page follows.
    fn slice_end(&self, ids: &[SessionId]) -> usize {
        let lacking = (self.asked.limit + 1).saturating_sub(self.found.len());
        let len = if self.slices < MAX_SLICES { lacking.min(MAX_SLICE) } else { 0 };
        ids.len().min(self.passed + len)
    }

    /// Takes the reply to the next call.
    pub fn take(&mut self, reply: Reply) -> Result<(), StoreError> {
        match (list_sessions::decode(reply, self.max_age)?, &self.ids) {
            (Listing::Sessions(found), None) => {
                self.ids = Some(Vec::new());
                self.found = found;
            }
            (Listing::Sessions(found), Some(ids)) => {
                self.passed = self.slice_end(ids);
                self.slices += 1;
                self.found.extend(found);
            }
            (Listing::Ids(mut ids), _) => {
                ids.retain(|session| Some(*session) > self.asked.after);
                ids.sort_unstable();
                self.ids = Some(ids);
            }
        }
        Ok(())
    }

    /// The page. Where too many members of the set do not live any more, it may have fewer sessions than asked for, and
    /// be followed by another one all the same.
    pub fn page(self) -> Page {
        let mut page = Page::of(self.found, self.asked);
        let ids = self.ids.unwrap_or_default();
        if self.passed < ids.len() && page.next.is_none() {
            page.next = ids[..self.passed].last().copied();
        }
        page
    }
}
