//! Connections of one-off commands, to look into a deployment.

use std::sync::Arc;

use redis::InfoDict;
use redis::aio::MultiplexedConnection;
use token_gateway_core::clock::Timestamp;

use crate::address::{Dialer, Parsed, Topology};
use crate::sentinel::Sentinels;
use crate::server::{Announcer, Server};
use crate::wire::{CONNECT_TIMEOUT, ask_time, send, unavailable};
use crate::{Diagnosis, LinkError, LinkSettings, cluster_nodes, slots};

/// A connection to each primary; answers have the deadline of a call.
pub struct Primaries {
    /// Each primary, and the connection to it.
    pub all: Vec<(Arc<Server>, MultiplexedConnection)>,
    /// In a Cluster: for each slot the place of its primary in `all`.
    owners: Option<Vec<Option<u16>>>,
    /// The server of a Cluster that named its primaries.
    map_by: Option<Arc<Server>>,
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
        let (mut sentinel_error, mut map_by) = (None, None);
        let (servers, owners) = match parsed.topology {
            Topology::Standalone(address) => (vec![dialer.server(&address)], None),
            Topology::Sentinel { sentinels, master_name } => {
                let sentinels = Sentinels::new(&sentinels, &master_name, settings, dialer.clone());
                let primary = sentinels.primary().await?;
                let named = sentinels.named_replicas().await;
                sentinel_error = named.err().filter(is_of_rights).map(|error| error.cause());
                (vec![primary], None)
            }
            Topology::Cluster { seeds } => {
                let announced = cluster_nodes::ask_any(&dialer, &seeds, parsed.tls).await?;
                let (addresses, owners) = announced.owners;
                map_by = Some(announced.by.clone());
                let by = Announcer::Cluster(announced.by.address.clone());
                let server = |address| dialer.server(address).announced(Some(by.clone()));
                (addresses.iter().map(server).collect(), Some(owners))
            }
        };
        let mut all = Vec::new();
        for server in servers.into_iter().map(Arc::new) {
            let mut connection = dialer.dial(&server, CONNECT_TIMEOUT).await?;
            connection.set_response_timeout(settings.timeout);
            all.push((server, connection));
        }
        Ok(Self { all, owners, map_by, sentinel_error })
    }

    /// The primary of a key.
    ///
    /// # Errors
    ///
    /// When no server serves the slot of the key.
    pub fn owner(&mut self, key: &str) -> Result<&mut (Arc<Server>, MultiplexedConnection), LinkError> {
        let index = self.owner_index(key.as_bytes());
        let index = index.ok_or_else(|| self.unserved())?;
        Ok(&mut self.all[index])
    }

    /// The error of a Cluster in which nobody serves a slot.
    pub fn unserved(&self) -> LinkError {
        let remedy = "bring its primary back; redis-cli --cluster check names missing slots";
        Diagnosis::new(self.map_by.clone(), "knows of no primary for a slot", remedy).into()
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
        let unserved = self.unserved();
        let (server, connection) = self.all.first_mut().ok_or(unserved)?;
        let info = send(connection, redis::cmd("INFO").arg("replication")).await;
        let info: Result<InfoDict, _> = info.and_then(|info| Ok(redis::from_redis_value(info)?));
        let role: Option<String> = info.map_err(|error| unavailable(&error, server))?.get("role");
        if role.as_deref() != Some("master") {
            let role = role.unwrap_or_default();
            let cause = format!("is no primary; its role is '{role}'");
            return Err(Diagnosis::new(server.clone(), cause, "let REDIS_URL lead to the primary").into());
        }
        ask_time(connection).await.map_err(|error| unavailable(&error, server))
    }

    /// Whether the deployment is a Cluster.
    pub fn is_cluster(&self) -> bool {
        self.owners.is_some()
    }
}

fn is_of_rights(error: &LinkError) -> bool {
    matches!(error, LinkError::Replied(reply) if reply.is_of_rights())
}
