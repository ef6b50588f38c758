//! A page of a subject's live sessions.
//!
//! Pages go by session id, which no refresh changes. So a refresh between two pages neither hides a session nor shows it
//! twice.

use token_gateway_core::session::SessionId;

use super::SessionRecord;

/// The most sessions of one page.
pub const MAX_PAGE: usize = 100;

/// Which page is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// The page begins after this session; the first one with none.
    pub after: Option<SessionId>,
    /// The most sessions on it.
    pub limit: usize,
}

impl Default for PageRequest {
    /// The first page, with as many sessions as one may have.
    fn default() -> Self {
        Self { after: None, limit: MAX_PAGE }
    }
}

/// The sessions of a page, the most recently refreshed first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub sessions: Vec<SessionRecord>,
    /// The next page begins after this session. `None` on the last page.
    pub next: Option<SessionId>,
}

impl Page {
    /// The page of `asked`. `live` has the subject's sessions in any order: all of them, or at least the page and one more
    /// where there is one.
    pub(crate) fn of(mut live: Vec<SessionRecord>, asked: PageRequest) -> Self {
        live.retain(|record| Some(record.session) > asked.after);
        live.sort_by_key(|record| record.session);
        let has_more = live.len() > asked.limit;
        live.truncate(asked.limit);
        let next = live.last().filter(|_| has_more).map(|record| record.session);
        SessionRecord::sort(&mut live);
        Self { sessions: live, next }
    }
}
