//! Clients with a steady load of refreshes, to measure the rate before and after an event.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::client::{Chain, Fleet};
use crate::history::Outcome;

pub struct Load {
    granted: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Each client rests for about `rest` between its refreshes.
    pub async fn start(fleet: &Arc<Fleet>, clients: usize, rest: Duration, rng: &mut Rng) -> Self {
        let mut load = Self { granted: Arc::default(), stop: Arc::default(), clients: Vec::new() };
        for n in 0..clients {
            let chain = fleet.login(&format!("steady-{n}"), rng).await;
            let (fleet, granted, stop, rng) =
                (fleet.clone(), load.granted.clone(), load.stop.clone(), rng.fork());
            load.clients
                .push(tokio::spawn(async move { go_on(&fleet, chain, rest, &granted, &stop, rng).await }));
        }
        load
    }

    pub fn granted(&self) -> u64 {
        self.granted.load(Ordering::SeqCst)
    }

    /// Refreshes a second, over a window.
    pub async fn rate(&self, window: Duration) -> f64 {
        let (before, began) = (self.granted(), Instant::now());
        sleep(window).await;
        (self.granted() - before) as f64 / began.elapsed().as_secs_f64()
    }

    /// The time from `since` until a window first reaches the rate; `None` if no window does so within the limit.
    pub async fn reaches(
        &self,
        rate: f64,
        window: Duration,
        since: Instant,
        limit: Duration,
    ) -> Option<Duration> {
        while since.elapsed() < limit {
            if self.rate(window).await >= rate {
                return Some(since.elapsed());
            }
        }
        None
    }

    pub async fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        join_all(self.clients).await;
    }
}

async fn go_on(
    fleet: &Fleet,
    mut chain: Chain,
    rest: Duration,
    granted: &AtomicU64,
    stop: &AtomicBool,
    mut rng: Rng,
) {
    while !stop.load(Ordering::SeqCst) {
        if !matches!(fleet.refresh(&mut chain, &mut rng).await, Outcome::Granted { .. }) {
            return; // seen in the history
        }
        granted.fetch_add(1, Ordering::SeqCst);
        if !rest.is_zero() {
            sleep(rest.mul_f32(rng.f32() + 0.5)).await;
        }
    }
}
