//! The servers behind the links: their primaries, and connections and questions around the calls.

use std::iter;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis::Pipeline;
use redis::aio::MultiplexedConnection;
use token_gateway_core::clock::Clock;
use tokio::time::timeout;

use super::{Destination, Links};
use crate::address::Address;
use crate::deployment::Deployment;
use crate::failure::Failure;
use crate::primary::Primary;
use crate::server::Server;
use crate::slots::{SLOT_COUNT, slot_of};
use crate::{Call, Diagnosis, ErrorReplies, LinkError, LinkHealth, Reply};

impl Links {
    /// The answers of each primary to questions, `None` where the user may not ask. Beside them its address, where known.
    pub async fn ask_primaries(
        &self,
        questions: &Pipeline,
        within: Duration,
    ) -> Vec<(Option<Address>, Result<Vec<Option<String>>, LinkError>)> {
        let ask = async |primary: Arc<Primary>| in_time(&primary, within, primary.ask_all(questions)).await;
        join_all(self.deployment.primaries().into_iter().map(ask)).await
    }

    /// The answer of each primary to a call without a place in flight, likewise.
    pub async fn call_primaries(
        &self,
        call: &Call,
        within: Duration,
    ) -> Vec<(Option<Address>, Result<Reply, LinkError>)> {
        let ask = async |primary: Arc<Primary>| {
            let make = |_: &Clock| call.clone();
            in_time(&primary, within, primary.call_beside(&make, false)).await
        };
        join_all(self.deployment.primaries().into_iter().map(ask)).await
    }

    /// One of `others` on the same primary as `key`; where there is none, the one of its range of slots.
    pub fn nearest<'a>(&self, key: &str, others: &'a [String]) -> &'a str {
        let Deployment::Cluster { cluster, .. } = &self.deployment else { return &others[0] };
        let in_range = &others[usize::from(slot_of(key)) * others.len() / SLOT_COUNT];
        let Some(owner) = cluster.known_owner(slot_of(key)) else { return in_range };
        let is_on_owner = |other: &&'a String| {
            cluster.known_owner(slot_of(other)).is_some_and(|primary| Arc::ptr_eq(&primary, &owner))
        };
        iter::once(in_range).chain(others).find(is_on_owner).unwrap_or(in_range)
    }

    /// The number of known primaries.
    pub fn primary_count(&self) -> usize {
        self.deployment.primaries().len()
    }

    /// Whether the deployment is a Cluster.
    pub fn is_cluster(&self) -> bool {
        self.deployment.is_cluster()
    }

    /// An exclusive connection to the primary where `key` lies, its server, and a future that ends when that is no longer
    /// the right one.
    ///
    /// # Errors
    ///
    /// When there is no such primary, or it does not answer.
    pub async fn exclusive(
        &self,
        key: &str,
    ) -> Result<(MultiplexedConnection, Arc<Server>, impl Future<Output = ()>), LinkError> {
        let primary = self.primary(key, &Destination::Owner).await?;
        let handle = primary.link.handle().await?;
        let connection = primary.link.open_exclusive(&handle).await?;
        Ok((connection, handle.server, async move { primary.link.wait_until_replaced(handle.number).await }))
    }

    pub(crate) fn health(&self) -> &LinkHealth {
        &self.health
    }

    /// Whether these links log an outage.
    pub(crate) fn logs_outages(&self) -> bool {
        self.logs_outages
    }

    /// Returns when the link to the primary of `key` has another connection than now.
    pub async fn wait_until_connected_anew(&self, key: &str) {
        match self.known_owner(|| slot_of(key)) {
            Some(primary) => primary.link.wait_until_connected_anew().await,
            None => std::future::pending().await,
        }
    }

    /// The commands refused of late.
    pub fn error_replies(&self) -> &ErrorReplies {
        &self.error_replies
    }

    /// The questions that Sentinels do not answer at present.
    pub async fn sentinel_failures(&self) -> Vec<String> {
        match &self.deployment {
            Deployment::Single(primary) => primary.link.endpoint.sentinel_failures().await,
            Deployment::Cluster { .. } => Vec::new(),
        }
    }

    /// The error of a question that has no answer in time, with the primary that has been silent for longest.
    pub fn late(&self, within: Duration) -> LinkError {
        let primaries = self.deployment.primaries();
        match primaries.iter().min_by_key(|primary| primary.link.last_answer()) {
            Some(primary) => Diagnosis::late(primary.link.server(), within).into(),
            None => self.none_known(),
        }
    }

    /// A statement about the one primary, with its address.
    pub fn named(&self, statement: &str) -> String {
        let server = self.deployment.primaries().first().and_then(|primary| primary.link.server());
        server.map_or_else(|| statement.to_owned(), |server| format!("{server}: {statement}"))
    }

    /// The error where no primary is known.
    pub fn none_known(&self) -> LinkError {
        let of_map = match &self.deployment {
            Deployment::Cluster { cluster, .. } => cluster.map_error(),
            Deployment::Single(_) => None,
        };
        of_map.unwrap_or_else(|| {
            Diagnosis::new(None, "no primary is known yet", "wait until the links have found one").into()
        })
    }

    /// Asks for the map of a Cluster: its slots may lie elsewhere by now.
    pub fn refresh_slots(&self) {
        self.deployment.refresh_soon();
    }
}

/// An answer of a primary, beside its address.
async fn in_time<T>(
    primary: &Primary,
    within: Duration,
    answer: impl Future<Output = Result<T, Failure>>,
) -> (Option<Address>, Result<T, LinkError>) {
    let address = primary.link.server().map(|server| server.address.clone());
    let answer = timeout(within, answer).await;
    let late = |_| Err(Failure::Final(Diagnosis::late(primary.link.server(), within).into()));
    (address, answer.unwrap_or_else(late).map_err(Failure::into_error))
}
