//! A deployment, and its primaries.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::address::{Dialer, Topology};
use crate::cluster::Cluster;
use crate::connector::{Connector, FirstExchange};
use crate::endpoint::Endpoint;
use crate::primary::Primary;
use crate::sentinel::Sentinels;
use crate::{Handshake, LinkError, LinkSettings, cluster_keeper};

pub(crate) enum Deployment {
    /// One server, or the primary that Sentinels name.
    Single(Arc<Primary>),
    Cluster {
        cluster: Arc<Cluster>,
        keeper: JoinHandle<()>,
    },
}

impl Deployment {
    /// Begins to connect in the background, on the current runtime.
    pub fn open(settings: &LinkSettings, handshake: Option<Handshake>) -> Result<Self, LinkError> {
        let parsed = settings.parse()?;
        let dialer = Dialer::new(&parsed, &settings.tls);
        match parsed.topology {
            Topology::Standalone(address) => Self::open_single(
                settings,
                Endpoint::Fixed(Arc::new(dialer.server(&address))),
                dialer,
                handshake,
            ),
            Topology::Sentinel { sentinels, master_name } => {
                let sentinels = Sentinels::new(&sentinels, &master_name, settings, dialer.clone());
                Self::open_single(settings, Endpoint::Watched(Box::new(sentinels)), dialer, handshake)
            }
            Topology::Cluster { seeds } => {
                let cluster = Arc::new(Cluster::new(settings, dialer, parsed.tls, seeds, handshake));
                let keeper = tokio::spawn(cluster_keeper::keep(cluster.clone()));
                Ok(Self::Cluster { cluster, keeper })
            }
        }
    }

    fn open_single(
        settings: &LinkSettings,
        endpoint: Endpoint,
        dialer: Dialer,
        handshake: Option<Handshake>,
    ) -> Result<Self, LinkError> {
        let first_exchange = handshake.map_or(FirstExchange::Time, FirstExchange::Script);
        let primary = Primary::open(settings, endpoint, Connector { dialer, first_exchange }, true)?;
        Ok(Self::Single(Arc::new(primary)))
    }

    /// Every primary known right now.
    pub fn primaries(&self) -> Vec<Arc<Primary>> {
        match self {
            Self::Single(primary) => vec![primary.clone()],
            Self::Cluster { cluster, .. } => cluster.slots.load().primaries().to_vec(),
        }
    }

    pub fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster { .. })
    }

    /// The slots of a Cluster may lie elsewhere by now.
    pub fn refresh_soon(&self) {
        if let Self::Cluster { cluster, .. } = self {
            cluster.refresh_soon();
        }
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        if let Self::Cluster { keeper, .. } = self {
            keeper.abort();
        }
    }
}
