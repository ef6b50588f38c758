//! The server that a link leads to.

use redis::aio::MultiplexedConnection;

use crate::LinkError;
use crate::address::Address;
use crate::sentinel::Sentinels;
use crate::wire::{send, unavailable};

/// Where a link leads.
pub(crate) enum Endpoint {
    Fixed(Address),
    /// The present primary, as Sentinels name it.
    Watched(Box<Sentinels>),
}

impl Endpoint {
    pub async fn address(&self) -> Result<Address, LinkError> {
        match self {
            Self::Fixed(address) => Ok(address.clone()),
            Self::Watched(sentinels) => sentinels.primary().await,
        }
    }

    /// The server, where it is always the same.
    pub fn fixed_address(&self) -> Option<&Address> {
        match self {
            Self::Fixed(address) => Some(address),
            Self::Watched(_) => None,
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
    pub async fn confirm(&self, connection: &mut MultiplexedConnection) -> Result<String, LinkError> {
        let Self::Watched(sentinels) = self else { return Ok(String::new()) };
        let info = send(connection, redis::cmd("INFO").arg("replication")).await;
        let info: redis::InfoDict =
            info.and_then(|info| Ok(redis::from_redis_value(info)?)).map_err(|error| unavailable(&error))?;
        let replid: String = info.get("master_replid").unwrap_or_default();
        if sentinels.has_successor(&replid).await {
            return Err(LinkError::Unavailable(
                "the primary was deposed; Sentinels do not say so yet".to_owned(),
            ));
        }
        Ok(replid)
    }
}
