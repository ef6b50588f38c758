//! The Redis backend: standalone, behind Sentinels, or a Cluster; Redis 7.0 or newer, or Valkey 7.2 or newer.
//!
//! - [`layout`]: the key layout, one table.
//! - [`scripts`]: the Lua scripts, each with its call and its decoder.
//! - [`token_gateway_redis_link`], a crate of its own: how calls reach the right primary, and how they survive its loss.
//! - [`inspect`]: the checks of `token-gateway check` and `/readyz`.
//! - [`survey`]: reading for the commands of operators. [`store_time`]: the clock of `keys`.
//!
//! This file maps the [`Store`] trait onto the scripts: it chooses the keys, and sends the calls over the links.

pub mod inspect;
pub mod layout;
mod page_reading;
mod redis_settings;
pub mod scripts;
pub mod store_time;
pub mod survey;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use token_gateway_core::clock::{Moment, Timestamp};
use token_gateway_core::feed::{EndedSession, Listener};
use token_gateway_core::session::{Reason, SessionId, Subject};
use token_gateway_redis_link::{Links, feed_reader};

use self::inspect::Requirements;
use self::layout::Layout;
use self::page_reading::PageReading;
pub use self::redis_settings::RedisSettings;
use self::scripts::{
    create, end_session, end_subject, get_session, list_sessions, list_unpublished, mark_published,
    open_layout, publish, rotate, set_claims,
};
use super::{
    Created, EndOutcome, Ends, Lookup, NewSession, Page, PageRequest, Policy, Rotated, Rotation, Store,
    StoreError,
};

/// Sessions in Redis. The connections live on the runtime of the call to [`new`](Self::new).
pub struct RedisStore {
    links: Links,
    keys: Layout,
    /// The keys of the feed's partitions.
    feeds: Vec<String>,
    policy: Policy,
    timeout: Duration,
    requirements: Requirements,
    settings: RedisSettings,
}

impl RedisStore {
    /// Begins to connect in the background; never waits for Redis. Call it on the runtime of all later calls.
    ///
    /// # Errors
    ///
    /// When the URL has none of the known forms.
    pub fn new(settings: &RedisSettings, policy: Policy) -> Result<Self, StoreError> {
        let keys = Layout::new(&settings.prefix);
        let mut link = settings.link.clone();
        link.logs_outages = false; // the node does, by its readiness
        let links = Links::open(&link, Some(open_layout::handshake(&keys)))?;
        let feeds = if links.is_cluster() { keys.feeds() } else { vec![keys.feed()] };
        let (timeout, requirements) = (settings.link.timeout, Requirements::of(&settings.link)?);
        Ok(Self { links, keys, feeds, policy, timeout, requirements, settings: settings.clone() })
    }

    /// The partition for the ends of the subject's sessions. It lies on the same server as the sessions, wherever this
    /// server has a partition.
    fn feed_of(&self, subject: &Subject) -> &str {
        self.links.nearest(&self.keys.sessions(subject), &self.feeds)
    }
}

#[async_trait]
impl Store for RedisStore {
    fn late(&self, within: Duration) -> StoreError {
        StoreError::Unavailable(format!("{}, or raise REDIS_TIMEOUT_MS", self.links.late(within).cause()))
    }

    async fn create(&self, new: &NewSession<'_>) -> Result<Created, StoreError> {
        let [session, sessions] = &self.keys.both(new.subject, new.jti.session());
        let call = |clock: &_| create::call([session, sessions], new, &self.policy, clock);
        create::decode(self.links.call(sessions, call).await?, self.policy.session_max_age)
    }

    async fn rotate(&self, rotation: &Rotation<'_>) -> Result<Rotated, StoreError> {
        let [session, sessions] = &self.keys.both(rotation.subject, rotation.presented.session());
        let call = |clock: &_| rotate::call([session, sessions], rotation, &self.policy, clock);
        rotate::decode(self.links.call(sessions, call).await?, rotation)
    }

    async fn end_session(
        &self,
        subject: &Subject,
        session: SessionId,
        reason: Reason,
    ) -> Result<EndOutcome, StoreError> {
        let [session, sessions] = &self.keys.both(subject, session);
        let call = |_: &_| end_session::call([session, sessions], reason, self.policy.tombstone_ttl);
        end_session::decode(self.links.call(sessions, call).await?)
    }

    /// Ends nothing under a clock that cannot date `sent_at`: it belongs to another server than the one asked for the
    /// time. The call then goes out with the earliest time, older than any session, and its outcome is an error.
    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionId>,
        reason: Reason,
        sent_at: Moment,
    ) -> Result<Ends, StoreError> {
        let (sessions, is_undated) = (self.keys.sessions(subject), AtomicBool::new(false));
        let call = |clock: &_| {
            let sent_at = sent_at.known_on(clock);
            is_undated.store(sent_at.is_none(), Ordering::Relaxed);
            let tombstone_ttl = self.policy.tombstone_ttl;
            end_subject::call(&sessions, sent_at.unwrap_or_default(), except, reason, tombstone_ttl)
        };
        let ended = end_subject::decode(self.links.call(&sessions, call).await?)?;
        if is_undated.into_inner() {
            let changed = "another server became the primary meanwhile; repeat the call";
            return Err(StoreError::Unavailable(changed.to_owned()));
        }
        Ok(ended)
    }

    async fn get(&self, subject: &Subject, session: SessionId) -> Result<Lookup, StoreError> {
        let record = self.keys.session(subject, session);
        let reply = self.links.call(&record, |_| get_session::call(&record)).await?;
        get_session::decode(reply, session, self.policy.session_max_age)
    }

    async fn list(&self, subject: &Subject, asked: PageRequest) -> Result<Page, StoreError> {
        let sessions = self.keys.sessions(subject);
        let mut reading = PageReading::new(asked, self.policy.session_max_age);
        while let Some(ids) = reading.wanted() {
            let reply = self.links.call(&sessions, |_| list_sessions::call(&sessions, ids)).await?;
            reading.take(reply)?;
        }
        Ok(reading.page())
    }

    async fn set_claims(
        &self,
        subject: &Subject,
        session: Option<SessionId>,
        claims: &str,
    ) -> Result<Vec<SessionId>, StoreError> {
        let sessions = self.keys.sessions(subject);
        let call = |_: &_| set_claims::call(&sessions, session, claims, self.policy.session_max_age);
        set_claims::decode(self.links.call(&sessions, call).await?)
    }

    async fn unpublished(&self, subject: &Subject) -> Result<Vec<EndedSession>, StoreError> {
        let sessions = self.keys.sessions(subject);
        list_unpublished::decode(self.links.call(&sessions, |_| list_unpublished::call(&sessions)).await?)
    }

    /// Where `wait_replicas` asks for it, the replicas acknowledge the append. The acknowledgement covers all earlier
    /// writes, the end itself included (Redis: `WAIT`).
    async fn publish(&self, subject: &Subject, ended: &[EndedSession]) -> Result<(), StoreError> {
        let (feed, retention) = (self.feed_of(subject), self.policy.feed_retention);
        let call = |_: &_| publish::call(feed, subject, ended, retention);
        publish::decode(self.links.call_and_wait(feed, call).await?)
    }

    async fn mark_published(&self, subject: &Subject, ended: &[EndedSession]) -> Result<(), StoreError> {
        let sessions = self.keys.sessions(subject);
        let call = |_: &_| mark_published::call(&sessions, ended);
        mark_published::decode(self.links.call(&sessions, call).await?)
    }

    async fn now(&self, subject: &Subject) -> Result<Timestamp, StoreError> {
        Ok(self.links.time(&self.keys.sessions(subject)).await?)
    }

    fn lower_bound(&self, subject: &Subject, moment: Instant) -> Option<Timestamp> {
        self.links.lower_bound(|| self.keys.sessions(subject), moment)
    }

    async fn subscribe(&self, listener: &(dyn Listener + Sync)) {
        feed_reader::subscribe(&self.links, &self.feeds, self.policy.feed_retention, listener).await;
    }

    /// Asks twice, within the deadline of the caller.
    async fn ready(&self) -> Result<Vec<String>, StoreError> {
        inspect::ready(&self.links, &self.keys, &self.requirements, self.timeout / 3).await
    }

    async fn scarce_memory(&self) -> Option<Vec<String>> {
        inspect::scarce_memory(&self.links, self.timeout / 3).await
    }

    async fn dangers_when_unready(&self) -> Vec<String> {
        inspect::dangers_when_unready(&self.settings, &self.links).await
    }
}
