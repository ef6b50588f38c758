//! The server that a link leads to.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;

use crate::address::Address;
use crate::sentinel::Sentinels;
use crate::server::Server;
use crate::wire::{send, unavailable};
use crate::{Diagnosis, LinkError};

/// Where a link leads.
pub(crate) enum Endpoint {
    Fixed(Arc<Server>),
    /// The present primary, as Sentinels name it.
    Watched(Box<Sentinels>),
}

impl Endpoint {
    pub async fn server(&self) -> Result<Arc<Server>, LinkError> {
        match self {
            Self::Fixed(server) => Ok(server.clone()),
            Self::Watched(sentinels) => sentinels.primary().await.map(Arc::new),
        }
    }

    /// The first server to be asked: the server itself, or a Sentinel.
    pub fn first_server(&self) -> Option<&Arc<Server>> {
        match self {
            Self::Fixed(server) => Some(server),
            Self::Watched(sentinels) => sentinels.first_server(),
        }
    }

    /// Returns when the connection to `address` is no longer the right one.
    pub async fn wait_until_moved(&self, address: &Address, replid: &str) {
        match self {
            Self::Fixed(_) => std::future::pending().await,
            Self::Watched(sentinels) => sentinels.wait_until_deposed(address, replid).await,
        }
    }

    /// The questions that Sentinels do not answer at present.
    pub async fn sentinel_failures(&self) -> Vec<String> {
        match self {
            Self::Fixed(_) => Vec::new(),
            Self::Watched(sentinels) => sentinels.failures().await,
        }
    }

    /// The replication id of the primary just reached; empty for a fixed server, because nobody watches its id.
    ///
    /// # Errors
    ///
    /// When it was deposed while it was dialled: it may have been asleep.
    pub async fn confirm(
        &self,
        connection: &mut MultiplexedConnection,
        server: &Arc<Server>,
    ) -> Result<String, LinkError> {
        let Self::Watched(sentinels) = self else { return Ok(String::new()) };
        let info = send(connection, redis::cmd("INFO").arg("replication")).await;
        let info: redis::InfoDict = info
            .and_then(|info| Ok(redis::from_redis_value(info)?))
            .map_err(|error| unavailable(&error, server))?;
        let replid: String = info.get("master_replid").unwrap_or_default();
        if sentinels.has_successor(&replid).await {
            let remedy = "wait until Sentinels name its successor";
            return Err(Diagnosis::new(
                server.clone(),
                "was deposed, and Sentinels do not say so yet",
                remedy,
            )
            .into());
        }
        Ok(replid)
    }
}
