//! How calls reach Redis.
//!
//! Redis answers pipelined commands in order, so one connection carries all calls of a worker to one primary. No
//! checkout costs a round trip, and simultaneous commands travel together.
//!
//! - a link (`link.rs`) is one connection, to a fixed server or to the primary named by Sentinels (`endpoint.rs`,
//!   `sentinel.rs`). A task keeps it open (`keeper.rs`), and a connector makes the handshake (`connector.rs`);
//! - a `Primary` (`primary.rs`) is a link and a pool (deadpool) that bounds the calls in flight on it. The pool's
//!   objects are handles on the link's connection; it recycles a handle by comparing two numbers. Beside the pool are
//!   the connections held up by `WAIT` (`wait_pool.rs`);
//! - a `Deployment` (`deployment.rs`) is one `Primary`, or a Cluster: a `Primary` for each primary (`cluster.rs`), and a
//!   map from slots to primaries (`slot_map.rs`), kept current by a task (`cluster_keeper.rs`);
//! - [`Links`] leads each call to the primary of its key, and repeats it. `links/servers.rs` reaches the primaries
//!   around the calls.
//!
//! **An error means the outcome is unknown.** A call that may have been cut off is sent once more, as the same attempt:
//! every script answers a repeated attempt as it answered the first. Redirections and slots on the move are followed a
//! few times. All repetitions share a [`RetryBudget`]: retries must not run down a server that has just come back.

mod servers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use token_gateway_core::clock::{Clock, Timestamp};
use tokio::time::sleep;

use crate::deployment::Deployment;
use crate::failure::{Failure, Redirection};
use crate::primary::Primary;
use crate::slots::slot_of;
use crate::{
    Call, Diagnosis, ErrorReplies, ErrorReply, Handshake, LinkError, LinkHealth, LinkSettings, Reply,
};

/// How often a call may be redirected, told to try again, or sent once more.
const RETRY_LIMIT: usize = 4;

/// The price of one retry, in successes.
const RETRY_PRICE: u32 = 10;

/// The most retries at once: about as many as are in flight when a connection is lost.
const RETRY_BURST: u32 = 512;

/// Every link of one worker to a deployment.
pub struct Links {
    deployment: Deployment,
    budget: RetryBudget,
    error_replies: Arc<ErrorReplies>,
    health: Arc<LinkHealth>,
    logs_outages: bool,
}

/// Where a call is sent next.
enum Destination {
    /// The primary in charge of the key.
    Owner,
    /// The slot is on the move, and the key has arrived there already.
    Importer(Redirection),
}

impl Destination {
    fn is_importer(&self) -> bool {
        matches!(self, Self::Importer(_))
    }
}

impl Links {
    /// Begins to connect in the background, on the current runtime. Without a handshake a server is asked for the time,
    /// no more, so its user needs no right to write.
    ///
    /// # Errors
    ///
    /// When the URL is none that is understood.
    pub fn open(settings: &LinkSettings, handshake: Option<Handshake>) -> Result<Self, LinkError> {
        let deployment = Deployment::open(settings, handshake)?;
        let (error_replies, health) = (settings.error_replies.clone(), settings.health.clone());
        Ok(Self {
            deployment,
            budget: RetryBudget::new(),
            error_replies,
            health,
            logs_outages: settings.logs_outages,
        })
    }

    /// Calls a script where `key` lies. `make` is asked anew for each try, because each server has its own clock.
    ///
    /// # Errors
    ///
    /// When the outcome is unknown.
    pub async fn call(&self, key: &str, make: impl Fn(&Clock) -> Call) -> Result<Reply, LinkError> {
        let make = &make;
        self.with_retries(key, |primary, asking| async move { primary.call_once(make, asking).await }).await
    }

    /// The same without a place in flight: for a question about the server, which must not wait for calls, nor they for it.
    ///
    /// # Errors
    ///
    /// When the outcome is unknown.
    pub async fn call_beside(&self, key: &str, make: impl Fn(&Clock) -> Call) -> Result<Reply, LinkError> {
        let make = &make;
        self.with_retries(key, |primary, asking| async move { primary.call_beside(make, asking).await }).await
    }

    /// Calls a script and, where configured, waits until enough replicas have what it wrote.
    ///
    /// # Errors
    ///
    /// When the outcome is unknown, or too few replicas acknowledged in time.
    pub async fn call_and_wait(&self, key: &str, make: impl Fn(&Clock) -> Call) -> Result<Reply, LinkError> {
        let make = &make;
        self.with_retries(
            key,
            |primary, asking| async move { primary.call_once_and_wait(make, asking).await },
        )
        .await
    }

    /// Redis `TIME`, where `key` lies.
    ///
    /// # Errors
    ///
    /// When no primary answers.
    pub async fn time(&self, key: &str) -> Result<Timestamp, LinkError> {
        self.with_retries(key, |primary, _| async move { primary.time().await }).await
    }

    /// A lower bound of `moment` on the clock of the key's server, if known.
    pub fn lower_bound(&self, key: impl FnOnce() -> String, moment: Instant) -> Option<Timestamp> {
        self.known_owner(|| slot_of(key()))?.link.clock()?.lower_bound(moment)
    }

    /// Carries a call out, and the same call again where that may help.
    async fn with_retries<T, A>(
        &self,
        key: &str,
        call_once: impl Fn(Arc<Primary>, bool) -> A,
    ) -> Result<T, LinkError>
    where
        A: Future<Output = Result<T, Failure>>,
    {
        let (mut destination, mut pauses, mut was_lost) = (Destination::Owner, None, false);
        loop {
            let primary =
                self.primary(key, &destination).await.inspect_err(|error| self.health.failed(error))?;
            let outcome = call_once(primary.clone(), destination.is_importer()).await;
            let failure = match self.counted(key, &destination, &primary, outcome) {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            self.note_failure(key, &failure)?;
            let pause = pauses.get_or_insert_with(retry_pauses).next();
            let may_retry = !(failure.is_final() || was_lost && failure.is_lost()) && self.budget.spend();
            let Some(pause) = pause.filter(|_| may_retry) else { return Err(self.failed(failure)) };
            log::debug!(failure:?; "repeating the call: {failure:?}");
            was_lost |= failure.is_lost();
            if matches!(failure, Failure::TryAgain(_)) {
                sleep(pause).await;
            }
            destination = self.destination_after(failure);
        }
    }

    /// The error of a call that is not repeated.
    fn failed(&self, failure: Failure) -> LinkError {
        let error = failure.into_error();
        if matches!(error, LinkError::Unavailable(_) | LinkError::Replied(_)) {
            self.health.failed(&error);
        }
        error
    }

    /// An outcome, and no success of a server from which another has taken over meanwhile. A success that counts pays
    /// into the budget.
    fn counted<T>(
        &self,
        key: &str,
        destination: &Destination,
        primary: &Arc<Primary>,
        outcome: Result<T, Failure>,
    ) -> Result<T, Failure> {
        let done = outcome.map_err(|failure| self.without_other_servers(failure))?;
        if !destination.is_importer() && !self.is_owner(key, primary) {
            let cause = "was replaced by another server before its answer came";
            return Err(Failure::Lost(Diagnosis::new(primary.link.server(), cause, "repeat the call")));
        }
        self.budget.earn();
        self.health.succeeded();
        Ok(done)
    }

    /// Where one server is known, a redirection by it is a reply: it is one server of a Cluster.
    fn without_other_servers(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Moved(redirection) | Failure::Ask(redirection) if !self.is_cluster() => {
                Failure::Replied(ErrorReply::by_member_of_cluster(&redirection.by))
            }
            failure => failure,
        }
    }

    /// The primary at the destination of a call; waits for the first map of a Cluster.
    async fn primary(&self, key: &str, destination: &Destination) -> Result<Arc<Primary>, LinkError> {
        match (&self.deployment, destination) {
            (Deployment::Single(primary), _) => Ok(primary.clone()),
            (Deployment::Cluster { cluster, .. }, Destination::Owner) => cluster.owner(slot_of(key)).await,
            (Deployment::Cluster { cluster, .. }, Destination::Importer(redirection)) => {
                cluster.primary_at(&redirection.to, &redirection.by.address)
            }
        }
    }

    /// The primary of a slot, as far as it is known right now. The slot matters only in a Cluster.
    fn known_owner(&self, slot: impl FnOnce() -> u16) -> Option<Arc<Primary>> {
        match &self.deployment {
            Deployment::Single(primary) => Some(primary.clone()),
            Deployment::Cluster { cluster, .. } => cluster.known_owner(slot()),
        }
    }

    /// Whether the answer of a primary counts. In a Cluster another server may have taken over from it.
    fn is_owner(&self, key: &str, primary: &Arc<Primary>) -> bool {
        self.known_owner(|| slot_of(key)).is_none_or(|owner| Arc::ptr_eq(&owner, primary))
    }

    /// Takes from a failure that slots of a Cluster lie elsewhere, or that the server refuses the call.
    fn note_failure(&self, key: &str, failure: &Failure) -> Result<(), LinkError> {
        if let Failure::Replied(reply) = failure {
            self.error_replies.record(reply);
        }
        let Deployment::Cluster { cluster, .. } = &self.deployment else { return Ok(()) };
        match failure {
            Failure::Moved(Redirection { to, by }) => cluster.move_slot(slot_of(key), to, by)?,
            Failure::Lost(_) => cluster.refresh_soon(),
            _ => {}
        }
        Ok(())
    }

    /// Where a call goes after a failure.
    fn destination_after(&self, failure: Failure) -> Destination {
        match (&self.deployment, failure) {
            (Deployment::Cluster { .. }, Failure::Ask(redirection)) => Destination::Importer(redirection),
            _ => Destination::Owner,
        }
    }
}

fn retry_pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(10))
        .with_max_delay(Duration::from_millis(80))
        .with_jitter()
        .with_max_times(RETRY_LIMIT)
        .build()
}

/// Tokens for retries: a success earns one, a retry costs [`RETRY_PRICE`]. Retries thus stay few beside successful calls.
struct RetryBudget(AtomicU32);

impl RetryBudget {
    fn new() -> Self {
        Self(AtomicU32::new(RETRY_BURST * RETRY_PRICE))
    }

    /// A call has succeeded.
    fn earn(&self) {
        let tokens = self.0.load(Ordering::Relaxed);
        if tokens < RETRY_BURST * RETRY_PRICE {
            self.0.store(tokens + 1, Ordering::Relaxed); // one lost between two threads does not matter
        }
    }

    /// Whether a call may be sent once more.
    fn spend(&self) -> bool {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tokens| tokens.checked_sub(RETRY_PRICE))
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_bounded_by_what_succeeds() {
        let budget = RetryBudget::new();
        assert_eq!((0..10_000).filter(|_| budget.spend()).count(), RETRY_BURST as usize);
        (0..RETRY_PRICE - 1).for_each(|_| budget.earn());
        assert!(!budget.spend());
        budget.earn();
        assert!(budget.spend() && !budget.spend());
    }
}
