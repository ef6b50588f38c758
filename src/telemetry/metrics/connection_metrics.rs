//! The connections of clients: how many are open, and those that the node has closed.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labelled::family;
use crate::telemetry::labels::labels;

labels!(
    /// Why a node closed a connection.
    Closed {
        Idle = "idle",
        Head = "head",
        Body = "body",
        NoProgress = "no_progress",
        Answer = "answer",
        Room = "room",
        Refused = "refused",
    }
);

/// Shared by all workers.
#[derive(Clone)]
pub struct ConnectionMetrics {
    open: Gauge,
    pub limit: Gauge,
    closed: Arc<[Counter]>,
}

/// In no registry.
impl Default for ConnectionMetrics {
    fn default() -> Self {
        let closed = Closed::TEXTS.iter().map(|_| Counter::default()).collect();
        Self { open: Gauge::default(), limit: Gauge::default(), closed }
    }
}

impl ConnectionMetrics {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let Self { open, limit, .. } = Self::default();
        registry.register(
            "connections_open",
            "Connections at the public address that are open",
            open.clone(),
        );
        registry.register(
            "connections_limit",
            "Connections at the public address that may be open",
            limit.clone(),
        );
        let help = "Connections at the public address closed by the node, by cause";
        let closed = family(registry, "connections_closed", help, "cause", Closed::TEXTS);
        Self { open, limit, closed: closed.into() }
    }

    pub fn opened(&self) {
        self.open.inc();
    }

    pub fn ended(&self) {
        self.open.dec();
    }

    pub fn closed(&self, cause: Closed) {
        self.closed[cause as usize].inc();
    }

    /// How many were closed for this cause.
    pub fn count(&self, cause: Closed) -> u64 {
        self.closed[cause as usize].get()
    }
}
