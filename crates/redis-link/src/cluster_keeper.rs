//! The keeper of a Cluster's map: a task that asks some servers for it, from time to time.
//!
//! The map is asked for every second, more often while something is amiss.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use crate::address::Address;
use crate::cluster::Cluster;
use crate::cluster_nodes::{self, SLOT_MAP_TIMEOUT};
use crate::failure::Failure;
use crate::server::Server;
use crate::slot_map::SlotMap;
use crate::slots::{self, Claim};
use crate::{Diagnosis, LinkError};

/// How often the map is asked for while all is well.
const SLOT_MAP_INTERVAL: Duration = Duration::from_secs(1);

/// How often the state is checked, and the map asked for where something is amiss.
const SLOT_MAP_RETRY: Duration = Duration::from_millis(100);

/// How many servers are asked at once.
const SLOT_MAP_SERVERS: usize = 3;

/// Keeps the map current for as long as the store lives.
pub(crate) async fn keep(cluster: Arc<Cluster>) {
    for round in 0.. {
        let asked = Instant::now();
        let outcome = refresh(&cluster, round).await;
        if let Err(error) = &outcome {
            log::debug!(error:%; "cannot learn the Cluster's slots: {error}");
        }
        cluster.note_map(outcome.as_ref().err());
        cluster.gate.shake_hands_again().await;
        cluster.was_asked.send_replace(true);
        pause(&cluster, asked).await;
        if outcome.is_err_and(|error| error.is_lasting()) {
            sleep(SLOT_MAP_INTERVAL).await;
        }
    }
}

/// Waits until the map should be asked for again.
async fn pause(cluster: &Cluster, asked: Instant) {
    let mut is_woken = false;
    while !is_woken && cluster.slots.load().is_served() && asked.elapsed() < SLOT_MAP_INTERVAL {
        is_woken = timeout(SLOT_MAP_RETRY, cluster.wake.notified()).await.is_ok();
    }
    if !is_woken {
        let _ = timeout(SLOT_MAP_RETRY, cluster.wake.notified()).await;
    }
    sleep(SLOT_MAP_RETRY / 5).await; // many redirections at once are one reason
}

/// The map in the words of one server.
struct View {
    asked: Address,
    claims: Vec<Claim>,
}

async fn refresh(cluster: &Cluster, round: usize) -> Result<(), LinkError> {
    let (mut views, mut errors) = (Vec::new(), Vec::new());
    let servers = servers_to_ask(cluster, round);
    for answer in join_all(servers.iter().map(|address| view_of(cluster, address))).await {
        match answer {
            Ok(view) => views.push(view),
            Err(error) => errors.push(error),
        }
    }
    if views.is_empty() {
        return Err(cluster_nodes::most_telling(errors));
    }
    install(cluster, &views)
}

/// Puts the answers together. Servers without slots are forgotten.
fn install(cluster: &Cluster, views: &[View]) -> Result<(), LinkError> {
    let (addresses, owners) = slots::merge(views.iter().map(|view| view.claims.clone()).collect());
    let announcer = |address: &Address| {
        let names = |view: &&View| view.claims.iter().any(|claim| claim.address == *address);
        views.iter().find(names).map_or_else(|| address.clone(), |view| view.asked.clone())
    };
    let primaries = addresses.iter().map(|address| cluster.primary_at(address, &announcer(address)));
    let primaries = primaries.collect::<Result<Vec<_>, _>>()?;
    cluster.slots.store(Arc::new(SlotMap::new(primaries, owners)));
    cluster.health().keep_connected(&addresses);
    cluster.known_primaries().retain(|address, _| addresses.contains(address));
    Ok(())
}

/// Some servers, others in each round: first those known to answer, then the configured ones.
fn servers_to_ask(cluster: &Cluster, round: usize) -> Vec<Address> {
    let mut up = servers_up(cluster);
    let mut seeds = cluster.seeds.clone();
    seeds.rotate_left(round % cluster.seeds.len());
    if !up.is_empty() {
        let first = round % up.len();
        up.rotate_left(first);
        seeds.retain(|seed| !up.contains(seed));
    }
    up.into_iter().chain(seeds).take(SLOT_MAP_SERVERS).collect()
}

/// The servers with an open connection, in a fixed order.
fn servers_up(cluster: &Cluster) -> Vec<Address> {
    let primaries = cluster.known_primaries();
    let up = primaries.iter().filter(|(_, primary)| primary.link.is_up());
    let mut up: Vec<Address> = up.map(|(address, _)| address.clone()).collect();
    up.sort();
    up
}

async fn view_of(cluster: &Cluster, address: &Address) -> Result<View, LinkError> {
    let server = Arc::new(cluster.dialer.server(address));
    let answer = timeout(SLOT_MAP_TIMEOUT, ask(cluster, &server)).await;
    let answer = answer.unwrap_or_else(|_| Err(Diagnosis::late(Some(server), SLOT_MAP_TIMEOUT).into()))?;
    Ok(View { asked: address.clone(), claims: slots::claims(&answer, address, cluster.over_tls) })
}

/// `CLUSTER NODES`, over the open connection where there is one.
async fn ask(cluster: &Cluster, server: &Arc<Server>) -> Result<String, LinkError> {
    let known = cluster.known_primaries().get(&server.address).cloned();
    let Some(primary) = known.filter(|primary| primary.link.is_up()) else {
        return cluster_nodes::ask(&cluster.dialer, server).await;
    };
    primary.ask(&cluster_nodes::command()).await.map_err(Failure::into_error)
}
