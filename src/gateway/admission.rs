//! Bounds on requests at once, in front of the store. No user and no service can take the places of refreshes.
//!
//! | bound | holds for | at once |
//! |---|---|---|
//! | others | logins, lists, introspection, reads and changes of sessions, of one worker | half of its places in flight |
//! | lists | lists of sessions, of one node | [`LISTS_AT_ONCE`] |
//! | a subject's lists | lists of one subject, of one node | 1 |
//! | a subject's logins | logins of one subject, of one node | 1 |
//!
//! Refreshes and logouts pass none of these, and take no lock here. A request waits at most [`WAIT`] in all, and then
//! gets 503.

use std::sync::Arc;
use std::time::{Duration, Instant};

use token_gateway_core::session::Subject;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use super::deadline::Deadline;
use super::turns::{Turn, Turns};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::overloads::Bound;

/// How long a request waits at its bounds, as for a place in flight.
const WAIT: Duration = Duration::from_millis(100);

/// Lists that a node reads at once. Each keeps Redis busy for some refreshes at a time.
const LISTS_AT_ONCE: usize = 2;

/// The bounds that the workers of a node share.
pub struct NodeBounds {
    lists: Arc<Semaphore>,
    lists_of: Turns,
    logins_of: Turns,
}

impl Default for NodeBounds {
    fn default() -> Self {
        let lists = Arc::new(Semaphore::new(LISTS_AT_ONCE));
        Self { lists, lists_of: Turns::default(), logins_of: Turns::default() }
    }
}

/// The bounds as one worker asks for them.
pub(super) struct Admission {
    node: Arc<NodeBounds>,
    others: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

/// Holds a request's places until its store part is over, see [`Gateway::admitted`](super::Gateway).
pub(super) type Admitted = (Option<Turn>, Option<OwnedSemaphorePermit>, OwnedSemaphorePermit);

impl Admission {
    /// `places` are the worker's places in flight.
    pub fn new(node: Arc<NodeBounds>, places: usize, metrics: Arc<Metrics>) -> Self {
        let others = Semaphore::new((places / 2).clamp(1, Semaphore::MAX_PERMITS));
        Self { node, others: Arc::new(others), metrics }
    }

    pub async fn other(&self, deadline: Deadline) -> Result<Admitted, Bound> {
        Ok((None, None, self.place(until(deadline)).await?))
    }

    pub async fn login(&self, deadline: Deadline, subject: &Subject) -> Result<Admitted, Bound> {
        let until = until(deadline);
        let turn = self.wait(until, Bound::SubjectLogins, self.node.logins_of.wait(subject)).await?;
        Ok((Some(turn), None, self.place(until).await?))
    }

    pub async fn list(&self, deadline: Deadline, subject: &Subject) -> Result<Admitted, Bound> {
        let until = until(deadline);
        let turn = self.wait(until, Bound::SubjectLists, self.node.lists_of.wait(subject)).await?;
        let list = self.wait(until, Bound::Lists, permit(&self.node.lists)).await?;
        Ok((Some(turn), Some(list), self.place(until).await?))
    }

    async fn place(&self, until: Instant) -> Result<OwnedSemaphorePermit, Bound> {
        self.wait(until, Bound::Others, permit(&self.others)).await
    }

    async fn wait<T>(
        &self,
        until: Instant,
        bound: Bound,
        place: impl Future<Output = T>,
    ) -> Result<T, Bound> {
        let waited = timeout_at(until.into(), place).await;
        waited.map_err(|_| bound).inspect_err(|bound| self.metrics.overloads.note(*bound))
    }
}

fn until(deadline: Deadline) -> Instant {
    deadline.ends.min(Instant::now() + WAIT)
}

async fn permit(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    semaphore.clone().acquire_owned().await.expect("nobody closes it")
}
