//! A Cluster: the map from slots to servers, learnt in the background, and a `Shard` for each primary.
//!
//! Each primary has its own connection, its own clock and its own limit of calls in flight. Users of a dead or slow
//! primary do not hold up the users of the others. The map of slots is asked for every second, more often while
//! something is amiss. A redirection changes it at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use futures_util::future::{BoxFuture, join_all};
use redis::Cmd;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use crate::address::{Address, Dialer};
use crate::failure::Failure;
use crate::link::{Connector, Fence, FirstExchange, Target};
use crate::nodes::{self, Claim, SLOTS};
use crate::shard::Shard;
use crate::wire::{CONNECT, send, unavailable};
use crate::{Handshake, LinkError, Reply, Settings};

/// How often the map is asked for while all is well.
const SLOT_MAP_INTERVAL: Duration = Duration::from_secs(1);

/// How often the state is checked, and the map asked for where something is amiss.
const SLOT_MAP_RETRY: Duration = Duration::from_millis(100);

/// How many servers are asked at once, and how long they may take.
const ASKED: usize = 3;
const SLOT_MAP_TIMEOUT: Duration = Duration::from_millis(300);

pub(crate) struct Cluster {
    this: Weak<Self>,
    settings: Settings,
    dialer: Dialer,
    over_tls: bool,
    seeds: Vec<Address>,
    /// `None` for who only reads.
    handshake: Option<Handshake>,
    map: ArcSwap<Map>,
    shards: Mutex<HashMap<Address, Arc<Shard>>>,
    /// Whether the map was ever asked for.
    tried: watch::Sender<bool>,
    /// The handshake was refused.
    refused: ArcSwapOption<LinkError>,
    /// The server to ask next.
    turn: AtomicUsize,
    wake: Notify,
}

/// The primary of each slot.
struct Map {
    shards: Vec<Arc<Shard>>,
    owners: Vec<Option<u16>>,
}

impl Map {
    fn owner(&self, slot: u16) -> Option<&Arc<Shard>> {
        self.owners[usize::from(slot)].map(|index| &self.shards[usize::from(index)])
    }
}

impl Cluster {
    pub fn new(
        settings: &Settings,
        dialer: Dialer,
        over_tls: bool,
        seeds: Vec<Address>,
        handshake: Option<Handshake>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            settings: settings.clone(),
            dialer,
            over_tls,
            seeds,
            handshake,
            map: ArcSwap::from_pointee(Map { shards: Vec::new(), owners: vec![None; SLOTS] }),
            shards: Mutex::default(),
            tried: watch::Sender::new(false),
            refused: ArcSwapOption::empty(),
            turn: AtomicUsize::new(0),
            wake: Notify::new(),
        })
    }

    /// The `Shard` of a slot; waits for the first map.
    pub async fn owner(&self, slot: u16) -> Result<Arc<Shard>, LinkError> {
        if let Some(refused) = &*self.refused.load() {
            return Err((**refused).clone());
        }
        if *self.tried.borrow()
            && let Some(shard) = self.map.load().owner(slot)
        {
            return Ok(shard.clone());
        }
        let _ = self.tried.subscribe().wait_for(|tried| *tried).await;
        let found = self.map.load().owner(slot).cloned();
        found.ok_or_else(|| LinkError::Unavailable(format!("no server of the Cluster serves slot {slot}")))
    }

    /// The primary of a slot, as far as it is known right now.
    pub fn known_owner(&self, slot: u16) -> Option<Arc<Shard>> {
        self.map.load().owner(slot).cloned()
    }

    /// The `Shard` of a server, for a redirected call.
    pub fn at(&self, address: &Address) -> Result<Arc<Shard>, LinkError> {
        let mut shards = self.shards.lock().expect("no panic while the shards are held");
        if let Some(shard) = shards.get(address) {
            return Ok(shard.clone());
        }
        let opening = Connector {
            dialer: self.dialer.clone(),
            first_exchange: FirstExchange::Fenced(Arc::new(Gate(self.this.clone()))),
        };
        let shard = Arc::new(Shard::open(
            &self.settings,
            Target::Fixed(address.clone()),
            opening,
            !*self.tried.borrow(),
        )?);
        shards.insert(address.clone(), shard.clone());
        Ok(shard)
    }

    /// A server says that another one serves the slot now.
    pub fn moved(&self, slot: u16, address: &Address) -> Result<(), LinkError> {
        let (shard, map) = (self.at(address)?, self.map.load());
        let mut shards = map.shards.clone();
        let known = shards.iter().position(|one| Arc::ptr_eq(one, &shard));
        let index = known.unwrap_or_else(|| {
            shards.push(shard);
            shards.len() - 1
        });
        let mut owners = map.owners.clone();
        owners[usize::from(slot)] = Some(index as u16);
        self.map.store(Arc::new(Map { shards, owners }));
        self.look_again();
        Ok(())
    }

    /// The map may be out of date.
    pub fn look_again(&self) {
        self.wake.notify_one();
    }

    /// The primaries with slots.
    pub fn shards(&self) -> Vec<Arc<Shard>> {
        self.map.load().shards.clone()
    }

    fn is_whole(&self) -> bool {
        let map = self.map.load();
        map.owners.iter().all(Option::is_some)
            && map.shards.iter().all(|shard| shard.link.is_up() == Some(true))
    }

    async fn refresh(&self) -> Result<(), LinkError> {
        let mut views = Vec::new();
        let mut cause = LinkError::Unavailable("no server of the Cluster is known".to_owned());
        for view in join_all(self.to_ask().iter().map(|address| self.view(address))).await {
            match view {
                Ok(claims) => views.push(claims),
                Err(error) => cause = error,
            }
        }
        if views.is_empty() {
            return Err(cause);
        }
        let (addresses, owners) = nodes::merge(views);
        let shards = addresses.iter().map(|address| self.at(address)).collect::<Result<Vec<_>, _>>()?;
        self.map.store(Arc::new(Map { shards, owners }));
        let mut all = self.shards.lock().expect("no panic while the shards are held");
        all.retain(|address, _| addresses.contains(address));
        Ok(())
    }

    /// Some servers, others each time: first those known to answer, then the configured ones.
    fn to_ask(&self) -> Vec<Address> {
        let shards = self.shards.lock().expect("no panic while the shards are held");
        let up = shards.iter().filter(|(_, shard)| shard.link.is_up() == Some(true));
        let mut up: Vec<Address> = up.map(|(address, _)| address.clone()).collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut seeds = self.seeds.clone();
        seeds.rotate_left(turn % self.seeds.len());
        if !up.is_empty() {
            up.sort();
            let turn = turn % up.len();
            up.rotate_left(turn);
            seeds.retain(|seed| !up.contains(seed));
        }
        up.into_iter().chain(seeds).take(ASKED).collect()
    }

    async fn view(&self, address: &Address) -> Result<Vec<Claim>, LinkError> {
        let command = command();
        let answer = timeout(SLOT_MAP_TIMEOUT, self.ask(address, &command)).await;
        let answer = answer.unwrap_or_else(|_| Err(LinkError::Unavailable(format!("{address}: no answer"))));
        answer.map(|answer| nodes::claims(&answer, address, self.over_tls))
    }

    async fn ask(&self, address: &Address, command: &Cmd) -> Result<String, LinkError> {
        let known = self.shards.lock().expect("no panic while the shards are held").get(address).cloned();
        match known.filter(|shard| shard.link.is_up() == Some(true)) {
            Some(shard) => shard.look(command).await.map_err(Failure::into_error)?.ok_or_else(|| {
                LinkError::Unavailable("the user may not ask CLUSTER NODES; allow +cluster|nodes".to_owned())
            }),
            None => primaries_of(&self.dialer, address, command).await,
        }
    }

    /// No server is written to behind a handshake that was refused. Its key lies on one of them; while that does not answer,
    /// what it said last holds.
    ///
    /// # Errors
    ///
    /// When the handshake is refused.
    async fn confirm(&self) -> Result<(), LinkError> {
        let Some(handshake) = &self.handshake else { return Ok(()) };
        let Some(shard) = self.known_owner(nodes::slot(&handshake.key)) else { return Ok(()) };
        let Some(address) = shard.link.fixed() else { return Ok(()) };
        let asking = async {
            let mut connection = self.dialer.dial(address, SLOT_MAP_TIMEOUT).await.ok()?;
            let answer = send(&mut connection, &handshake.call.eval()).await.ok()?;
            Some(Reply::new(answer).and_then(handshake.check))
        };
        match timeout(SLOT_MAP_TIMEOUT, asking).await {
            Ok(Some(read)) => self.note(read),
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// The same from time to time, over the connection that there is.
    async fn shake_hands(&self) {
        let Some(handshake) = &self.handshake else { return };
        let Some(shard) = self.known_owner(nodes::slot(&handshake.key)) else { return };
        let call = |_: &_| handshake.call.clone();
        if let Ok(Ok(reply)) = timeout(CONNECT, shard.attempt(&call, false)).await {
            let _ = self.note((handshake.check)(reply)); // told to whoever calls
        }
    }

    fn note(&self, read: Result<(), LinkError>) -> Result<(), LinkError> {
        self.refused.store(read.as_ref().err().cloned().map(Arc::new));
        read
    }
}

/// The fence of a Cluster that may be gone.
struct Gate(Weak<Cluster>);

impl Fence for Gate {
    fn confirm(&self) -> BoxFuture<'_, Result<(), LinkError>> {
        Box::pin(async {
            match self.0.upgrade() {
                Some(cluster) => cluster.confirm().await,
                None => Ok(()),
            }
        })
    }
}

fn command() -> Cmd {
    let mut command = redis::cmd("CLUSTER");
    command.arg("NODES");
    command
}

async fn primaries_of(dialer: &Dialer, address: &Address, command: &Cmd) -> Result<String, LinkError> {
    let asking = async {
        let mut connection = dialer.dial(address, SLOT_MAP_TIMEOUT).await?;
        Ok(redis::from_redis_value(send(&mut connection, command).await?)?)
    };
    asking.await.map_err(|error| unavailable(&error))
}

/// The primaries and their slots, for a command that looks and ends.
pub(crate) async fn map(
    dialer: &Dialer,
    seeds: &[Address],
    over_tls: bool,
) -> Result<(Vec<Address>, Vec<Option<u16>>), LinkError> {
    let mut cause = LinkError::Unavailable("REDIS_URL names no server".to_owned());
    for seed in seeds {
        match timeout(CONNECT, primaries_of(dialer, seed, &command())).await {
            Ok(Ok(answer)) => return Ok(nodes::merge(vec![nodes::claims(&answer, seed, over_tls)])),
            Ok(Err(error)) => cause = error,
            Err(_) => cause = LinkError::Unavailable(format!("{seed}: no answer within {CONNECT:?}")),
        }
    }
    Err(cause)
}

/// Keeps the map current for as long as the store lives.
pub(crate) async fn keep(cluster: Arc<Cluster>) {
    let mut told = false;
    loop {
        let asked = Instant::now();
        let outcome = cluster.refresh().await;
        match &outcome {
            Err(error) if !told => log::warn!("cannot learn the Cluster's slots, trying on: {error}"),
            Ok(()) if told => log::info!("learnt the Cluster's slots again"),
            _ => {}
        }
        told = outcome.is_err();
        cluster.shake_hands().await;
        cluster.tried.send_replace(true);
        let mut woken = false;
        while !woken && cluster.is_whole() && asked.elapsed() < SLOT_MAP_INTERVAL {
            woken = timeout(SLOT_MAP_RETRY, cluster.wake.notified()).await.is_ok();
        }
        if !woken {
            let _ = timeout(SLOT_MAP_RETRY, cluster.wake.notified()).await;
        }
        sleep(SLOT_MAP_RETRY / 5).await; // many redirections at once are one reason
    }
}
