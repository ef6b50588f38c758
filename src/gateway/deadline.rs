//! The deadline of a request.

use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use super::store_failure;
use crate::store::{Store, StoreError};
use crate::telemetry::metrics::{Metrics, Operation};
use crate::telemetry::overloads::Bound;

/// The deadline of a request's store part.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// When the request arrived.
    pub arrived: Instant,
    /// When its store part began.
    pub(super) began: Instant,
    pub(super) ends: Instant,
}

impl Deadline {
    /// The store part begins now, and may take as long as `timeout`.
    pub fn new(arrived: Instant, timeout: Duration) -> Self {
        let began = Instant::now();
        Self { arrived, began, ends: began + timeout }
    }

    /// Runs a part that asks this store, or gives it up at the deadline.
    pub(super) async fn in_time<T>(
        self,
        store: &dyn Store,
        part: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let late = || store.late(self.ends - self.began);
        timeout_at(self.ends.into(), part).await.unwrap_or_else(|_| Err(late()))
    }

    /// The same, as a store call in flight of the metrics.
    pub(super) async fn counted<T>(
        self,
        store: &dyn Store,
        metrics: &Metrics,
        operation: Operation,
        part: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let _in_flight = metrics.store_call(operation);
        let outcome = self.in_time(store, pin!(part)).await; // pinned here, or each layer would copy it
        outcome.inspect_err(|error| {
            if *error == StoreError::Overloaded {
                metrics.overloads.note(Bound::Store);
            }
            store_failure::of(error).into_iter().for_each(|failure| metrics.store_failed(failure));
            let operation = operation.text();
            log::debug!(operation, error:% = error; "{operation}: {error}");
        })
    }
}
