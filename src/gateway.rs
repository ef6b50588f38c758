//! The use cases, one file per verb. They know tokens and the store; nothing of HTTP, nothing of Redis.
//!
//! - [`issue`](Gateway::issue): a login service has authenticated a user.
//! - [`refresh`](Gateway::refresh): a refresh token is exchanged for its successor.
//! - [`ender`]: sessions end, their ends are published, and lost ends are repaired.
//! - `log_out`: the holder of a token ends sessions.
//! - [`theft`]: the alarm, when a superseded refresh token comes back.
//! - `caller`: whether a client may use a token.
//! - `bearer`: the session of an access token, asked of the store.
//! - [`repair`]: a subscriber finds ends that a failover lost.
//! - [`introspect`](Gateway::introspect): whether a token is good now.
//! - [`verify`](Gateway::verify): the same by the denylist, for proxies.
//! - `manage_sessions`: reading sessions, and changing their claims.
//! - `admission`: bounds on requests at once, so that refreshes keep their places. `turns`: one at a time for a subject.
//! - `readiness`: whether the node can serve; `shared_answer`: one question for all who ask at once.
//!
//! A use case that judges a token answers with a [`Verdict`], and `verify` with its three outcomes. An unknown
//! outcome of the others is a [`GatewayError`], or a [`StoreError`] of the ender.

mod admission;
mod bearer;
pub mod caller;
mod deadline;
pub mod ender;
mod introspect;
pub mod issue;
mod log_out;
mod manage_sessions;
pub mod readiness;
pub mod refresh;
pub mod repair;
pub mod service_keys;
mod shared_answer;
mod store_failure;
pub mod theft;
mod turns;
mod verify;

use std::sync::Arc;
use std::time::{Duration, Instant};

use token_gateway_core::checker::Checker;
use token_gateway_core::clock::Timestamp;
use token_gateway_core::feed::Denylist;
use token_gateway_core::session::{SessionId, Subject};
use token_gateway_core::token::TokenRefusal;
use tokio::time::sleep;

pub use self::admission::NodeBounds;
use self::admission::{Admission, Admitted};
pub use self::deadline::Deadline;
use self::service_keys::ServiceKeys;
use self::shared_answer::SharedAnswer;
use crate::store::{Ends, Store, StoreError};
use crate::telemetry::logging::{RequestId, carried};
use crate::telemetry::metrics::{FeedState, Metrics, Operation};
use crate::telemetry::overloads::Bound;
use crate::token::{CorruptClaims, Pair, Tokens};

/// The answer to a request that finds no memory waits so long, or a client that logs in again at once would keep the node
/// and Redis busy with refusals.
const OUT_OF_MEMORY_PAUSE: Duration = Duration::from_millis(250);

/// Everything a worker needs to serve.
pub struct Gateway {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) services: Arc<ServiceKeys>,
    pub(crate) denylist: Arc<Denylist>,
    pub(crate) checker: Arc<Checker>,
    readiness: Arc<Readiness>,
    admission: Admission,
    pub(crate) settings: GatewaySettings,
}

/// The answers about the readiness of a node, as its workers share them.
#[derive(Default)]
pub struct Readiness {
    dangers: SharedAnswer<Result<Vec<String>, GatewayError>>,
    when_unready: SharedAnswer<Vec<String>>,
}

/// The parts that all workers of a node share.
#[derive(Clone)]
pub struct NodeParts {
    pub tokens: Arc<Tokens>,
    pub metrics: Arc<Metrics>,
    pub services: Arc<ServiceKeys>,
    pub denylist: Arc<Denylist>,
    pub checker: Arc<Checker>,
    pub readiness: Arc<Readiness>,
    pub bounds: Arc<NodeBounds>,
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
#[derive(Debug, Clone, thiserror::Error)]
pub enum GatewayError {
    /// The store gave no usable answer in time.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another request of the same session overtook this one, which proves nothing.
    #[error("overtaken by another request of the same session")]
    Overtaken,
    /// As many requests as allowed are in progress.
    #[error("too many requests at once: '{}'", .0.text())]
    Overloaded(Bound),
}

impl From<Bound> for GatewayError {
    fn from(bound: Bound) -> Self {
        Self::Overloaded(bound)
    }
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
    /// Its client is confidential (RFC 6749 section 2.1).
    #[error("its client has not shown its key")]
    NoKey,
    #[error("more scope than the session was granted")]
    Scope,
    #[error("session unknown or expired")]
    NoSession,
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
    /// `places` are the store calls that this worker may have in flight.
    pub fn new(store: Arc<dyn Store>, node: NodeParts, places: usize, settings: GatewaySettings) -> Self {
        let NodeParts { tokens, metrics, services, denylist, checker, readiness, bounds } = node;
        let admission = Admission::new(bounds, places, metrics.clone());
        Self { store, tokens, metrics, services, denylist, checker, readiness, admission, settings }
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

    /// Runs the store part of an admitted request to its end, even if nobody waits for it any more. Its places are free
    /// only then: a client that hangs up cannot have many calls on their way. For want of memory the answer waits then.
    async fn admitted<T: Send + 'static, F>(
        self: &Arc<Self>,
        admitted: Admitted,
        part: impl FnOnce(Arc<Self>) -> F,
    ) -> Result<T, GatewayError>
    where
        F: Future<Output = Result<T, GatewayError>> + Send + 'static,
    {
        let part = part(self.clone());
        let holding = async move {
            let _admitted = admitted;
            part.await
        };
        let task = tokio::spawn(carried(RequestId::current(), holding));
        let cut_off = |_| Err(StoreError::Unavailable("the call was cut off".into()).into());
        let outcome = task.await.unwrap_or_else(cut_off);
        if matches!(&outcome, Err(GatewayError::Store(error)) if error.is_of_memory()) {
            sleep(OUT_OF_MEMORY_PAUSE).await;
        }
        outcome
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

    /// The state of the feed and the denylist, for the metrics.
    pub fn feed_state(&self) -> FeedState {
        let (stale, ends) = (self.denylist.lag(), self.denylist.held());
        FeedState { stale, ends, lacks_ends: self.denylist.lacks_ends() }
    }
}
