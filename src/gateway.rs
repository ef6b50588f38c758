//! The use cases, one file per verb. They know tokens and the store; nothing of HTTP, nothing of Redis.
//!
//! - [`issue`](Gateway::issue): a login service has proved who a user is.
//! - [`refresh`](Gateway::refresh): a refresh token is exchanged for its successor.
//! - [`end`]: logout, logout everywhere, revocation.
//! - [`sessions`]: looking at sessions, and changing what they carry.

pub mod end;
pub mod issue;
pub mod refresh;
pub mod service_keys;
pub mod sessions;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use self::service_keys::ServiceKeys;
use crate::session::SessionId;
use crate::store::{self, Store};
use crate::telemetry::metrics::{Metrics, Operation};
use crate::token::{Pair, Rejected, Tokens};

/// Everything a worker needs to serve. Not `Sync`, because prepared signers are not: one per worker.
pub struct Gateway {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) tokens: Tokens,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) services: Arc<ServiceKeys>,
    pub(crate) settings: GatewaySettings,
}

#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// `iss`; no session may have it as its audience, because refresh tokens do.
    pub issuer: String,
    /// `aud` of access tokens where the session names none.
    pub audience: String,
    /// One deadline for the store part of a request.
    pub store_timeout: Duration,
}

/// Why a use case did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store could not be asked in time: the outcome is unknown, and no verdict.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The request was overtaken by another of the same session; it proves nothing, and may be repeated.
    #[error("overtaken by another request of the same session")]
    Overtaken,
    /// The refresh token is refused.
    #[error("refresh token refused: {0}")]
    Grant(Refusal),
    /// More scope was asked for than the session was granted.
    #[error("scope exceeds what was granted")]
    Scope,
    /// The access token is refused.
    #[error("access token refused: {0}")]
    Access(Refusal),
    /// No such session of that subject.
    #[error("no such session")]
    NotFound,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    Token(Rejected),
    #[error("issued to another client")]
    Client,
    #[error("session unknown or expired")]
    Unknown,
    #[error("session has ended")]
    Ended,
    #[error("already used")]
    Reused,
}

/// What a client gets for a login or a refresh.
pub struct Issued {
    pub pair: Pair,
    pub session: SessionId,
    /// What the access token may do, where scopes are used.
    pub scope: Option<String>,
}

impl Gateway {
    pub fn new(
        store: Arc<dyn Store>,
        tokens: Tokens,
        metrics: Arc<Metrics>,
        services: Arc<ServiceKeys>,
        settings: GatewaySettings,
    ) -> Self {
        Self { store, tokens, metrics, services, settings }
    }

    /// Runs the store part of a request within its one deadline.
    async fn in_time<T>(
        &self,
        operation: Operation,
        part: impl Future<Output = Result<T, store::Error>>,
    ) -> Result<T, Error> {
        let _in_flight = self.metrics.store_call(operation);
        match timeout(self.settings.store_timeout, part).await {
            Ok(outcome) => Ok(outcome.inspect_err(|error| log::debug!("{operation:?}: {error}"))?),
            Err(_) => Err(store::Error::Unavailable("no answer within REDIS_TIMEOUT_MS".into()).into()),
        }
    }

    /// Whether this node can serve.
    ///
    /// # Errors
    ///
    /// What keeps the store from it.
    pub async fn ready(&self) -> Result<(), Error> {
        self.in_time(Operation::Ready, self.store.ready()).await
    }

    /// A lower bound, on the store's clock, of the moment a request arrived.
    async fn sent_at(&self, arrived: Instant) -> Result<crate::clock::Timestamp, store::Error> {
        if let Some(bound) = self.store.clock().lower_bound(arrived) {
            return Ok(bound);
        }
        self.store.now().await?;
        Ok(self.store.clock().lower_bound(arrived).unwrap_or_default())
    }
}
