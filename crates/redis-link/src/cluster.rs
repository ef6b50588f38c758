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
use crate::server::{Announcer, Server};
use crate::slot_map::SlotMap;
use crate::{Diagnosis, Handshake, LinkError, LinkHealth, LinkSettings};

pub(crate) struct Cluster {
    settings: LinkSettings,
    pub dialer: Dialer,
    pub over_tls: bool,
    pub seeds: Vec<Address>,
    pub gate: Arc<ClusterGate>,
    pub slots: Arc<ArcSwap<SlotMap>>,
    /// Why the last question for the map failed, where it did.
    map_error: Mutex<Option<LinkError>>,
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
            map_error: Mutex::default(),
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
        self.known_owner(slot).ok_or_else(|| self.unserved(slot))
    }

    /// The error of the last question for the map, or of a map without this slot.
    fn unserved(&self, slot: u16) -> LinkError {
        self.map_error().unwrap_or_else(|| {
            let server = self.dialer.server(&self.seeds[0]);
            let remedy = "bring its primary back; redis-cli --cluster check names missing slots";
            let cause = format!("knows of no primary for slot {slot}");
            Diagnosis::new(Arc::new(server), cause, remedy).into()
        })
    }

    /// Why the last question for the map failed, where it did.
    pub fn map_error(&self) -> Option<LinkError> {
        self.map_error.lock().expect("no panic while it is held").clone()
    }

    /// Keeps the outcome of a question for the map.
    pub fn note_map(&self, error: Option<&LinkError>) {
        *self.map_error.lock().expect("no panic while it is held") = error.cloned();
        if let Some(error) = error {
            self.settings.health.failed(error);
        }
    }

    /// The primary of a slot, as far as it is known right now.
    pub fn known_owner(&self, slot: u16) -> Option<Arc<Primary>> {
        self.slots.load().owner(slot).cloned()
    }

    /// The primary at an address that `announcer` gave. A new one begins to connect.
    pub fn primary_at(&self, address: &Address, announcer: &Address) -> Result<Arc<Primary>, LinkError> {
        let mut primaries = self.known_primaries();
        if let Some(primary) = primaries.get(address) {
            return Ok(primary.clone());
        }
        let primary = Arc::new(self.open(address, announcer)?);
        primaries.insert(address.clone(), primary.clone());
        Ok(primary)
    }

    fn open(&self, address: &Address, announcer: &Address) -> Result<Primary, LinkError> {
        let server = self.dialer.server(address).announced(Some(Announcer::Cluster(announcer.clone())));
        let first_exchange = FirstExchange::Cluster(self.gate.clone());
        let connector = Connector { dialer: self.dialer.clone(), first_exchange };
        Primary::open(&self.settings, Endpoint::Fixed(Arc::new(server)), connector, !*self.was_asked.borrow())
    }

    pub fn health(&self) -> &LinkHealth {
        &self.settings.health
    }

    /// Every known server, by its address.
    pub fn known_primaries(&self) -> MutexGuard<'_, HashMap<Address, Arc<Primary>>> {
        self.primaries.lock().expect("no panic while the primaries are held")
    }

    /// A server says that another one serves the slot now.
    pub fn move_slot(&self, slot: u16, to: &Address, by: &Server) -> Result<(), LinkError> {
        let primary = self.primary_at(to, &by.address)?;
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
