//! Connections of one-off commands, to look into a deployment.

use redis::InfoDict;
use redis::aio::MultiplexedConnection;
use token_gateway_core::clock::Timestamp;

use crate::address::{Address, Dialer, Parsed, Topology};
use crate::sentinel::Sentinels;
use crate::wire::{CONNECT_TIMEOUT, ask_time, send, unavailable};
use crate::{LinkError, LinkSettings, cluster_nodes, slots};

/// A connection to each primary; answers have the deadline of a call.
pub struct Primaries {
    /// Each primary, and the connection to it.
    pub all: Vec<(Address, MultiplexedConnection)>,
    /// In a Cluster: for each slot the place of its primary in `all`.
    owners: Option<Vec<Option<u16>>>,
    /// Why Sentinels refuse to name the replicas, where they do.
    pub sentinel_error: Option<String>,
}

impl Primaries {
    /// Connects to every primary.
    ///
    /// # Errors
    ///
    /// When one of them cannot be reached.
    pub async fn open(settings: &LinkSettings) -> Result<Self, LinkError> {
        Self::open_parsed(settings, settings.parse()?).await
    }

    /// The same in database 0, for a user that may not choose the one of the settings.
    ///
    /// # Errors
    ///
    /// When one of them cannot be reached.
    pub async fn open_in_database_0(settings: &LinkSettings) -> Result<Self, LinkError> {
        let mut parsed = settings.parse()?;
        parsed.redis = parsed.redis.set_db(0);
        Self::open_parsed(settings, parsed).await
    }

    async fn open_parsed(settings: &LinkSettings, parsed: Parsed) -> Result<Self, LinkError> {
        let dialer = Dialer::new(&parsed, &settings.tls);
        let mut sentinel_error = None;
        let (addresses, owners) = match parsed.topology {
            Topology::Standalone(address) => (vec![address], None),
            Topology::Sentinel { sentinels, master_name } => {
                let sentinels = Sentinels::new(
                    &sentinels,
                    &master_name,
                    &settings.sentinel_dialer(&dialer),
                    dialer.clone(),
                );
                let primary = sentinels.primary().await?;
                sentinel_error =
                    sentinels.named_replicas().await.err().filter(|error| error.contains("NOPERM"));
                (vec![primary], None)
            }
            Topology::Cluster { seeds } => {
                let (addresses, owners) = cluster_nodes::ask_any(&dialer, &seeds, parsed.tls).await?;
                (addresses, Some(owners))
            }
        };
        let mut all = Vec::new();
        for address in addresses {
            let opened = dialer.dial(&address, CONNECT_TIMEOUT).await;
            let mut connection = opened.map_err(|error| unavailable(&error))?;
            connection.set_response_timeout(settings.timeout);
            all.push((address, connection));
        }
        Ok(Self { all, owners, sentinel_error })
    }

    /// The primary of a key.
    ///
    /// # Errors
    ///
    /// When no server serves the slot of the key.
    pub fn owner(&mut self, key: &str) -> Result<&mut MultiplexedConnection, LinkError> {
        let unowned = || LinkError::Unavailable("a slot of the Cluster is served by nobody".to_owned());
        let index = self.owner_index(key.as_bytes()).ok_or_else(unowned)?;
        Ok(&mut self.all[index].1)
    }

    /// The place of the key's primary in `all`; `None` where no server serves its slot.
    pub fn owner_index(&self, key: &[u8]) -> Option<usize> {
        match &self.owners {
            None => Some(0),
            Some(owners) => owners[usize::from(slots::slot_of(key))].map(usize::from),
        }
    }

    /// The time of the first primary. It must be one by its own word, because nobody goes by a replica's clock.
    ///
    /// # Errors
    ///
    /// When it does not answer, is a replica, or lets this user not ask.
    pub async fn time(&mut self) -> Result<Timestamp, LinkError> {
        let nobody = || LinkError::Unavailable("the Cluster has no primary".to_owned());
        let (address, connection) = self.all.first_mut().ok_or_else(nobody)?;
        let info = send(connection, redis::cmd("INFO").arg("replication")).await;
        let info: Result<InfoDict, _> = info.and_then(|info| Ok(redis::from_redis_value(info)?));
        let role: Option<String> = info.map_err(|error| unavailable(&error))?.get("role");
        if role.as_deref() != Some("master") {
            let role = role.unwrap_or_default();
            return Err(LinkError::Unavailable(format!("{address} is no primary; its role is '{role}'")));
        }
        ask_time(connection).await.map_err(|error| unavailable(&error))
    }

    /// Whether the deployment is a Cluster.
    pub fn is_cluster(&self) -> bool {
        self.owners.is_some()
    }
}
