//! One shared connection, and how calls reach it.
//!
//! Redis answers pipelined commands in order, so one connection carries all calls of a worker: no checkout
//! costs a round trip, and commands that come together travel together. Three parts:
//!
//! - the lane (`lane.rs`) keeps one connection open, in the background, with jittered backoff;
//! - the pool (deadpool) bounds what is in flight. Its objects are handles on the lane's connection; it
//!   recycles a handle by comparing two numbers, and drops those of a connection that was replaced;
//! - `deadpool-redis` opens the sockets, and pools the exclusive connections that `WAIT` needs (`waiting.rs`).
//!
//! **An error means the outcome is unknown.** A call that may have been cut off is sent once more, as the
//! same attempt: every script answers a repeated attempt as it answered the first.

mod lane;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use deadpool::managed::{self, Metrics, PoolError, RecycleError, TimeoutType, Timeouts};
use deadpool_redis::Runtime;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, RedisError, Value};
use tokio::task::JoinHandle;

use self::lane::{Handle, Lane};
use self::waiting::Waiting;
use super::RedisSettings;
use super::reply::Reply;
use super::scripts::{self, Call};
use crate::clock::{Clock, Timestamp};
use crate::store::Error;

/// The longest that opening a connection may take, its first call included.
const CONNECT: Duration = Duration::from_secs(1);

/// How long a call waits for its turn when as many as allowed are in flight.
const TURN: Duration = Duration::from_millis(100);

pub(super) struct Connections {
    lane: Arc<Lane>,
    pool: managed::Pool<Handles>,
    waiting: Option<Waiting>,
    keeper: JoinHandle<()>,
}

impl Connections {
    /// Begins to connect in the background, on the current runtime.
    pub fn open(settings: &RedisSettings, layout: String, clock: Arc<Clock>) -> Result<Self, Error> {
        let lane = Arc::new(Lane::new(layout.clone(), settings.timeout, clock));
        let pool = managed::Pool::builder(Handles(lane.clone()))
            .max_size(settings.max_in_flight)
            .timeouts(Timeouts { wait: Some(TURN), create: None, recycle: None })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::Unavailable(error.to_string()))?;
        let waiting = (settings.wait_replicas > 0).then(|| Waiting::new(settings, layout)).transpose()?;
        let keeper = tokio::spawn(lane::keep(lane.clone(), manager(settings)?));
        Ok(Self { lane, pool, waiting, keeper })
    }

    pub fn clock(&self) -> &Clock {
        &self.lane.clock
    }

    /// Calls a script over the shared connection.
    pub async fn call(&self, call: &Call) -> Result<Reply, Error> {
        with_retry(|| self.attempt(call)).await
    }

    async fn attempt(&self, call: &Call) -> Result<Reply, Failure> {
        let mut handle = self.pool.get().await.map_err(pool_error)?;
        let asked = Instant::now();
        let mut answer = self.lane.ask(&mut handle, call.evalsha()).await;
        if is_noscript(&answer) {
            answer = self.lane.ask(&mut handle, &call.eval()).await;
        }
        let value = answer.map_err(|error| self.lane.judge(handle.number, &error))?;
        let reply = Reply::new(value).map_err(Failure::Final)?;
        self.lane.clock.observe(reply.time, asked, Instant::now());
        Ok(reply)
    }

    /// Calls a script and, where configured, waits until enough replicas have what it wrote.
    pub async fn call_and_wait(&self, call: &Call) -> Result<Reply, Error> {
        match &self.waiting {
            None => self.call(call).await,
            Some(waiting) => waiting.call(call, self.lane.current.load(Ordering::Acquire)).await,
        }
    }

    /// Redis `TIME`.
    pub async fn time(&self) -> Result<Timestamp, Error> {
        with_retry(|| self.ask_time()).await
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

impl Drop for Connections {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Carries an attempt out; and the same attempt once more, where its connection was lost.
async fn with_retry<T, A>(attempt: impl Fn() -> A) -> Result<T, Error>
where
    A: Future<Output = Result<T, Failure>>,
{
    let mut outcome = attempt().await;
    if let Err(Failure::Lost(cause)) = &outcome {
        log::debug!("repeating the attempt: {cause}");
        outcome = attempt().await;
    }
    outcome.map_err(Failure::into_error)
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

/// The pool's objects: handles on the lane's connection.
struct Handles(Arc<Lane>);

impl managed::Manager for Handles {
    type Type = Handle;
    type Error = Error;

    /// Waits for the lane while it is connecting; the caller's deadline bounds that.
    async fn create(&self) -> Result<Handle, Error> {
        self.0.handle().await
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

/// Opens sockets. Responses have no timeout of their own: the caller's deadline covers the whole request.
fn manager(settings: &RedisSettings) -> Result<deadpool_redis::Manager, Error> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(None)
        .set_pipeline_buffer_size(1024);
    let manager =
        settings.server().and_then(|server| deadpool_redis::Manager::new_with_config(server, config));
    manager.map_err(|error| unavailable(&error))
}

/// A connection for a command that looks at Redis and ends: each answer has the deadline of a call.
pub(super) async fn single(settings: &RedisSettings) -> Result<MultiplexedConnection, Error> {
    let opened = managed::Manager::create(&manager(settings)?).await;
    let mut connection = opened.map_err(|error| unavailable(&error))?;
    connection.set_response_timeout(settings.timeout);
    Ok(connection)
}

pub(super) fn unavailable(error: &RedisError) -> Error {
    Error::Unavailable(describe(error))
}

/// The first call on each connection that may write, whatever it is for: what answers is a master, and of a
/// layout that this node knows. Without it a node could write behind the fence of `migrations-notes/README.md`.
async fn open_layout(connection: &mut MultiplexedConnection, layout: &str) -> Result<Timestamp, Error> {
    let answer = send(connection, &scripts::open_layout_call(layout).eval()).await;
    let reply = Reply::new(answer.map_err(|error| unavailable(&error))?)?;
    let time = reply.time;
    scripts::check_layout(reply)?;
    Ok(time)
}

/// Sends a command; what the server answers with an error is an error here too.
pub(super) async fn send(connection: &mut MultiplexedConnection, command: &Cmd) -> Result<Value, RedisError> {
    match connection.send_packed_command(command).await? {
        Value::ServerError(error) => Err(error.into()),
        value => Ok(value),
    }
}

fn is_noscript(answer: &Result<Value, RedisError>) -> bool {
    answer.as_ref().is_err_and(|error| error.code() == Some("NOSCRIPT"))
}

/// For logs: an error of the server by its code alone, because its text may repeat what was sent.
fn describe(error: &RedisError) -> String {
    error.code().map_or_else(|| error.to_string(), |code| format!("Redis answered {code}"))
}
