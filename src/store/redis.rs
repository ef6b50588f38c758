//! The Redis backend: standalone, Redis 7.0 or newer, or Valkey 7.2 or newer.
//!
//! - [`keys`]: the key layout, one table. - [`scripts`]: one typed function per Lua script.
//! - [`connection`]: a shared connection, how calls reach it and how a broken one is replaced.
//! - [`inspect`]: what `token-gateway check` looks at.
//! - [`survey`]: what the commands for operators look at.
//!
//! This file maps the [`Store`] trait onto the scripts.

pub mod connection;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod inspect;
pub mod keys;
mod reply;
pub mod scripts;
pub mod survey;

use std::sync::Arc;
use std::time::Duration;

use ::redis::{ConnectionInfo, IntoConnectionInfo, RedisResult};
use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use self::connection::Connections;
use self::keys::Keys;
use super::{
    Created, Ended, EndedMany, EndedOne, Error, Lookup, NewSession, Policy, Rotated, Rotation, SessionRecord,
    Store,
};
use crate::clock::{Clock, Timestamp};
use crate::session::{Reason, SessionId, Subject};

/// How to reach Redis.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// `redis://` or `rediss://`; may hold a password.
    pub url: SecretString,
    /// Prefix of every key, without the colon that follows it.
    pub prefix: String,
    /// The longest that one call may take.
    pub timeout: Duration,
    /// Calls in flight at once over this store's connection; further ones wait at most 100 ms.
    pub max_in_flight: usize,
    /// Replicas that must acknowledge an ended session before its caller is told (0: none).
    pub wait_replicas: usize,
}

impl RedisSettings {
    /// Whether the URL is one that this release can use.
    ///
    /// # Errors
    ///
    /// What would be right; never the URL, which may hold a password.
    pub fn check_url(&self) -> Result<(), &'static str> {
        let url = self.url.expose_secret();
        if url.starts_with("redis+sentinel:") || url.starts_with("redis+cluster:") || url.contains(',') {
            return Err("Sentinel and Cluster are not supported by this release; name one redis:// server");
        }
        let known = url.starts_with("redis://") || url.starts_with("rediss://");
        if known && self.server().is_ok() {
            return Ok(());
        }
        Err("must be redis://[user:password@]host[:port][/db], or rediss:// for TLS")
    }

    /// What the URL says. Connections do not give the client library's name: a user with the least rights may not,
    /// and each time `ACL LOG` would note it.
    fn server(&self) -> RedisResult<ConnectionInfo> {
        let server = self.url.expose_secret().into_connection_info()?;
        let quiet = server.redis_settings().clone().set_skip_set_lib_name();
        Ok(server.set_redis_settings(quiet))
    }
}

/// Sessions in Redis, over one shared connection that lives on the runtime it was made on.
pub struct RedisStore {
    connections: Connections,
    keys: Keys,
    policy: Policy,
}

impl RedisStore {
    /// Begins to connect in the background; never waits for Redis. Call it on the runtime that will use it.
    ///
    /// # Errors
    ///
    /// When the URL is none that the Redis client understands.
    pub fn new(settings: &RedisSettings, policy: Policy, clock: Arc<Clock>) -> Result<Self, Error> {
        let keys = Keys::new(&settings.prefix);
        let connections = Connections::open(settings, keys.layout(), clock)?;
        Ok(Self { connections, keys, policy })
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
        sent_at: Timestamp,
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

    /// Appended to the feed first, marked as announced last: a node that dies in between leaves work to
    /// repeat. Between the two, where `wait_replicas` asks for it, the replicas acknowledge the append and
    /// with it all that came before, the end itself included (Redis: `WAIT`).
    async fn announce(&self, subject: &Subject, ended: &[Ended]) -> Result<(), Error> {
        if ended.is_empty() {
            return Ok(());
        }
        scripts::announce(self, subject, ended).await?;
        scripts::mark_announced(self, subject, ended).await
    }

    async fn now(&self) -> Result<Timestamp, Error> {
        self.connections.time().await
    }

    fn clock(&self) -> &Clock {
        self.connections.clock()
    }

    async fn ready(&self) -> Result<Vec<String>, Error> {
        scripts::open_layout(self).await?;
        Ok(inspect::dangers(&self.connections.info("memory").await?))
    }
}
