//! The primaries of a deployment, and the one in charge of a key.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::address::{Address, Dialer, Topology};
use crate::cluster::Cluster;
use crate::connector::{Connector, FirstExchange};
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::primary::Primary;
use crate::sentinel::Sentinels;
use crate::slots::slot_of;
use crate::{Handshake, LinkError, LinkSettings, cluster_keeper};

pub(crate) enum Deployment {
    /// One server, or the primary that Sentinels name.
    Single(Arc<Primary>),
    Cluster {
        cluster: Arc<Cluster>,
        keeper: JoinHandle<()>,
    },
}

/// Where a call is sent next.
pub(crate) enum Destination {
    /// The primary in charge of the key.
    Owner,
    /// The slot is on the move, and the key has arrived there already.
    Importer(Address),
}

impl Destination {
    pub fn is_importer(&self) -> bool {
        matches!(self, Self::Importer(_))
    }
}

impl Deployment {
    /// Begins to connect in the background, on the current runtime.
    pub fn open(settings: &LinkSettings, handshake: Option<Handshake>) -> Result<Self, LinkError> {
        let parsed = settings.parse()?;
        let dialer = Dialer::new(&parsed, &settings.tls);
        match parsed.topology {
            Topology::Standalone(address) => {
                Self::open_single(settings, Endpoint::Fixed(address), dialer, handshake)
            }
            Topology::Sentinel { sentinels, master_name } => {
                let own = settings.sentinel_dialer(&dialer);
                let sentinels = Sentinels::new(&sentinels, &master_name, &own, dialer.clone());
                Self::open_single(settings, Endpoint::Watched(sentinels), dialer, handshake)
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

    /// The primary at the destination of a call; waits for the first map of a Cluster.
    pub async fn primary(&self, key: &str, destination: &Destination) -> Result<Arc<Primary>, LinkError> {
        match (self, destination) {
            (Self::Single(primary), _) => Ok(primary.clone()),
            (Self::Cluster { cluster, .. }, Destination::Owner) => cluster.owner(slot_of(key)).await,
            (Self::Cluster { cluster, .. }, Destination::Importer(address)) => cluster.primary_at(address),
        }
    }

    /// The primary of a slot, as far as it is known right now. The slot matters only in a Cluster.
    pub fn known_owner(&self, slot: impl FnOnce() -> u16) -> Option<Arc<Primary>> {
        match self {
            Self::Single(primary) => Some(primary.clone()),
            Self::Cluster { cluster, .. } => cluster.known_owner(slot()),
        }
    }

    /// Whether the answer of a primary counts. In a Cluster another server may have taken over from it.
    pub fn is_owner(&self, key: &str, primary: &Arc<Primary>) -> bool {
        match self {
            Self::Single(_) => true, // the link knows
            Self::Cluster { .. } => {
                self.known_owner(|| slot_of(key)).is_none_or(|owner| Arc::ptr_eq(&owner, primary))
            }
        }
    }

    /// Takes from a failure that slots of a Cluster lie elsewhere.
    pub fn note_failure(&self, key: &str, failure: &Failure) -> Result<(), LinkError> {
        match (self, failure) {
            (Self::Cluster { cluster, .. }, Failure::Moved(address)) => {
                cluster.move_slot(slot_of(key), address)
            }
            (Self::Cluster { cluster, .. }, Failure::Lost(_)) => {
                cluster.refresh_soon();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Where a call goes after a failure.
    pub fn destination_after(&self, failure: Failure) -> Destination {
        match (self, failure) {
            (Self::Cluster { .. }, Failure::Ask(address)) => Destination::Importer(address),
            _ => Destination::Owner,
        }
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
