//! How calls reach Redis.
//!
//! Redis answers pipelined commands in order, so one connection carries all calls of a worker to one master: no
//! checkout costs a round trip, and commands that come together travel together.
//!
//! - a lane (`lane.rs`) keeps one connection open, in the background, with jittered backoff. It leads to a fixed
//!   server, or to whichever the Sentinels name (`sentinel.rs`);
//! - a shard (`shard.rs`) is a lane and a pool (deadpool) that bounds what is in flight on it. The pool's objects are
//!   handles on the lane's connection; it recycles a handle by comparing two numbers. Beside it are the connections
//!   that `WAIT` holds up (`waiting.rs`);
//! - a Cluster (`cluster.rs`, `nodes.rs`) is a shard for each primary, and the map that says which serves a key.
//!
//! **An error means the outcome is unknown.** A call that may have been cut off is sent once more, as the
//! same attempt: every script answers a repeated attempt as it answered the first. Redirections and slots on the move
//! are followed a few times. All of it within a budget (`budget.rs`), so that retries do not run down a server that
//! has just come back.

mod budget;
mod cluster;
mod failure;
mod lane;
mod masters;
mod nodes;
mod sentinel;
mod shard;
mod waiting;

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, Value};
use token_gateway_core::clock::{Clock, Timestamp};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use self::budget::Budget;
use self::cluster::Cluster;
use self::failure::Failure;
use self::lane::{Greeting, Opening, Target};
pub(super) use self::masters::Masters;
use self::sentinel::Sentinels;
use self::shard::Shard;
use super::RedisSettings;
use super::address::{Address, Dialer, Topology};
use super::reply::Reply;
use super::scripts::Call;
use crate::store::Error;

/// The longest that opening a connection may take, its first call included.
const CONNECT: Duration = Duration::from_secs(1);

/// How long a call waits for its turn when as many as allowed are in flight.
const TURN: Duration = Duration::from_millis(100);

/// How often a call may be redirected, told to try again, or sent once more.
const REPEATS: usize = 4;

pub(super) struct Connections {
    routes: Routes,
    budget: Budget,
}

enum Routes {
    One(Arc<Shard>),
    Cluster { cluster: Arc<Cluster>, keeper: JoinHandle<()> },
}

/// Where a call is sent next.
enum Route {
    Owner,
    /// The slot is on the move, and what was asked for has arrived there already.
    Ask(Address),
}

impl Connections {
    /// Begins to connect in the background, on the current runtime. `layout` is its key; `None` for who only reads the feed.
    pub fn open(settings: &RedisSettings, layout: Option<String>) -> Result<Self, Error> {
        let parsed = settings.parse()?;
        let dialer = Dialer::new(&parsed, &settings.tls);
        let one = |target, dialer| {
            let opening =
                Opening { dialer, greeting: layout.clone().map_or(Greeting::Reader, Greeting::Layout) };
            Shard::open(settings, target, opening, true).map(|shard| Routes::One(Arc::new(shard)))
        };
        let routes = match parsed.topology {
            Topology::Standalone(address) => one(Target::Fixed(address), dialer)?,
            Topology::Sentinel { sentinels, master } => {
                let sentinels =
                    Sentinels::new(&sentinels, &master, &settings.to_sentinels(&dialer), dialer.clone());
                one(Target::Master(sentinels), dialer)?
            }
            Topology::Cluster { seeds } => {
                let cluster = Cluster::new(settings, dialer, parsed.tls, seeds, layout);
                let keeper = tokio::spawn(cluster::keep(cluster.clone()));
                Routes::Cluster { cluster, keeper }
            }
        };
        Ok(Self { routes, budget: Budget::new() })
    }

    /// Calls a script where `key` lies. `make` is asked anew for each try, because each server has its own clock.
    pub async fn call(&self, key: &str, make: impl Fn(&Clock) -> Call) -> Result<Reply, Error> {
        let make = &make;
        self.persist(key, |shard, asking| async move { shard.attempt(make, asking).await }).await
    }

    /// Calls a script and, where configured, waits until enough replicas have what it wrote.
    pub async fn call_and_wait(&self, key: &str, make: impl Fn(&Clock) -> Call) -> Result<Reply, Error> {
        let make = &make;
        self.persist(key, |shard, asking| async move { shard.attempt_and_wait(make, asking).await }).await
    }

    /// Redis `TIME`, where `key` lies.
    pub async fn time(&self, key: &str) -> Result<Timestamp, Error> {
        self.persist(key, |shard, _| async move { shard.time().await }).await
    }

    /// What is known of the clock where a key lies.
    pub fn lower_bound(&self, key: impl FnOnce() -> String, moment: Instant) -> Option<Timestamp> {
        let clock = match &self.routes {
            Routes::One(shard) => shard.lane.clock(),
            Routes::Cluster { cluster, .. } => cluster.known_owner(nodes::slot(key()))?.lane.clock(),
        };
        clock?.lower_bound(moment)
    }

    /// What commands that look tell of each master, `None` where the user may not ask.
    pub async fn look(
        &self,
        questions: &Pipeline,
        within: Duration,
    ) -> Vec<Result<Vec<Option<String>>, Error>> {
        let late = |_| Err(Failure::Final(Error::Unavailable("no answer in time".to_owned())));
        let looks = self.shards().into_iter().map(async |shard| {
            timeout(within, shard.look_all(questions)).await.unwrap_or_else(late).map_err(Failure::into_error)
        });
        join_all(looks).await
    }

    fn shards(&self) -> Vec<Arc<Shard>> {
        match &self.routes {
            Routes::One(shard) => vec![shard.clone()],
            Routes::Cluster { cluster, .. } => cluster.shards(),
        }
    }

    /// Of several keys one that lies on the same master as `key`; where there is none, the one of its range of slots.
    pub fn beside<'a>(&self, key: &str, others: &'a [String]) -> &'a str {
        let Routes::Cluster { cluster, .. } = &self.routes else { return &others[0] };
        let slot = nodes::slot(key);
        let near = &others[usize::from(slot) * others.len() / nodes::SLOTS];
        let Some(own) = cluster.known_owner(slot) else { return near };
        let is_beside = |other: &&'a String| {
            cluster.known_owner(nodes::slot(other)).is_some_and(|shard| Arc::ptr_eq(&shard, &own))
        };
        std::iter::once(near).chain(others).find(is_beside).unwrap_or(near)
    }

    /// How many masters are known.
    pub fn masters(&self) -> usize {
        self.shards().len()
    }

    pub fn is_cluster(&self) -> bool {
        matches!(self.routes, Routes::Cluster { .. })
    }

    /// A connection of one's own to the master where `key` lies, and a future that ends when that is no longer the
    /// right one.
    pub async fn exclusive(
        &self,
        key: &str,
    ) -> Result<(MultiplexedConnection, impl Future<Output = ()>), Error> {
        let shard = self.find(key, &Route::Owner).await?.0;
        let handle = shard.lane.handle().await?;
        let connection = shard.lane.another(&handle).await?;
        Ok((connection, async move { shard.lane.replaced(handle.number).await }))
    }

    /// The Cluster's slots may lie elsewhere by now.
    pub fn look_again(&self) {
        if let Routes::Cluster { cluster, .. } = &self.routes {
            cluster.look_again();
        }
    }

    async fn find(&self, key: &str, route: &Route) -> Result<(Arc<Shard>, bool), Error> {
        match (&self.routes, route) {
            (Routes::One(shard), _) => Ok((shard.clone(), false)),
            (Routes::Cluster { cluster, .. }, Route::Owner) => {
                Ok((cluster.owner(nodes::slot(key)).await?, false))
            }
            (Routes::Cluster { cluster, .. }, Route::Ask(address)) => Ok((cluster.at(address)?, true)),
        }
    }

    /// Carries an attempt out, and the same attempt again where that may help.
    async fn persist<T, A>(&self, key: &str, attempt: impl Fn(Arc<Shard>, bool) -> A) -> Result<T, Error>
    where
        A: Future<Output = Result<T, Failure>>,
    {
        let (mut route, mut pauses, mut lost) = (Route::Owner, None, false);
        loop {
            let (shard, asking) = self.find(key, &route).await?;
            let failure = match attempt(shard.clone(), asking).await {
                Ok(_) if !asking && !self.is_owner(key, &shard) => {
                    Failure::Lost("another server has taken over meanwhile".to_owned())
                }
                Ok(done) => {
                    self.budget.earn();
                    return Ok(done);
                }
                Err(failure) => failure,
            };
            self.learn(key, &failure)?;
            let pause = pauses.get_or_insert_with(pauses_between).next();
            let may = !(failure.is_final() || lost && failure.is_lost()) && self.budget.spend();
            let Some(pause) = pause.filter(|_| may) else { return Err(failure.into_error()) };
            log::debug!("repeating the attempt: {failure:?}");
            lost |= failure.is_lost();
            if matches!(failure, Failure::TryAgain(_)) {
                sleep(pause).await;
            }
            route = match failure {
                Failure::Ask(address) => Route::Ask(address),
                _ => Route::Owner,
            };
        }
    }

    /// Whether the answer of a Cluster's server counts: not if another has taken over from it meanwhile.
    fn is_owner(&self, key: &str, shard: &Arc<Shard>) -> bool {
        match &self.routes {
            Routes::One(_) => true, // the lane knows
            Routes::Cluster { cluster, .. } => {
                cluster.known_owner(nodes::slot(key)).is_none_or(|owner| Arc::ptr_eq(&owner, shard))
            }
        }
    }

    /// What a failure says of the Cluster's slots.
    fn learn(&self, key: &str, failure: &Failure) -> Result<(), Error> {
        match (&self.routes, failure) {
            (Routes::Cluster { cluster, .. }, Failure::Moved(address)) => {
                cluster.moved(nodes::slot(key), address)
            }
            (Routes::Cluster { cluster, .. }, Failure::Lost(_)) => {
                cluster.look_again();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        if let Routes::Cluster { keeper, .. } = &self.routes {
            keeper.abort();
        }
    }
}

fn pauses_between() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(10))
        .with_max_delay(Duration::from_millis(80))
        .with_jitter()
        .with_max_times(REPEATS)
        .build()
}

pub(super) fn unavailable(error: &RedisError) -> Error {
    Error::Unavailable(describe_to(error, "REDIS_URL"))
}

/// For logs: who is not let in is told the settings that say who asks.
fn describe_to(error: &RedisError, settings: &str) -> String {
    let is_refused = error.kind() == ErrorKind::AuthenticationFailed
        || matches!(code_of(error).as_deref(), Some("NOAUTH" | "WRONGPASS"));
    let hint = if is_refused { format!(" (user and password: {settings})") } else { String::new() };
    describe(error) + &hint
}

/// Sends a command; what the server answers with an error is an error here too.
pub(super) async fn send(connection: &mut MultiplexedConnection, command: &Cmd) -> Result<Value, RedisError> {
    match connection.send_packed_command(command).await? {
        Value::ServerError(error) => Err(error.into()),
        value => Ok(value),
    }
}

/// An answer; `None` where the user may not ask, or the server does not know the question.
pub(super) fn answered(answer: Value) -> Result<Option<String>, RedisError> {
    match answer {
        Value::ServerError(error) if matches!(error.code(), "NOPERM" | "ERR") => Ok(None),
        Value::ServerError(error) => Err(error.into()),
        answer => Ok(Some(redis::from_redis_value(answer)?)),
    }
}

/// Sends a command; `asking` where it was redirected by `ASK`. The two travel together, so nothing comes between them.
async fn ask(
    connection: &mut MultiplexedConnection,
    command: &Cmd,
    asking: bool,
) -> Result<Value, RedisError> {
    if !asking {
        return send(connection, command).await;
    }
    let mut both = redis::pipe();
    both.cmd("ASKING").ignore().add_command(command.clone());
    match connection.send_packed_commands(&both, 1, 1).await?.pop() {
        Some(Value::ServerError(error)) => Err(error.into()),
        Some(value) => Ok(value),
        None => Ok(Value::Nil),
    }
}

fn is_noscript(answer: &Result<Value, RedisError>) -> bool {
    answer.as_ref().is_err_and(|error| error.code() == Some("NOSCRIPT"))
}

/// For logs: an error of the server by its code alone, because its text may repeat what was sent.
fn describe(error: &RedisError) -> String {
    code_of(error).map_or_else(|| error.to_string(), |code| format!("Redis answered {code}"))
}

/// Of several commands that were sent together, that of the first which failed.
fn code_of(error: &RedisError) -> Option<String> {
    let first = || Some(error.clone().into_server_errors()?.first()?.1.code().to_owned());
    error.code().map(str::to_owned).or_else(first)
}
