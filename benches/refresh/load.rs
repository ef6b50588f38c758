//! Closed loop: each client sends as soon as it has its answer. Open loop: requests are due at random moments, at a
//! given rate. They do not wait for earlier answers, and their time runs from the moment they were due.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use tokio::task::LocalSet;

use crate::chain::Chain;

/// A client's requests and its connection, kept from one measurement to the next.
pub struct Client {
    pub chain: Box<dyn Chain>,
    stream: TcpStream,
    out: Vec<u8>,
    answer: Vec<u8>,
}

impl Client {
    pub async fn connect(address: &str, chain: Box<dyn Chain>) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { chain, stream, out: Vec::with_capacity(2048), answer: Vec::with_capacity(4096) })
    }

    /// One request and its answer.
    async fn step(&mut self) -> Result<(), String> {
        self.out.clear();
        self.chain.request(&mut self.out);
        let lost = |error: std::io::Error| format!("connection lost: {}", error.kind());
        self.stream.write_all(&self.out).await.map_err(lost)?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await.map_err(lost)? == 0 {
                return Err("connection closed".to_owned());
            }
            if let Some(outcome) = self.chain.answer(&self.answer) {
                return outcome;
            }
        }
    }
}

/// The latencies and failures of one measurement.
pub struct Seen {
    /// Nanoseconds.
    pub latency: Histogram<u64>,
    pub failures: BTreeMap<String, u64>,
    pub took: Duration,
}

impl Seen {
    fn new() -> Self {
        let latency = Histogram::new_with_bounds(1_000, 60_000_000_000, 3).expect("sound bounds");
        Self { latency, failures: BTreeMap::new(), took: Duration::ZERO }
    }

    fn note(&mut self, since: Instant, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.latency.saturating_record(since.elapsed().as_nanos() as u64),
            Err(cause) => *self.failures.entry(cause).or_default() += 1,
        }
    }

    pub fn rate(&self) -> f64 {
        self.latency.len() as f64 / self.took.as_secs_f64()
    }
}

/// Runs every client as fast as answers arrive, for `time`, and for one request at least.
pub async fn closed(clients: Vec<Client>, time: Duration) -> (Vec<Client>, Seen) {
    let (began, seen) = (Instant::now(), Rc::new(RefCell::new(Seen::new())));
    let run = |mut client: Client| {
        let seen = seen.clone();
        async move {
            loop {
                let sent = Instant::now();
                let outcome = client.step().await;
                let failed = outcome.is_err();
                seen.borrow_mut().note(sent, outcome);
                if failed || began.elapsed() >= time {
                    break;
                }
            }
            client
        }
    };
    let clients = all(clients.into_iter().map(run)).await;
    (clients, finished(seen, began))
}

/// Runs `rate` requests a second, at random moments (a Poisson process), for `time`.
pub async fn open(clients: Vec<Client>, rate: f64, time: Duration) -> (Vec<Client>, Seen) {
    let (began, seen) = (Instant::now(), Rc::new(RefCell::new(Seen::new())));
    let (due, queue) = mpsc::unbounded_channel();
    let queue = Rc::new(Mutex::new(queue));
    let pacer = std::thread::spawn(move || pace(&due, began, rate, time));
    let run = |mut client: Client| {
        let (seen, queue) = (seen.clone(), queue.clone());
        async move {
            loop {
                let next = queue.lock().await.recv().await;
                let Some(due) = next else { break };
                let outcome = client.step().await;
                let failed = outcome.is_err();
                seen.borrow_mut().note(due, outcome);
                if failed {
                    break;
                }
            }
            client
        }
    };
    let clients = all(clients.into_iter().map(run)).await;
    pacer.join().expect("the pacer ends");
    (clients, finished(seen, began))
}

/// The pause between two handouts of due requests. A shorter pause would take processor time from the measured
/// processes.
const PACE: Duration = Duration::from_micros(200);

/// Hands out due requests, a few times a millisecond.
fn pace(due: &mpsc::UnboundedSender<Instant>, began: Instant, rate: f64, time: Duration) {
    let mut next = began;
    while next < began + time {
        let now = Instant::now();
        while next <= now {
            if due.send(next).is_err() {
                return;
            }
            next += Duration::from_secs_f64(-(1.0 - fastrand::f64()).ln() / rate);
        }
        std::thread::sleep(PACE.max(next - now));
    }
}

/// Runs all tasks on this thread.
async fn all<F: Future<Output = Client> + 'static>(tasks: impl Iterator<Item = F>) -> Vec<Client> {
    let local = LocalSet::new();
    let running: Vec<_> = tasks.map(|task| local.spawn_local(task)).collect();
    local.await;
    join_all(running).await.into_iter().map(|client| client.expect("no client panics")).collect()
}

fn finished(seen: Rc<RefCell<Seen>>, began: Instant) -> Seen {
    let mut seen = Rc::into_inner(seen).expect("all clients are done").into_inner();
    seen.took = began.elapsed();
    seen
}
