//! The lane: one connection that all calls of a worker share, kept open in the background.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use deadpool::managed::Manager as _;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisError, Value};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::{CONNECT, Failure, describe, open_layout, send, unavailable};
use crate::clock::{Clock, Timestamp};
use crate::store::Error;

/// How long a connection may be silent before its keeper asks for the time: keeps the clock's bound tight,
/// and notices a connection that died while nobody used it.
const TICK: Duration = Duration::from_millis(250);

/// The keeper gives a silent connection up when it is not told the time within this, or within the deadline of
/// a call where that is longer.
const PROBE: Duration = Duration::from_millis(500);

/// The one connection that all calls of a worker share.
pub(super) struct Lane {
    pub clock: Arc<Clock>,
    layout: String,
    /// How long a probe may take.
    patience: Duration,
    state: watch::Sender<State>,
    /// Number of the open connection, 0 while there is none. Handles of any other are stale.
    pub current: AtomicU64,
    /// Wakes the keeper: the connection is lost.
    wake: Notify,
    opened: Instant,
    /// When the last answer came, in microseconds since `opened`.
    answered: AtomicU64,
}

enum State {
    /// Never tried yet, or just lost: a call may wait for it.
    Connecting,
    Up(Handle),
    /// The last try failed, for this reason: a call fails at once, and the keeper tries again.
    Down(Error),
}

#[derive(Clone)]
pub(super) struct Handle {
    pub number: u64,
    connection: MultiplexedConnection,
}

impl Lane {
    pub fn new(layout: String, call_timeout: Duration, clock: Arc<Clock>) -> Self {
        Self {
            clock,
            layout,
            patience: PROBE.max(call_timeout),
            state: watch::Sender::new(State::Connecting),
            current: AtomicU64::new(0),
            wake: Notify::new(),
            opened: Instant::now(),
            answered: AtomicU64::new(0),
        }
    }

    /// A handle on the open connection; waits for it while it is connecting.
    pub async fn handle(&self) -> Result<Handle, Error> {
        let mut state = self.state.subscribe();
        let settled = state.wait_for(|state| !matches!(state, State::Connecting)).await;
        match settled.as_deref() {
            Ok(State::Up(handle)) => Ok(handle.clone()),
            Ok(State::Down(error)) => Err(error.clone()),
            Ok(State::Connecting) | Err(_) => Err(Error::Unavailable("the store is closing".to_owned())),
        }
    }

    pub async fn ask(&self, handle: &mut Handle, command: &Cmd) -> Result<Value, RedisError> {
        let answer = send(&mut handle.connection, command).await;
        if answer.as_ref().map_or_else(|error| error.code().is_some(), |_| true) {
            self.answered.store(self.opened.elapsed().as_micros() as u64, Ordering::Relaxed);
        }
        answer
    }

    pub async fn time(&self, handle: &mut Handle) -> Result<Timestamp, Failure> {
        let asked = Instant::now();
        let answer = self.ask(handle, &redis::cmd("TIME")).await;
        let parsed = answer.and_then(|value| Ok(redis::from_redis_value::<(u64, u64)>(value)?));
        let (seconds, micros) = parsed.map_err(|error| self.judge(handle.number, &error))?;
        let time = Timestamp(seconds * 1_000_000 + micros);
        self.clock.observe(time, asked, Instant::now());
        Ok(time)
    }

    /// Decides whether an error leaves the connection usable, and gives it up if not.
    pub fn judge(&self, number: u64, error: &RedisError) -> Failure {
        let description = describe(error);
        match error.code() {
            Some("READONLY" | "NOREPLICAS" | "MASTERDOWN") | None => {
                self.give_up(number, &description);
                Failure::Lost(description)
            }
            Some("CORRUPT" | "WRONGTYPE") => Failure::Final(Error::Corrupt(description)),
            Some(_) => Failure::Final(Error::Unavailable(description)),
        }
    }

    fn publish(&self, handle: Handle) {
        self.state.send_modify(|state| {
            self.current.store(handle.number, Ordering::Release);
            *state = State::Up(handle);
        });
    }

    /// Nobody gets this connection any more; the keeper opens another.
    fn give_up(&self, number: u64, cause: &str) {
        let lost = self.state.send_if_modified(|state| {
            let is_current = matches!(state, State::Up(handle) if handle.number == number);
            if is_current {
                self.current.store(0, Ordering::Release);
                *state = State::Connecting;
            }
            is_current
        });
        if lost {
            log::warn!("connection to Redis lost: {cause}");
            self.wake.notify_one();
        }
    }

    /// When anything was last answered.
    fn answered(&self) -> Instant {
        self.opened + Duration::from_micros(self.answered.load(Ordering::Relaxed))
    }
}

/// Keeps the lane's connection open for as long as the store lives.
pub(super) async fn keep(lane: Arc<Lane>, manager: deadpool_redis::Manager) {
    for number in 1.. {
        let handle = Handle { number, connection: connect(&lane, &manager).await };
        lane.publish(handle.clone());
        log::info!("connected to Redis");
        watch_over(&lane, handle).await;
    }
}

/// Returns when the connection is lost. Asks a silent one for the time, and gives it up when that is not
/// answered either: a black hole must not swallow every later call too.
async fn watch_over(lane: &Lane, mut handle: Handle) {
    while lane.current.load(Ordering::Acquire) == handle.number {
        let _ = timeout(TICK, lane.wake.notified()).await;
        if lane.answered().elapsed() >= TICK {
            probe(lane, &mut handle).await;
        }
    }
}

async fn probe(lane: &Lane, handle: &mut Handle) {
    let (began, number) = (Instant::now(), handle.number);
    let mut state = lane.state.subscribe();
    let is_gone = |state: &State| !matches!(state, State::Up(handle) if handle.number == number);
    tokio::select! {
        answer = timeout(lane.patience, lane.time(handle)) => {
            if answer.is_err() && lane.answered() < began {
                lane.give_up(number, "no answer");
            }
        }
        _ = state.wait_for(is_gone) => {}
    }
}

/// Tries until it succeeds, first at once, then with jittered backoff.
async fn connect(lane: &Lane, manager: &deadpool_redis::Manager) -> MultiplexedConnection {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(25))
        .with_max_delay(Duration::from_millis(300))
        .with_jitter()
        .without_max_times()
        .build();
    let mut told = false;
    for pause in pauses {
        let error = match timeout(CONNECT, open(lane, manager)).await {
            Ok(Ok(connection)) => return connection,
            Ok(Err(error)) => error,
            Err(_) => Error::Unavailable(format!("no answer within {CONNECT:?}")),
        };
        if !told {
            log::warn!("cannot connect to Redis, trying on: {error}");
            told = true;
        }
        lane.state.send_replace(State::Down(error));
        sleep(pause).await;
    }
    unreachable!("the backoff never ends")
}

/// Opens a connection, and tells the clock what it heard.
async fn open(lane: &Lane, manager: &deadpool_redis::Manager) -> Result<MultiplexedConnection, Error> {
    let mut connection = manager.create().await.map_err(|error| unavailable(&error))?;
    let asked = Instant::now();
    let time = open_layout(&mut connection, &lane.layout).await?;
    lane.clock.observe(time, asked, Instant::now());
    Ok(connection)
}
