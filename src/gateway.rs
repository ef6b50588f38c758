//! The use cases, one file per verb. They know tokens and the store; nothing of HTTP, nothing of Redis.
//!
//! - [`issue`](Gateway::issue): a login service has authenticated a user.
//! - [`refresh`](Gateway::refresh): a refresh token is exchanged for its successor.
//! - [`end`]: logout, logout everywhere, revocation.
//! - [`repair`]: repair of ends that a failover lost.
//! - [`introspect`](Gateway::introspect): whether a token is good now.
//! - [`verify`](Gateway::verify): the same by the denylist, for proxies.
//! - [`sessions`]: reading sessions, and changing their claims.

pub mod end;
mod introspect;
pub mod issue;
pub mod refresh;
pub mod repair;
pub mod service_keys;
pub mod sessions;
mod verify;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use token_gateway_core::checker::Checker;
use token_gateway_core::clock::Timestamp;
use token_gateway_core::feed::{Denylist, timing};
use token_gateway_core::session::{SessionId, Subject};
use token_gateway_core::token::TokenRefusal;
use tokio::time::timeout_at;

use self::service_keys::ServiceKeys;
use crate::store::{self, Store};
use crate::telemetry::metrics::{Metrics, Operation};
use crate::token::{Pair, Tokens};

/// Everything a worker needs to serve.
pub struct Gateway {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) services: Arc<ServiceKeys>,
    pub(crate) denylist: Arc<Denylist>,
    pub(crate) checker: Arc<Checker>,
    pub(crate) settings: GatewaySettings,
}

#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// `iss`; no session may have it as its audience, because it is the audience of refresh tokens.
    pub issuer: String,
    /// `aud` of access tokens where the session names none.
    pub audience: String,
    /// One deadline for the store part of a request.
    pub store_timeout: Duration,
    /// How long verifiers may keep the published keys.
    pub jwks_max_age: Duration,
}

/// Why a use case did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store gave no usable answer in time: the outcome is unknown, and this is no verdict.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Another request of the same session overtook this one. This proves nothing, and the request may be repeated.
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
    /// The subject has no such session.
    #[error("no such session")]
    NotFound,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    Token(TokenRefusal),
    #[error("issued to another client")]
    Client,
    #[error("session unknown or expired")]
    Unknown,
    #[error("session has ended")]
    Ended,
    #[error("already used")]
    Reused,
}

/// The answer to a login or a refresh.
pub struct Issued {
    pub pair: Pair,
    pub session: SessionId,
    /// The scope of the access token, where scopes are used.
    pub scope: Option<String>,
}

impl Gateway {
    pub fn new(
        store: Arc<dyn Store>,
        tokens: Arc<Tokens>,
        metrics: Arc<Metrics>,
        services: Arc<ServiceKeys>,
        denylist: Arc<Denylist>,
        checker: Arc<Checker>,
        settings: GatewaySettings,
    ) -> Self {
        Self { store, tokens, metrics, services, denylist, checker, settings }
    }

    /// Begins the store part of a request that arrived at `arrived`: its one deadline runs from now.
    pub fn begin(&self, arrived: Instant) -> Call {
        Call::new(arrived, self.settings.store_timeout)
    }

    /// Runs a store part of a request within the request's one deadline.
    async fn in_time<T>(
        &self,
        call: Call,
        operation: Operation,
        part: impl Future<Output = Result<T, store::Error>>,
    ) -> Result<T, Error> {
        let _in_flight = self.metrics.store_call(operation);
        let outcome = call.in_time(pin!(part)).await; // pinned here, or each layer would copy it
        Ok(outcome.inspect_err(|error| log::debug!("{operation:?}: {error}"))?)
    }

    /// The store's time for this call: a lower bound of the moment the call began, where earlier answers give one.
    /// Otherwise the store is asked.
    async fn now(&self, call: Call, subject: &Subject) -> Result<Timestamp, Error> {
        match self.store.lower_bound(subject, call.began) {
            Some(now) => Ok(now),
            None => self.in_time(call, Operation::Read, self.store.now(subject)).await,
        }
    }

    /// Checks whether this node can serve. Returns dangers to its promises, in words.
    ///
    /// # Errors
    ///
    /// The reason why the store cannot serve.
    pub async fn ready(&self) -> Result<Vec<String>, Error> {
        let call = self.begin(Instant::now());
        let mut dangers = self.in_time(call, Operation::Ready, self.store.ready()).await?;
        let stale = self.denylist.lag();
        if stale > timing::LAG_WARNING {
            dangers.push(format!(
                "the feed of ended sessions has not been heard for {} s: what a failover brings back is not ended again",
                stale.as_secs()
            ));
        }
        Ok(dangers)
    }
}

/// A request at work: its arrival, and the deadline of its store part.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    pub arrived: Instant,
    began: Instant,
    deadline: Instant,
}

impl Call {
    /// The store may take `patience` from now on.
    pub fn new(arrived: Instant, patience: Duration) -> Self {
        let began = Instant::now();
        Self { arrived, began, deadline: began + patience }
    }

    async fn in_time<T>(
        self,
        part: impl Future<Output = Result<T, store::Error>>,
    ) -> Result<T, store::Error> {
        let late = || store::Error::Unavailable("no answer within REDIS_TIMEOUT_MS".to_owned());
        timeout_at(self.deadline.into(), part).await.unwrap_or_else(|_| Err(late()))
    }
}
