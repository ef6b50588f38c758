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
//!   map from slots to primaries (`slot_map.rs`), kept current by a task (`cluster_keeper.rs`).
//!
//! **An error means the outcome is unknown.** A call that may have been cut off is sent once more, as the same attempt:
//! every script answers a repeated attempt as it answered the first. Redirections and slots on the move are followed a
//! few times. All repetitions share a budget (`budget.rs`): retries must not run down a server that has just come back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::future::join_all;
use redis::Pipeline;
use redis::aio::MultiplexedConnection;
use token_gateway_core::clock::{Clock, Timestamp};
use tokio::time::{sleep, timeout};

use crate::budget::RetryBudget;
use crate::deployment::{Deployment, Destination};
use crate::failure::Failure;
use crate::primary::Primary;
use crate::slots::{SLOT_COUNT, slot_of};
use crate::{Call, Handshake, LinkError, LinkSettings, Reply};

/// How often a call may be redirected, told to try again, or sent once more.
const RETRY_LIMIT: usize = 4;

/// Every link of one worker to a deployment.
pub struct Links {
    deployment: Deployment,
    budget: RetryBudget,
}

impl Links {
    /// Begins to connect in the background, on the current runtime. Without a handshake a server is asked for the time,
    /// no more, so its user needs no right to write.
    ///
    /// # Errors
    ///
    /// When the URL is none that is understood.
    pub fn open(settings: &LinkSettings, handshake: Option<Handshake>) -> Result<Self, LinkError> {
        Ok(Self { deployment: Deployment::open(settings, handshake)?, budget: RetryBudget::new() })
    }

    /// Calls a script where `key` lies. `make` is asked anew for each try, because each server has its own clock.
    ///
    /// # Errors
    ///
    /// When the outcome is unknown.
    pub async fn call(&self, key: &str, make: impl Fn(&Clock) -> Call) -> Result<Reply, LinkError> {
        let make = &make;
        self.with_retries(key, |primary, asking| async move { primary.attempt(make, asking).await }).await
    }

    /// Calls a script and, where configured, waits until enough replicas have what it wrote.
    ///
    /// # Errors
    ///
    /// When the outcome is unknown, or too few replicas acknowledged in time.
    pub async fn call_and_wait(&self, key: &str, make: impl Fn(&Clock) -> Call) -> Result<Reply, LinkError> {
        let make = &make;
        self.with_retries(key, |primary, asking| async move { primary.attempt_and_wait(make, asking).await })
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
        self.deployment.known_owner(|| slot_of(key()))?.link.clock()?.lower_bound(moment)
    }

    /// The answers of each primary to questions, `None` where the user may not ask.
    pub async fn ask_primaries(
        &self,
        questions: &Pipeline,
        within: Duration,
    ) -> Vec<Result<Vec<Option<String>>, LinkError>> {
        let late = |_| Err(Failure::Final(LinkError::Unavailable("no answer in time".to_owned())));
        let answers = self.deployment.primaries().into_iter().map(async |primary| {
            let answers = timeout(within, primary.ask_all(questions)).await;
            answers.unwrap_or_else(late).map_err(Failure::into_error)
        });
        join_all(answers).await
    }

    /// One of `others` on the same primary as `key`; where there is none, the one of its range of slots.
    pub fn nearest<'a>(&self, key: &str, others: &'a [String]) -> &'a str {
        if !self.is_cluster() {
            return &others[0];
        }
        let in_range = &others[usize::from(slot_of(key)) * others.len() / SLOT_COUNT];
        let Some(owner) = self.deployment.known_owner(|| slot_of(key)) else { return in_range };
        let is_on_owner = |other: &&'a String| {
            self.deployment
                .known_owner(|| slot_of(other))
                .is_some_and(|primary| Arc::ptr_eq(&primary, &owner))
        };
        std::iter::once(in_range).chain(others).find(is_on_owner).unwrap_or(in_range)
    }

    /// The number of known primaries.
    pub fn primary_count(&self) -> usize {
        self.deployment.primaries().len()
    }

    /// Whether the deployment is a Cluster.
    pub fn is_cluster(&self) -> bool {
        self.deployment.is_cluster()
    }

    /// An exclusive connection to the primary where `key` lies, and a future that ends when that is no longer the
    /// right one.
    ///
    /// # Errors
    ///
    /// When there is no such primary, or it does not answer.
    pub async fn exclusive(
        &self,
        key: &str,
    ) -> Result<(MultiplexedConnection, impl Future<Output = ()>), LinkError> {
        let primary = self.deployment.primary(key, &Destination::Owner).await?;
        let handle = primary.link.handle().await?;
        let connection = primary.link.open_exclusive(&handle).await?;
        Ok((connection, async move { primary.link.wait_until_replaced(handle.number).await }))
    }

    /// Asks for the map of a Cluster: its slots may lie elsewhere by now.
    pub fn refresh_slots(&self) {
        self.deployment.refresh_soon();
    }

    /// Carries an attempt out, and the same attempt again where that may help.
    async fn with_retries<T, A>(
        &self,
        key: &str,
        attempt: impl Fn(Arc<Primary>, bool) -> A,
    ) -> Result<T, LinkError>
    where
        A: Future<Output = Result<T, Failure>>,
    {
        let (mut destination, mut pauses, mut was_lost) = (Destination::Owner, None, false);
        loop {
            let primary = self.deployment.primary(key, &destination).await?;
            let outcome = attempt(primary.clone(), destination.is_importer()).await;
            let failure = match self.counted(key, &destination, &primary, outcome) {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            self.deployment.note_failure(key, &failure)?;
            let pause = pauses.get_or_insert_with(retry_pauses).next();
            let may_retry = !(failure.is_final() || was_lost && failure.is_lost()) && self.budget.spend();
            let Some(pause) = pause.filter(|_| may_retry) else { return Err(failure.into_error()) };
            log::debug!("repeating the attempt: {failure:?}");
            was_lost |= failure.is_lost();
            if matches!(failure, Failure::TryAgain(_)) {
                sleep(pause).await;
            }
            destination = self.deployment.destination_after(failure);
        }
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
        let done = outcome?;
        if !destination.is_importer() && !self.deployment.is_owner(key, primary) {
            return Err(Failure::Lost("another server has taken over meanwhile".to_owned()));
        }
        self.budget.earn();
        Ok(done)
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
