//! The handshake of a Cluster: the server with its key answers for all of them.

use std::sync::{Arc, Weak};

use arc_swap::{ArcSwap, ArcSwapOption};
use futures_util::future::BoxFuture;
use tokio::time::timeout;

use crate::address::Dialer;
use crate::cluster_nodes::SLOT_MAP_TIMEOUT;
use crate::connector::ClusterHandshake;
use crate::primary::Primary;
use crate::server::Server;
use crate::slot_map::SlotMap;
use crate::slots;
use crate::wire::{CONNECT_TIMEOUT, send};
use crate::{Handshake, LinkError, Reply};

/// Keeps calls away from a Cluster that refuses the handshake.
pub(crate) struct ClusterGate {
    /// `None` for a mere reader.
    handshake: Option<Handshake>,
    dialer: Dialer,
    /// Gone with the Cluster: connections of its primaries hold this gate.
    slots: Weak<ArcSwap<SlotMap>>,
    /// The error of the last handshake, while it is refused.
    error: ArcSwapOption<LinkError>,
}

impl ClusterGate {
    pub fn new(handshake: Option<Handshake>, dialer: Dialer, slots: Weak<ArcSwap<SlotMap>>) -> Self {
        Self { handshake, dialer, slots, error: ArcSwapOption::empty() }
    }

    /// # Errors
    ///
    /// While the handshake is refused.
    pub fn require_open(&self) -> Result<(), LinkError> {
        self.error.load().as_ref().map_or(Ok(()), |error| Err((**error).clone()))
    }

    /// Makes the handshake over the link of the key's primary. Later calls get its error.
    pub async fn shake_hands_again(&self) {
        let Some((handshake, primary)) = self.key_owner() else { return };
        let call = |_: &_| handshake.call.clone();
        if let Ok(Ok(reply)) = timeout(CONNECT_TIMEOUT, primary.call_once(&call, false)).await {
            let _ = self.record((handshake.check)(reply));
        }
    }

    /// The handshake, and the primary of its key.
    fn key_owner(&self) -> Option<(&Handshake, Arc<Primary>)> {
        let handshake = self.handshake.as_ref()?;
        let owner = self.slots.upgrade()?.load().owner(slots::slot_of(&handshake.key)).cloned()?;
        Some((handshake, owner))
    }

    /// The answer to the handshake over a connection of its own; `None` without an answer.
    async fn answer(&self, handshake: &Handshake, server: &Arc<Server>) -> Option<Result<(), LinkError>> {
        let mut connection = self.dialer.dial(server, SLOT_MAP_TIMEOUT).await.ok()?;
        let answer = send(&mut connection, &handshake.call.eval()).await.ok()?;
        Some(Reply::new(answer).and_then(handshake.check))
    }

    fn record(&self, outcome: Result<(), LinkError>) -> Result<(), LinkError> {
        self.error.store(outcome.as_ref().err().cloned().map(Arc::new));
        outcome
    }
}

impl ClusterHandshake for ClusterGate {
    /// Lets a connection pass while the server with the key does not answer. The last answer then holds.
    fn confirm(&self) -> BoxFuture<'_, Result<(), LinkError>> {
        Box::pin(async {
            let Some((handshake, primary)) = self.key_owner() else { return Ok(()) };
            let Some(server) = primary.link.endpoint.first_server() else { return Ok(()) };
            match timeout(SLOT_MAP_TIMEOUT, self.answer(handshake, server)).await {
                Ok(Some(outcome)) => self.record(outcome),
                Ok(None) | Err(_) => Ok(()),
            }
        })
    }
}
