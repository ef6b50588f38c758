//! Clients with a steady load of refreshes, to measure the rate before and after an event.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::client::{Chain, Fleet};
use crate::history::Outcome;

#[derive(Default)]
pub struct Load {
    granted: Arc<AtomicU64>,
    latencies: Arc<Mutex<Vec<Duration>>>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

/// The refreshes of one window. The time of a refresh goes to its deciding answer, with all retries.
#[derive(Debug, Clone, Copy, Default)]
pub struct Window {
    pub rate: f64,
    pub p50: Duration,
    pub p99: Duration,
}

impl Load {
    /// Each client rests for about `rest` between its refreshes.
    pub async fn start(fleet: &Arc<Fleet>, clients: usize, rest: Duration, rng: &mut Rng) -> Self {
        let mut load = Self::default();
        for n in 0..clients {
            let chain = fleet.login(&format!("steady-{n}"), rng).await;
            let client = Client {
                fleet: fleet.clone(),
                rest,
                granted: load.granted.clone(),
                latencies: load.latencies.clone(),
                stop: load.stop.clone(),
            };
            load.clients.push(tokio::spawn(client.go_on(chain, rng.fork())));
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

    pub async fn window(&self, length: Duration) -> Window {
        self.latencies.lock().unwrap().clear();
        let rate = self.rate(length).await;
        let mut latencies = std::mem::take(&mut *self.latencies.lock().unwrap());
        latencies.sort_unstable();
        let at = |percent| latencies.get(latencies.len() * percent / 100).copied().unwrap_or_default();
        Window { rate, p50: at(50), p99: at(99) }
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

struct Client {
    fleet: Arc<Fleet>,
    rest: Duration,
    granted: Arc<AtomicU64>,
    latencies: Arc<Mutex<Vec<Duration>>>,
    stop: Arc<AtomicBool>,
}

impl Client {
    async fn go_on(self, mut chain: Chain, mut rng: Rng) {
        while !self.stop.load(Ordering::SeqCst) {
            let began = Instant::now();
            if !matches!(self.fleet.refresh(&mut chain, &mut rng).await, Outcome::Granted { .. }) {
                return; // seen in the history
            }
            self.granted.fetch_add(1, Ordering::SeqCst);
            self.latencies.lock().unwrap().push(began.elapsed());
            if !self.rest.is_zero() {
                sleep(self.rest.mul_f32(rng.f32() + 0.5)).await;
            }
        }
    }
}
