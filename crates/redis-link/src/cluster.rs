//! A Cluster: the map of its slots, and a [`Primary`] for each primary.
//!
//! Each primary has its own connection, its own clock and its own limit of calls in flight. Users of a dead or slow
//! primary do not hold up the users of the others. A redirection changes the map at once; `cluster_keeper.rs` keeps it
//! current.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};

use crate::address::{Address, Dialer};
use crate::cluster_gate::ClusterGate;
use crate::connector::{Connector, FirstExchange};
use crate::endpoint::Endpoint;
use crate::primary::Primary;
use crate::slot_map::SlotMap;
use crate::{Handshake, LinkError, LinkSettings};

pub(crate) struct Cluster {
    settings: LinkSettings,
    pub dialer: Dialer,
    pub over_tls: bool,
    pub seeds: Vec<Address>,
    pub gate: Arc<ClusterGate>,
    pub slots: Arc<ArcSwap<SlotMap>>,
    /// Every known server, also one without slots that a redirection has named.
    primaries: Mutex<HashMap<Address, Arc<Primary>>>,
    /// Whether the map was ever asked for.
    pub was_asked: watch::Sender<bool>,
    /// Wakes the keeper: the map may be out of date.
    pub wake: Notify,
}

impl Cluster {
    pub fn new(
        settings: &LinkSettings,
        dialer: Dialer,
        over_tls: bool,
        seeds: Vec<Address>,
        handshake: Option<Handshake>,
    ) -> Self {
        let slots = Arc::new(ArcSwap::from_pointee(SlotMap::empty()));
        let gate = Arc::new(ClusterGate::new(handshake, dialer.clone(), Arc::downgrade(&slots)));
        Self {
            settings: settings.clone(),
            dialer,
            over_tls,
            seeds,
            gate,
            slots,
            primaries: Mutex::default(),
            was_asked: watch::Sender::new(false),
            wake: Notify::new(),
        }
    }

    /// The primary of a slot; waits for the first map.
    pub async fn owner(&self, slot: u16) -> Result<Arc<Primary>, LinkError> {
        self.gate.require_open()?;
        if *self.was_asked.borrow()
            && let Some(primary) = self.known_owner(slot)
        {
            return Ok(primary);
        }
        let _ = self.was_asked.subscribe().wait_for(|was_asked| *was_asked).await;
        let unserved = || LinkError::Unavailable(format!("no server of the Cluster serves slot {slot}"));
        self.known_owner(slot).ok_or_else(unserved)
    }

    /// The primary of a slot, as far as it is known right now.
    pub fn known_owner(&self, slot: u16) -> Option<Arc<Primary>> {
        self.slots.load().owner(slot).cloned()
    }

    /// The primary at an address. A new one begins to connect.
    pub fn primary_at(&self, address: &Address) -> Result<Arc<Primary>, LinkError> {
        let mut primaries = self.known_primaries();
        if let Some(primary) = primaries.get(address) {
            return Ok(primary.clone());
        }
        let primary = Arc::new(self.open(address.clone())?);
        primaries.insert(address.clone(), primary.clone());
        Ok(primary)
    }

    fn open(&self, address: Address) -> Result<Primary, LinkError> {
        let first_exchange = FirstExchange::Cluster(self.gate.clone());
        let connector = Connector { dialer: self.dialer.clone(), first_exchange };
        Primary::open(&self.settings, Endpoint::Fixed(address), connector, !*self.was_asked.borrow())
    }

    /// Every known server, by its address.
    pub fn known_primaries(&self) -> MutexGuard<'_, HashMap<Address, Arc<Primary>>> {
        self.primaries.lock().expect("no panic while the primaries are held")
    }

    /// A server says that another one serves the slot now.
    pub fn move_slot(&self, slot: u16, address: &Address) -> Result<(), LinkError> {
        let primary = self.primary_at(address)?;
        let map = self.slots.load().with_owner(slot, primary);
        self.slots.store(Arc::new(map));
        self.refresh_soon();
        Ok(())
    }

    /// The map may be out of date.
    pub fn refresh_soon(&self) {
        self.wake.notify_one();
    }
}
