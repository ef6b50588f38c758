//! How calls reach Redis.
//!
//! Redis answers pipelined commands in order, so one connection carries all calls of a worker to one primary. No
//! checkout costs a round trip, and simultaneous commands travel together.
//!
//! - a link (`link.rs`) keeps one connection open, in the background, with jittered backoff. It leads to a fixed
//!   server, or to the primary named by Sentinels (`sentinel.rs`);
//! - a `Shard` (`shard.rs`) leads to one primary. It is a link and a pool (deadpool) that bounds the calls in flight on
//!   it. The pool's objects are handles on the link's connection; it recycles a handle by comparing two numbers. Beside
//!   the pool are the connections held up by `WAIT` (`waiting.rs`);
//! - a Cluster (`cluster.rs`, `nodes.rs`) is a `Shard` for each primary, and a map from slots to primaries.
//!
//! **An error means the outcome is unknown.** A call that may have been cut off is sent once more, as the same attempt:
//! every script answers a repeated attempt as it answered the first. Redirections and slots on the move are followed a
//! few times. All repetitions share a budget (`budget.rs`): retries must not run down a server that has just come back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::future::join_all;
use redis::Pipeline;
use redis::aio::MultiplexedConnection;
use token_gateway_core::clock::{Clock, Timestamp};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::address::{Address, Dialer, Topology};
use crate::budget::Budget;
use crate::cluster::{self, Cluster};
use crate::failure::Failure;
use crate::link::{Connector, FirstExchange, Target};
use crate::sentinel::Sentinels;
use crate::shard::Shard;
use crate::{Call, Handshake, LinkError, Reply, Settings, nodes};

/// How often a call may be redirected, told to try again, or sent once more.
const REPEATS: usize = 4;

/// Every link of one worker to a deployment.
pub struct Links {
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
    /// The slot is on the move, and the key has arrived there already.
    Ask(Address),
}

impl Links {
    /// Begins to connect in the background, on the current runtime. Without a handshake a server is asked for the time,
    /// no more, so its user needs no right to write.
    ///
    /// # Errors
    ///
    /// When the URL is none that is understood.
    pub fn open(settings: &Settings, handshake: Option<Handshake>) -> Result<Self, LinkError> {
        let parsed = settings.parse()?;
        let dialer = Dialer::new(&parsed, &settings.tls);
        let one = |target, dialer| {
            let opening = Connector {
                dialer,
                first_exchange: handshake.clone().map_or(FirstExchange::Time, FirstExchange::Script),
            };
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
                let cluster = Cluster::new(settings, dialer, parsed.tls, seeds, handshake);
                let keeper = tokio::spawn(cluster::keep(cluster.clone()));
                Routes::Cluster { cluster, keeper }
            }
        };
        Ok(Self { routes, budget: Budget::new() })
    }

    /// Calls a script where `key` lies. `make` is asked anew for each try, because each server has its own clock.
    ///
    /// # Errors
    ///
    /// When the outcome is unknown.
    pub async fn call(&self, key: &str, make: impl Fn(&Clock) -> Call) -> Result<Reply, LinkError> {
        let make = &make;
        self.persist(key, |shard, asking| async move { shard.attempt(make, asking).await }).await
    }

    /// Calls a script and, where configured, waits until enough replicas have what it wrote.
    ///
    /// # Errors
    ///
    /// When the outcome is unknown, or too few replicas acknowledged in time.
    pub async fn call_and_wait(&self, key: &str, make: impl Fn(&Clock) -> Call) -> Result<Reply, LinkError> {
        let make = &make;
        self.persist(key, |shard, asking| async move { shard.attempt_and_wait(make, asking).await }).await
    }

    /// Redis `TIME`, where `key` lies.
    ///
    /// # Errors
    ///
    /// When no primary answers.
    pub async fn time(&self, key: &str) -> Result<Timestamp, LinkError> {
        self.persist(key, |shard, _| async move { shard.time().await }).await
    }

    /// A lower bound of `moment` on the clock of the key's server, if known.
    pub fn lower_bound(&self, key: impl FnOnce() -> String, moment: Instant) -> Option<Timestamp> {
        let clock = match &self.routes {
            Routes::One(shard) => shard.link.clock(),
            Routes::Cluster { cluster, .. } => cluster.known_owner(nodes::slot(key()))?.link.clock(),
        };
        clock?.lower_bound(moment)
    }

    /// The answers of each primary to questions, `None` where the user may not ask.
    pub async fn look(
        &self,
        questions: &Pipeline,
        within: Duration,
    ) -> Vec<Result<Vec<Option<String>>, LinkError>> {
        let late = |_| Err(Failure::Final(LinkError::Unavailable("no answer in time".to_owned())));
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

    /// One of `others` on the same primary as `key`; where there is none, the one of its range of slots.
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

    /// The number of known primaries.
    pub fn masters(&self) -> usize {
        self.shards().len()
    }

    /// Whether the deployment is a Cluster.
    pub fn is_cluster(&self) -> bool {
        matches!(self.routes, Routes::Cluster { .. })
    }

    /// An exclusive connection to the primary where `key` lies, and a future that ends when that is no longer the
    /// right one.
    ///
    /// # Errors
    ///
    /// When there is no such primary, or it does not answer.
    pub async fn exclusive(
        &self,
        key: &str,
    ) -> Result<(MultiplexedConnection, impl Future<Output = ()>), LinkError> {
        let shard = self.find(key, &Route::Owner).await?.0;
        let handle = shard.link.handle().await?;
        let connection = shard.link.another(&handle).await?;
        Ok((connection, async move { shard.link.replaced(handle.number).await }))
    }

    /// The Cluster's slots may lie elsewhere by now.
    pub fn look_again(&self) {
        if let Routes::Cluster { cluster, .. } = &self.routes {
            cluster.look_again();
        }
    }

    async fn find(&self, key: &str, route: &Route) -> Result<(Arc<Shard>, bool), LinkError> {
        match (&self.routes, route) {
            (Routes::One(shard), _) => Ok((shard.clone(), false)),
            (Routes::Cluster { cluster, .. }, Route::Owner) => {
                Ok((cluster.owner(nodes::slot(key)).await?, false))
            }
            (Routes::Cluster { cluster, .. }, Route::Ask(address)) => Ok((cluster.at(address)?, true)),
        }
    }

    /// Carries an attempt out, and the same attempt again where that may help.
    async fn persist<T, A>(&self, key: &str, attempt: impl Fn(Arc<Shard>, bool) -> A) -> Result<T, LinkError>
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
            Routes::One(_) => true, // the link knows
            Routes::Cluster { cluster, .. } => {
                cluster.known_owner(nodes::slot(key)).is_none_or(|owner| Arc::ptr_eq(&owner, shard))
            }
        }
    }

    /// Learns from a failure about the Cluster's slots.
    fn learn(&self, key: &str, failure: &Failure) -> Result<(), LinkError> {
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

impl Drop for Links {
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
