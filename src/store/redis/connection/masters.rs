//! Connections of one-off commands, to look into a deployment.

use redis::aio::MultiplexedConnection;

use super::sentinel::Sentinels;
use super::{CONNECT, cluster, nodes, unavailable};
use crate::store::Error;
use crate::store::redis::RedisSettings;
use crate::store::redis::address::{Address, Dialer, Topology};

/// One to each primary; answers have the deadline of a call.
pub(in crate::store::redis) struct Masters {
    pub all: Vec<(Address, MultiplexedConnection)>,
    owners: Option<Vec<Option<u16>>>,
}

impl Masters {
    pub async fn open(settings: &RedisSettings) -> Result<Self, Error> {
        let parsed = settings.parse()?;
        let dialer = Dialer::new(&parsed, &settings.tls);
        let (addresses, owners) = match parsed.topology {
            Topology::Standalone(address) => (vec![address], None),
            Topology::Sentinel { sentinels, master } => {
                let sentinels =
                    Sentinels::new(&sentinels, &master, &settings.to_sentinels(&dialer), dialer.clone());
                (vec![sentinels.master().await?], None)
            }
            Topology::Cluster { seeds } => {
                let (addresses, owners) = cluster::map(&dialer, &seeds, parsed.tls).await?;
                (addresses, Some(owners))
            }
        };
        let mut all = Vec::new();
        for address in addresses {
            let opened = dialer.dial(&address, CONNECT).await;
            let mut connection = opened.map_err(|error| unavailable(&error))?;
            connection.set_response_timeout(settings.timeout);
            all.push((address, connection));
        }
        Ok(Self { all, owners })
    }

    /// The connection to the primary of a key.
    pub fn of(&mut self, key: &str) -> Result<&mut MultiplexedConnection, Error> {
        let unowned = || Error::Unavailable("a slot of the Cluster is served by nobody".to_owned());
        let index = self.index(key.as_bytes()).ok_or_else(unowned)?;
        Ok(&mut self.all[index].1)
    }

    /// Its place in `all`; `None` where no server serves the key's slot.
    pub fn index(&self, key: &[u8]) -> Option<usize> {
        match &self.owners {
            None => Some(0),
            Some(owners) => owners[usize::from(nodes::slot(key))].map(usize::from),
        }
    }

    pub fn is_cluster(&self) -> bool {
        self.owners.is_some()
    }
}
