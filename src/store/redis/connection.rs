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

/// How old the last answer may get before the lane asks for the time: keeps the clock's bound tight, and
/// notices a connection that died while nobody used it.
const TICK: Duration = Duration::from_millis(250);

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
            call_timeout: settings.timeout,
            state: watch::Sender::new(State::Connecting),
            current: AtomicU64::new(0),
            lost: Notify::new(),
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
        match self.attempt(call).await {
            Err(Failure::Lost(cause)) => {
                log::debug!("repeating {} as the same attempt: {cause}", call.script.name);
                self.attempt(call).await.map_err(Failure::into_error)
            }
            outcome => outcome.map_err(Failure::into_error),
        }
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
        let mut handle = self.pool.get().await.map_err(pool_error).map_err(Failure::into_error)?;
        self.lane.time(&mut handle).await.map_err(Failure::into_error)
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
        let mut connection = self.pool.get().await.map_err(|error| match error {
            PoolError::Timeout(TimeoutType::Wait) => Error::Overloaded,
            other => Error::Unavailable(other.to_string()),
        })?;
        let outcome = async {
            let mut answer = send(&mut connection, &call.evalsha()).await;
            if answer.as_ref().is_err_and(|error| error.code() == Some("NOSCRIPT")) {
                answer = send(&mut connection, &call.eval()).await;
            }
            let reply = answer?;
            let mut wait = redis::cmd("WAIT");
            wait.arg(self.replicas).arg(self.patience.as_millis() as u64);
            let acknowledged: usize = wait.query_async(&mut *connection).await?;
            Ok::<_, RedisError>((reply, acknowledged))
        };
        match outcome.await {
            Ok((reply, acknowledged)) if acknowledged >= self.replicas => Reply::new(reply),
            Ok((_, acknowledged)) => Err(Error::Unavailable(format!(
                "{acknowledged} of {} replicas acknowledged in time",
                self.replicas
            ))),
            Err(error) => {
                drop(deadpool_redis::Connection::take(connection)); // the pool's PING would not notice
                Err(Error::Unavailable(describe(&error)))
            }
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
    call_timeout: Duration,
    state: watch::Sender<State>,
    /// Number of the open connection, 0 while there is none. Handles of any other are stale.
    current: AtomicU64,
    lost: Notify,
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
        let unanswered = Unanswered { lane: self, number: handle.number, asked: Instant::now() };
        let answer = send(&mut handle.connection, command).await;
        if answer.as_ref().map_or_else(|error| error.code().is_some(), |_| true) {
            self.answered.store(self.opened.elapsed().as_micros() as u64, Ordering::Relaxed);
        }
        drop(unanswered);
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

    fn give_up(&self, number: u64, cause: &str) {
        if self.current.compare_exchange(number, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            log::warn!("connection to Redis lost: {cause}");
            self.state.send_replace(State::Connecting);
            self.lost.notify_one();
        }
    }
}

/// A command on its way. Dropped after a long wait with no answer to anybody since, as a deadline does, it
/// gives the connection up: a black hole must not swallow every later call too.
struct Unanswered<'a> {
    lane: &'a Lane,
    number: u64,
    asked: Instant,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        let answered = self.lane.opened + Duration::from_micros(self.lane.answered.load(Ordering::Relaxed));
        if self.asked.elapsed() >= self.lane.call_timeout / 2 && answered < self.asked {
            self.lane.give_up(self.number, "no answer within the deadline");
        }
    }
}

/// Keeps the lane's connection open for as long as the store lives.
async fn keep(lane: Arc<Lane>, manager: deadpool_redis::Manager) {
    for number in 1.. {
        let connection = connect(&lane, &manager).await;
        lane.current.store(number, Ordering::Release);
        let handle = Handle { number, connection };
        lane.state.send_replace(State::Up(handle.clone()));
        log::info!("connected to Redis");
        tick_until_lost(&lane, handle).await;
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

async fn tick_until_lost(lane: &Lane, mut handle: Handle) {
    loop {
        tokio::select! {
            () = lane.lost.notified() => {}
            () = sleep(TICK) => {
                if lane.clock.age().is_none_or(|age| age >= TICK) {
                    let _ = timeout(lane.call_timeout, lane.time(&mut handle)).await;
                }
            }
        }
        if lane.current.load(Ordering::Acquire) != handle.number {
            return;
        }
    }
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

/// The client's errors name codes and addresses, never arguments or passwords.
fn describe(error: &RedisError) -> String {
    error.to_string()
}
