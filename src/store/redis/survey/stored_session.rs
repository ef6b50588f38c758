//! One session, or one subject's.

use std::time::Duration;

use token_gateway_core::session::{Jti, SessionId, Subject};

use super::reader::{Cursor, SCAN_BATCH, Survey, failed};
use crate::store::redis::layout::Key;
use crate::store::redis::page_reading::PageReading;
use crate::store::redis::scripts::{get_session, list_sessions};
use crate::store::{Lookup, Page, PageRequest, SessionRecord, StoreError};

/// One session, with facts only for operators.
pub struct Found {
    pub subject: Subject,
    pub lookup: Lookup,
    /// How much longer the record is kept.
    pub ttl: Duration,
    /// Only for a live session.
    pub token: Option<CurrentToken>,
}

/// The current refresh token of a session.
#[derive(Debug, serde::Serialize)]
pub struct CurrentToken {
    pub jti: Jti,
    /// Its predecessor, from the first rotation on.
    pub prev: Option<Jti>,
    pub scope: Option<String>,
    pub aud: Option<String>,
}

impl Survey {
    /// The subject's live sessions, the most recently refreshed first. `max_age` is the nodes' absolute lifetime, where
    /// it is known.
    pub async fn sessions(
        &mut self,
        subject: &Subject,
        max_age: Option<Duration>,
    ) -> Result<Vec<SessionRecord>, StoreError> {
        let (mut sessions, mut asked) = (Vec::new(), PageRequest::default());
        loop {
            let page = self.page(subject, asked, max_age).await?;
            sessions.extend(page.sessions);
            asked.after = page.next;
            if page.next.is_none() {
                SessionRecord::sort(&mut sessions);
                return Ok(sessions);
            }
        }
    }

    async fn page(
        &mut self,
        subject: &Subject,
        asked: PageRequest,
        max_age: Option<Duration>,
    ) -> Result<Page, StoreError> {
        let (key, mut reading) = (self.keys.sessions(subject), PageReading::new(asked, max_age));
        while let Some(ids) = reading.wanted() {
            let call = list_sessions::call(&key, ids);
            reading.take(self.call(&key, &call).await?)?;
        }
        Ok(reading.page())
    }

    pub async fn session(
        &mut self,
        subject: &Subject,
        session: SessionId,
        max_age: Option<Duration>,
    ) -> Result<Found, StoreError> {
        let key = self.keys.session(subject, session);
        let lookup = get_session::decode(self.call(&key, &get_session::call(&key)).await?, session, max_age)?;
        let (ttl, token) = self.ttl_and_token(&key).await?;
        let token = token.filter(|_| matches!(lookup, Lookup::Live { .. }));
        Ok(Found { subject: subject.clone(), lookup, ttl, token })
    }

    /// The facts missing from the script's reply. They are asked for a moment later, so there is no token if the
    /// session has ended since.
    async fn ttl_and_token(&mut self, key: &str) -> Result<(Duration, Option<CurrentToken>), StoreError> {
        let mut questions = redis::pipe();
        questions.cmd("PTTL").arg(key).cmd("HMGET").arg(key).arg(&["jti", "prev", "scope", "aud"]);
        let (server, connection) = self.primaries.owner(key)?;
        let answers = questions.query_async(connection).await.map_err(|error| failed(&error, server))?;
        let (ttl, (jti, prev, scope, aud)): (i64, (Option<String>, Option<String>, _, _)) = answers;
        let ttl = Duration::from_millis(u64::try_from(ttl).unwrap_or(0));
        let read = |text: String| {
            text.parse().map_err(|_| StoreError::Corrupt("stored 'jti' cannot be read".into()))
        };
        let Some(jti) = jti.map(read).transpose()? else { return Ok((ttl, None)) };
        Ok((ttl, Some(CurrentToken { jti, prev: prev.map(read).transpose()?, scope, aud })))
    }

    /// The subjects of a session, by a walk over all keys; more than one only if somebody meddled. `progress` gets the
    /// number of keys passed.
    pub async fn subjects_of(
        &mut self,
        session: SessionId,
        mut progress: impl FnMut(u64),
    ) -> Result<Vec<Subject>, StoreError> {
        let (pattern, mut subjects, mut cursor) =
            (self.keys.of_session(session), Vec::new(), Cursor::default());
        while let Some(batch) = self.walk(&mut cursor, &pattern).await? {
            progress(SCAN_BATCH);
            subjects.extend(batch.iter().filter_map(|key| match self.keys.read(key) {
                Some(Key::Session(subject, _)) => Some(subject),
                _ => None,
            }));
        }
        subjects.sort();
        subjects.dedup();
        Ok(subjects)
    }
}
