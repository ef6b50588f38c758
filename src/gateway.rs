//! The use cases, one file per verb. They know tokens and the store; nothing of HTTP, nothing of Redis.
//!
//! - [`issue`](Gateway::issue): a login service has authenticated a user.
//! - [`refresh`](Gateway::refresh): a refresh token is exchanged for its successor.
//! - [`ender`]: sessions end, their ends are published, and lost ends are repaired.
//! - `log_out`: the holder of a token ends sessions.
//! - [`theft`]: the alarm, when a superseded refresh token comes back.
//! - `bearer`: the session of an access token, asked of the store.
//! - [`repair`]: a subscriber finds ends that a failover lost.
//! - [`introspect`](Gateway::introspect): whether a token is good now.
//! - [`verify`](Gateway::verify): the same by the denylist, for proxies.
//! - `manage_sessions`: reading sessions, and changing their claims.
//!
//! A use case that judges a token answers with a [`Verdict`], and `verify` with its three outcomes. An unknown
//! outcome of the others is a [`GatewayError`], or a [`StoreError`] of the ender.

mod bearer;
pub mod ender;
mod introspect;
pub mod issue;
mod log_out;
mod manage_sessions;
pub mod refresh;
pub mod repair;
pub mod service_keys;
pub mod theft;
mod verify;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use token_gateway_core::checker::Checker;
use token_gateway_core::clock::Timestamp;
use token_gateway_core::feed::limits::MOST_ENDS;
use token_gateway_core::feed::{Denylist, timing};
use token_gateway_core::session::{SessionId, Subject};
use token_gateway_core::token::TokenRefusal;
use tokio::time::timeout_at;

use self::service_keys::ServiceKeys;
use crate::store::{Ends, Store, StoreError};
use crate::telemetry::metrics::{FeedState, Metrics, Operation};
use crate::token::{CorruptClaims, Pair, Tokens};

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
    /// The values of `aud` that are accepted from users who ask for their own sessions.
    pub me_audiences: Vec<String>,
    /// One deadline for the store part of a request.
    pub store_timeout: Duration,
    /// How long verifiers may keep the published keys.
    pub jwks_max_age: Duration,
}

/// A use case gives no verdict: the outcome is unknown, and the request may be repeated.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The store gave no usable answer in time.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another request of the same session overtook this one, which proves nothing.
    #[error("overtaken by another request of the same session")]
    Overtaken,
}

impl From<CorruptClaims> for GatewayError {
    fn from(error: CorruptClaims) -> Self {
        StoreError::Corrupt(error.to_string()).into()
    }
}

/// The verdict of a use case on a token.
pub type Verdict<T> = Result<T, GrantRefusal>;

/// Why a token is refused. A session is a grant (RFC 9700 section 4.14.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrantRefusal {
    #[error("{0}")]
    Token(TokenRefusal),
    #[error("issued to another client")]
    Client,
    #[error("more scope than the session was granted")]
    Scope,
    #[error("session unknown or expired")]
    NoSession,
    #[error("session has ended")]
    Ended,
    #[error("already used")]
    Reused,
}

/// Whether a client that may mean one of these names is another than the token's. A client without a name is not.
fn is_another(client_ids: &[String], issued_to: &str) -> bool {
    !client_ids.is_empty() && client_ids.iter().all(|client_id| client_id != issued_to)
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
    pub fn begin(&self, arrived: Instant) -> Deadline {
        Deadline::new(arrived, self.settings.store_timeout)
    }

    /// Runs a store part of a request within the request's one deadline.
    async fn in_time<T>(
        &self,
        deadline: Deadline,
        operation: Operation,
        part: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, GatewayError> {
        Ok(deadline.counted(&*self.store, &self.metrics, operation, part).await?)
    }

    /// Repairs the end of a session on the denylist, where the store has lost it. `None` for a session that is not on
    /// the denylist.
    async fn repair_revoked(
        &self,
        deadline: Deadline,
        subject: &Subject,
        session: SessionId,
    ) -> Result<Option<Ends>, GatewayError> {
        let Some(reason) = self.denylist.reason(subject, session) else { return Ok(None) };
        Ok(Some(self.ender().end_one(deadline, subject.clone(), session, reason).await?))
    }

    /// The store's time for this request: a lower bound of the moment its store part began, where earlier answers give one.
    /// Otherwise the store is asked.
    async fn now(&self, deadline: Deadline, subject: &Subject) -> Result<Timestamp, GatewayError> {
        match self.store.lower_bound(subject, deadline.began) {
            Some(now) => Ok(now),
            None => self.in_time(deadline, Operation::Read, self.store.now(subject)).await,
        }
    }

    /// Checks whether this node can serve. Returns dangers to its promises, in words.
    ///
    /// # Errors
    ///
    /// The reason why the store cannot serve.
    pub async fn ready(&self) -> Result<Vec<String>, GatewayError> {
        let deadline = self.begin(Instant::now());
        let mut dangers = self.in_time(deadline, Operation::Ready, self.store.ready()).await?;
        dangers.extend(self.denylist_dangers());
        let stale = self.denylist.lag();
        if stale > timing::LAG_WARNING {
            dangers.push(format!(
                "{FEED_LAGS} {} s: sessions that a failover brings back are not repaired; `token-gateway check` says what \
                 hinders its reader",
                stale.as_secs()
            ));
        }
        Ok(dangers)
    }

    /// The dangers of a denylist that fills up, in words.
    fn denylist_dangers(&self) -> Option<String> {
        let held = self.denylist.held();
        if self.denylist.lacks_ends() {
            return Some(format!(
                "the denylist was full: {held} ended sessions; no access token is accepted by /verify, see who ends so many"
            ));
        }
        self.denylist.holds_many().then(|| {
            format!("the denylist holds {held} ended sessions, and {MOST_ENDS} fill it; see who ends so many")
        })
    }

    /// The state of the feed and the denylist, for the metrics.
    pub fn feed_state(&self) -> FeedState {
        let (stale, ends) = (self.denylist.lag(), self.denylist.held());
        FeedState { stale, ends, lacks_ends: self.denylist.lacks_ends() }
    }

    /// The dangers to a node that is not ready, in words.
    pub async fn dangers_when_unready(&self) -> Vec<String> {
        self.store.dangers_when_unready().await
    }
}

/// The beginning of the danger of a stale denylist.
pub const FEED_LAGS: &str = "the revocation feed lags by";

/// The deadline of a request's store part.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// When the request arrived.
    pub arrived: Instant,
    /// When its store part began.
    began: Instant,
    ends: Instant,
}

impl Deadline {
    /// The store part begins now, and may take as long as `timeout`.
    pub fn new(arrived: Instant, timeout: Duration) -> Self {
        let began = Instant::now();
        Self { arrived, began, ends: began + timeout }
    }

    /// Runs a part that asks this store, or gives it up at the deadline.
    async fn in_time<T>(
        self,
        store: &dyn Store,
        part: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let late = || store.late(self.ends - self.began);
        timeout_at(self.ends.into(), part).await.unwrap_or_else(|_| Err(late()))
    }

    /// The same, as a store call in flight of the metrics.
    async fn counted<T>(
        self,
        store: &dyn Store,
        metrics: &Metrics,
        operation: Operation,
        part: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let _in_flight = metrics.store_call(operation);
        let outcome = self.in_time(store, pin!(part)).await; // pinned here, or each layer would copy it
        outcome.inspect_err(|error| {
            let operation = operation.text();
            log::debug!(operation, error:% = error; "{operation}: {error}");
        })
    }
}
