//! One shared connection, and how calls reach it.
//!
//! Redis answers pipelined commands in order, so one connection carries all calls of a worker: no checkout
//! costs a round trip, and commands that come together travel together. Three parts:
//!
//! - the *lane* keeps one connection open, in the background, with jittered backoff;
//! - the *pool* (deadpool) bounds what is in flight. Its objects are handles on the lane's connection; it
//!   recycles a handle by comparing two numbers, and drops those of a connection that was replaced;
//! - `deadpool-redis` opens the sockets, and pools exclusive connections for `WAIT`, which would hold up
//!   everybody else on a shared one.
//!
//! **An error means the outcome is unknown.** A call that may have been cut off is sent once more, as the
//! same attempt: every script answers a repeated attempt as it answered the first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use deadpool::managed::{self, Metrics, PoolError, RecycleError, TimeoutType, Timeouts};
use deadpool_redis::Runtime;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, RedisError, Value};
use secrecy::ExposeSecret;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::RedisSettings;
use super::reply::Reply;
use super::scripts::{self, Call};
use crate::clock::{Clock, Timestamp};
use crate::store::Error;

/// The longest that opening a connection may take, its first call included.
const CONNECT: Duration = Duration::from_secs(1);

/// How long a call waits for its turn when as many as allowed are in flight.
const TURN: Duration = Duration::from_millis(100);

/// How long a connection may be silent before its keeper asks for the time: keeps the clock's bound tight,
/// and notices a connection that died while nobody used it.
const TICK: Duration = Duration::from_millis(250);

/// How long the keeper waits for the time before it gives a silent connection up.
const PROBE: Duration = Duration::from_millis(500);

/// Exclusive connections for `WAIT`.
const EXCLUSIVE: usize = 8;

pub(super) struct Connections {
    lane: Arc<Lane>,
    pool: managed::Pool<Handles>,
    waiting: Option<Waiting>,
    keeper: JoinHandle<()>,
}

struct Waiting {
    pool: deadpool_redis::Pool,
    replicas: usize,
    /// Half the deadline of a call, so that too few acknowledgements are told as such.
    patience: Duration,
}

impl Connections {
    /// Begins to connect in the background, on the current runtime.
    pub fn open(settings: &RedisSettings, layout: String, clock: Arc<Clock>) -> Result<Self, Error> {
        let lane = Arc::new(Lane {
            clock,
            layout,
            state: watch::Sender::new(State::Connecting),
            current: AtomicU64::new(0),
            wake: Notify::new(),
            opened: Instant::now(),
            answered: AtomicU64::new(0),
        });
        let pool = managed::Pool::builder(Handles(lane.clone()))
            .max_size(settings.max_in_flight)
            .timeouts(Timeouts { wait: Some(TURN), create: None, recycle: None })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::Unavailable(error.to_string()))?;
        let waiting = (settings.wait_replicas > 0).then(|| Waiting::new(settings)).transpose()?;
        let keeper = tokio::spawn(keep(lane.clone(), manager(settings)?));
        Ok(Self { lane, pool, waiting, keeper })
    }

    pub fn clock(&self) -> &Clock {
        &self.lane.clock
    }

    /// Calls a script over the shared connection.
    pub async fn call(&self, call: &Call<'_>) -> Result<Reply, Error> {
        with_retry(self.attempt(call), self.attempt(call)).await
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Reply, Failure> {
        let mut handle = self.pool.get().await.map_err(pool_error)?;
        let asked = Instant::now();
        let mut answer = self.lane.ask(&mut handle, &call.evalsha()).await;
        if answer.as_ref().is_err_and(|error| error.code() == Some("NOSCRIPT")) {
            answer = self.lane.ask(&mut handle, &call.eval()).await;
        }
        let value = answer.map_err(|error| self.lane.judge(handle.number, &error))?;
        let reply = Reply::new(value).map_err(Failure::Final)?;
        self.lane.clock.observe(reply.time, asked, Instant::now());
        Ok(reply)
    }

    /// Calls a script and, where configured, waits until enough replicas have what it wrote.
    ///
    /// `WAIT` speaks of the writes of its own connection, so both go over an exclusive one.
    pub async fn call_and_wait(&self, call: &Call<'_>) -> Result<Reply, Error> {
        match &self.waiting {
            None => self.call(call).await,
            Some(waiting) => waiting.call(call).await,
        }
    }

    /// Redis `TIME`.
    pub async fn time(&self) -> Result<Timestamp, Error> {
        with_retry(self.ask_time(), self.ask_time()).await
    }

    async fn ask_time(&self) -> Result<Timestamp, Failure> {
        let mut handle = self.pool.get().await.map_err(pool_error)?;
        self.lane.time(&mut handle).await
    }

    /// Redis `INFO section`; empty where the user may not ask for it.
    pub async fn info(&self, section: &str) -> Result<String, Error> {
        let mut handle = self.pool.get().await.map_err(pool_error).map_err(Failure::into_error)?;
        let answer = self.lane.ask(&mut handle, redis::cmd("INFO").arg(section)).await;
        match answer.and_then(|value| Ok(redis::from_redis_value(value)?)) {
            Err(error) if error.code() == Some("NOPERM") => Ok(String::new()),
            answer => answer.map_err(|error| self.lane.judge(handle.number, &error).into_error()),
        }
    }
}

/// Carries an attempt out; and `again`, the same attempt, where its connection was lost.
async fn with_retry<T>(
    attempt: impl Future<Output = Result<T, Failure>>,
    again: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Error> {
    match attempt.await {
        Err(Failure::Lost(cause)) => {
            log::debug!("repeating the attempt: {cause}");
            again.await.map_err(Failure::into_error)
        }
        outcome => outcome.map_err(Failure::into_error),
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl Waiting {
    fn new(settings: &RedisSettings) -> Result<Self, Error> {
        let pool = deadpool_redis::Pool::builder(manager(settings)?)
            .max_size(EXCLUSIVE)
            .timeouts(Timeouts { wait: Some(TURN), create: Some(CONNECT), recycle: Some(settings.timeout) })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::Unavailable(error.to_string()))?;
        Ok(Self { pool, replicas: settings.wait_replicas, patience: settings.timeout / 2 })
    }

    async fn call(&self, call: &Call<'_>) -> Result<Reply, Error> {
        let connection = self.pool.get().await.map_err(|error| match error {
            PoolError::Timeout(TimeoutType::Wait) => Error::Overloaded,
            other => Error::Unavailable(other.to_string()),
        })?;
        // Taken out of the pool, and put aside when all went well: one that is cut off half-way, by an
        // error or a deadline, is dropped, because the pool's PING would not notice.
        let mut guard = Exclusive(Some(connection));
        let connection = guard.0.as_mut().expect("just put there");
        let outcome = async {
            let mut answer = send(connection, &call.evalsha()).await;
            if answer.as_ref().is_err_and(|error| error.code() == Some("NOSCRIPT")) {
                answer = send(connection, &call.eval()).await;
            }
            let reply = answer?;
            let mut wait = redis::cmd("WAIT");
            wait.arg(self.replicas).arg(self.patience.as_millis() as u64);
            let acknowledged: usize = wait.query_async(&mut **connection).await?;
            Ok::<_, RedisError>((reply, acknowledged))
        };
        let (reply, acknowledged) = outcome.await.map_err(|error| Error::Unavailable(describe(&error)))?;
        drop(guard.0.take()); // back into the pool
        if acknowledged >= self.replicas {
            return Reply::new(reply);
        }
        let wanted = self.replicas;
        Err(Error::Unavailable(format!("{acknowledged} of {wanted} replicas acknowledged in time")))
    }
}

/// An exclusive connection in use; closed, and not pooled again, when it is dropped half-way.
struct Exclusive(Option<deadpool_redis::Connection>);

impl Drop for Exclusive {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(deadpool_redis::Connection::take(connection));
        }
    }
}

/// Opens sockets. Responses have no timeout of their own: the caller's deadline covers the whole request.
fn manager(settings: &RedisSettings) -> Result<deadpool_redis::Manager, Error> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(None)
        .set_pipeline_buffer_size(1024);
    deadpool_redis::Manager::new_with_config(settings.url.expose_secret(), config)
        .map_err(|error| Error::Unavailable(describe(&error)))
}

/// The one connection that all calls of a worker share.
struct Lane {
    clock: Arc<Clock>,
    layout: String,
    state: watch::Sender<State>,
    /// Number of the open connection, 0 while there is none. Handles of any other are stale.
    current: AtomicU64,
    /// Wakes the keeper: the connection is lost.
    wake: Notify,
    opened: Instant,
    /// When the last answer came, in microseconds since `opened`.
    answered: AtomicU64,
}

#[derive(Clone)]
enum State {
    /// Never tried yet, or just lost: a call may wait for it.
    Connecting,
    Up(Handle),
    /// The last try failed, for this reason: a call fails at once, and the keeper tries again.
    Down(Error),
}

#[derive(Clone)]
struct Handle {
    number: u64,
    connection: MultiplexedConnection,
}

/// What became of one attempt.
enum Failure {
    /// The connection is gone or leads to no master; the attempt may or may not have been carried out.
    Lost(String),
    Final(Error),
}

impl Failure {
    fn into_error(self) -> Error {
        match self {
            Self::Lost(cause) => Error::Unavailable(cause),
            Self::Final(error) => error,
        }
    }
}

impl Lane {
    async fn ask(&self, handle: &mut Handle, command: &Cmd) -> Result<Value, RedisError> {
        let answer = send(&mut handle.connection, command).await;
        if answer.as_ref().map_or_else(|error| error.code().is_some(), |_| true) {
            self.answered.store(self.opened.elapsed().as_micros() as u64, Ordering::Relaxed);
        }
        answer
    }

    async fn time(&self, handle: &mut Handle) -> Result<Timestamp, Failure> {
        let asked = Instant::now();
        let answer = self.ask(handle, &redis::cmd("TIME")).await;
        let parsed = answer.and_then(|value| Ok(redis::from_redis_value::<(u64, u64)>(value)?));
        let (seconds, micros) = parsed.map_err(|error| self.judge(handle.number, &error))?;
        let time = Timestamp(seconds * 1_000_000 + micros);
        self.clock.observe(time, asked, Instant::now());
        Ok(time)
    }

    /// Decides whether an error leaves the connection usable, and gives it up if not.
    fn judge(&self, number: u64, error: &RedisError) -> Failure {
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
async fn keep(lane: Arc<Lane>, manager: deadpool_redis::Manager) {
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
    let number = handle.number;
    let replaced = lane.state.subscribe();
    let gone = async {
        let mut replaced = replaced;
        let _ =
            replaced.wait_for(|state| !matches!(state, State::Up(handle) if handle.number == number)).await;
    };
    tokio::select! {
        answer = timeout(PROBE, lane.time(handle)) => {
            if answer.is_err() {
                lane.give_up(number, "no answer");
            }
        }
        () = gone => {}
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

/// Opens a connection and the layout: what answers is a master, and of a layout that this node knows.
async fn open(lane: &Lane, manager: &deadpool_redis::Manager) -> Result<MultiplexedConnection, Error> {
    let unavailable = |error: RedisError| Error::Unavailable(describe(&error));
    let mut connection = managed::Manager::create(manager).await.map_err(unavailable)?;
    let keys = [lane.layout.as_str()];
    let asked = Instant::now();
    let command = scripts::open_layout_call(&keys).eval();
    let reply = Reply::new(send(&mut connection, &command).await.map_err(unavailable)?)?;
    lane.clock.observe(reply.time, asked, Instant::now());
    scripts::check_layout(reply)?;
    Ok(connection)
}

/// The pool's objects: handles on the lane's connection.
struct Handles(Arc<Lane>);

impl managed::Manager for Handles {
    type Type = Handle;
    type Error = Error;

    /// Waits for the lane while it is connecting; the caller's deadline bounds that.
    async fn create(&self) -> Result<Handle, Error> {
        let mut state = self.0.state.subscribe();
        let settled = state.wait_for(|state| !matches!(state, State::Connecting)).await;
        match settled.as_deref() {
            Ok(State::Up(handle)) => Ok(handle.clone()),
            Ok(State::Down(error)) => Err(error.clone()),
            Ok(State::Connecting) | Err(_) => Err(Error::Unavailable("the store is closing".into())),
        }
    }

    /// Compares two numbers; no round trip.
    async fn recycle(&self, handle: &mut Handle, _: &Metrics) -> managed::RecycleResult<Error> {
        if handle.number == self.0.current.load(Ordering::Acquire) {
            Ok(())
        } else {
            Err(RecycleError::message("the connection was replaced"))
        }
    }
}

fn pool_error(error: PoolError<Error>) -> Failure {
    Failure::Final(match error {
        PoolError::Timeout(TimeoutType::Wait) => Error::Overloaded,
        PoolError::Backend(error) => error,
        other => Error::Unavailable(other.to_string()),
    })
}

/// Sends a command; what the server answers with an error is an error here too.
async fn send(connection: &mut MultiplexedConnection, command: &Cmd) -> Result<Value, RedisError> {
    match connection.send_packed_command(command).await? {
        Value::ServerError(error) => Err(error.into()),
        value => Ok(value),
    }
}

/// For logs: an error of the server by its code alone, because its text may repeat what was sent.
fn describe(error: &RedisError) -> String {
    error.code().map_or_else(|| error.to_string(), |code| format!("Redis answered {code}"))
}
