//! The Redis backend: standalone, behind Sentinels, or a Cluster; Redis 7.0 or newer, or Valkey 7.2 or newer.
//!
//! - [`keys`]: the key layout, one table. - [`scripts`]: one typed function per Lua script.
//! - [`token_gateway_redis_link`], a crate of its own: how calls reach the right primary, and how they survive its loss.
//! - `feed`: following the revocation feed.
//! - [`inspect`]: the checks of `token-gateway check` and `/readyz`.
//! - [`survey`]: reading for the commands of operators.
//!
//! This file maps the [`Store`] trait onto the scripts.

pub mod feed;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod inspect;
pub mod keys;
pub mod scripts;
mod settings;
pub mod survey;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use token_gateway_core::clock::{Moment, Timestamp};
use token_gateway_core::feed::{EndedSession, Listener};
use token_gateway_core::session::{Reason, SessionId, Subject};
use token_gateway_redis_link::Links;
use tokio::time::timeout;

use self::inspect::Wanted;
use self::keys::Keys;
pub use self::settings::RedisSettings;
use super::{
    Created, EndedMany, EndedOne, Error, Lookup, NewSession, Policy, Rotated, Rotation, SessionRecord, Store,
};

/// Sessions in Redis. The connections live on the runtime of the call to [`new`](Self::new).
pub struct RedisStore {
    links: Links,
    keys: Keys,
    /// The keys of the feed's partitions.
    feeds: Vec<String>,
    policy: Policy,
    timeout: Duration,
    wanted: Wanted,
}

impl RedisStore {
    /// Begins to connect in the background; never waits for Redis. Call it on the runtime of all later calls.
    ///
    /// # Errors
    ///
    /// When the URL has none of the known forms.
    pub fn new(settings: &RedisSettings, policy: Policy) -> Result<Self, Error> {
        let keys = Keys::new(&settings.prefix);
        let links = Links::open(&settings.link, Some(scripts::handshake(&keys)))?;
        let feeds = if links.is_cluster() { keys.feeds() } else { vec![keys.feed()] };
        let (timeout, wanted) = (settings.link.timeout, Wanted::of(settings)?);
        Ok(Self { links, keys, feeds, policy, timeout, wanted })
    }

    /// The partition for the ends of the subject's sessions. It lies on the same server as the sessions, wherever this
    /// server has a partition.
    fn feed_of(&self, subject: &Subject) -> &str {
        self.links.nearest(&self.keys.sessions(subject), &self.feeds)
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn create(&self, new: &NewSession<'_>) -> Result<Created, Error> {
        scripts::create(self, new).await
    }

    async fn rotate(&self, rotation: &Rotation<'_>) -> Result<Rotated, Error> {
        scripts::rotate(self, rotation).await
    }

    async fn end_session(
        &self,
        subject: &Subject,
        session: SessionId,
        reason: Reason,
    ) -> Result<EndedOne, Error> {
        scripts::end_session(self, subject, session, reason).await
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionId>,
        reason: Reason,
        sent_at: Moment,
    ) -> Result<EndedMany, Error> {
        scripts::end_subject(self, subject, except, reason, sent_at).await
    }

    async fn get(&self, subject: &Subject, session: SessionId) -> Result<Lookup, Error> {
        scripts::get_session(self, subject, session).await
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<SessionRecord>, Error> {
        scripts::list_sessions(self, subject).await
    }

    async fn set_claims(
        &self,
        subject: &Subject,
        session: Option<SessionId>,
        claims: &str,
    ) -> Result<Vec<SessionId>, Error> {
        scripts::set_claims(self, subject, session, claims).await
    }

    /// Appends to the feed first, and marks the tombstones last: a node lost in between leaves work to repeat. Between
    /// the two, the replicas acknowledge the append, where `wait_replicas` asks for it. The acknowledgement covers all
    /// earlier writes, the end itself included (Redis: `WAIT`).
    async fn publish(&self, subject: &Subject, ended: &[EndedSession]) -> Result<(), Error> {
        if ended.is_empty() {
            return Ok(());
        }
        scripts::publish(self, subject, ended).await?;
        scripts::mark_published(self, subject, ended).await
    }

    async fn now(&self, subject: &Subject) -> Result<Timestamp, Error> {
        Ok(self.links.time(&self.keys.sessions(subject)).await?)
    }

    fn lower_bound(&self, subject: &Subject, moment: Instant) -> Option<Timestamp> {
        self.links.lower_bound(|| self.keys.sessions(subject), moment)
    }

    async fn follow(&self, listener: &(dyn Listener + Sync)) {
        feed::follow(&self.links, &self.feeds, self.policy.feed_retention, listener).await;
    }

    /// In a Cluster a node can serve as long as any primary answers. The users of the others get 503.
    async fn ready(&self) -> Result<Vec<String>, Error> {
        let patience = self.timeout / 3; // twice, within the caller's deadline
        match timeout(patience, scripts::open_layout(self)).await {
            Ok(Err(error)) if error.is_corrupt() || !self.links.is_cluster() => return Err(error),
            Err(_) if !self.links.is_cluster() => {
                return Err(Error::Unavailable("no answer in time".into()));
            }
            _ => {}
        }
        let (mut warnings, mut failures) = (Vec::new(), Vec::new());
        for answers in self.links.ask_primaries(&inspect::questions(&self.keys), patience).await {
            match answers {
                Ok(answers) => warnings.extend(inspect::dangers(&answers, self.wanted)),
                Err(error) => failures.push(Error::from(error)),
            }
        }
        if warnings.is_empty() && failures.len() == self.links.primary_count() {
            return Err(failures.pop().unwrap_or_else(|| Error::Unavailable("no master is known".into())));
        }
        warnings.extend(failures.iter().map(|error| format!("the users of one master get 503: {error}")));
        warnings.sort();
        warnings.dedup();
        Ok(warnings)
    }
}
