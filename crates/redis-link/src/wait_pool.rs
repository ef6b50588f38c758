//! `WAIT`: calls answered only after their writes have reached replicas.
//!
//! `WAIT` covers the writes of its own connection, and holds it up. These calls therefore go over connections of their
//! own, one use at a time, to the server of the link.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use deadpool::managed::{self, Metrics, Object, RecycleError, Timeouts};
use deadpool_redis::Runtime;
use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use token_gateway_core::clock::Clock;

use crate::failure::Failure;
use crate::link::{Handle, Link};
use crate::wire::{CONNECT_TIMEOUT, POOL_WAIT_TIMEOUT};
use crate::{Call, Diagnosis, LinkError, Reply};

/// How many of these connections a worker has to one primary.
const WAIT_CONNECTIONS: usize = 8;

/// The connections of `WAIT` to one primary.
pub(crate) struct WaitPool {
    link: Arc<Link>,
    pool: managed::Pool<WaitConnections>,
    replicas: usize,
    /// Half the deadline of a call: there must be time left to report too few acknowledgements.
    wait_timeout: Duration,
}

/// The pool's objects.
pub(crate) struct WaitConnection {
    /// The link's: when its connection was replaced, this one is not to be trusted either.
    link: Handle,
    connection: MultiplexedConnection,
    /// An answer is still to come: a caller has given up.
    is_busy: bool,
}

/// Opens the pool's objects.
pub(crate) struct WaitConnections(Arc<Link>);

impl managed::Manager for WaitConnections {
    type Type = WaitConnection;
    type Error = LinkError;

    async fn create(&self) -> Result<WaitConnection, LinkError> {
        let link = self.0.handle().await?;
        let connection = self.0.open_exclusive(&link).await?;
        Ok(WaitConnection { link, connection, is_busy: false })
    }

    /// Compares two numbers; no round trip, because a demoted primary would answer it.
    async fn recycle(&self, used: &mut WaitConnection, _: &Metrics) -> managed::RecycleResult<LinkError> {
        if used.is_busy || used.link.number != self.0.current.load(Ordering::Acquire) {
            return Err(RecycleError::message("the connection is held up, or its server was replaced"));
        }
        Ok(())
    }
}

impl WaitPool {
    pub fn new(link: Arc<Link>, replicas: usize, call_timeout: Duration) -> Result<Self, LinkError> {
        let pool = managed::Pool::builder(WaitConnections(link.clone()))
            .max_size(WAIT_CONNECTIONS)
            .timeouts(Timeouts {
                wait: Some(POOL_WAIT_TIMEOUT),
                create: Some(CONNECT_TIMEOUT),
                recycle: None,
            })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Diagnosis::new(None, error.to_string(), "start the node again"))?;
        Ok(Self { link, pool, replicas, wait_timeout: call_timeout / 2 })
    }

    pub fn pool(&self) -> managed::Pool<WaitConnections> {
        self.pool.clone()
    }

    pub async fn call_once(&self, make: &impl Fn(&Clock) -> Call, asking: bool) -> Result<Reply, Failure> {
        let mut used = self.pool.get().await.map_err(Failure::from)?;
        let call = make(&used.link.clock);
        used.is_busy = true;
        match self.call_and_wait(&call, &mut used.connection, asking).await {
            Ok((reply, acknowledged)) => {
                used.is_busy = false;
                self.link.require_current(&used.link)?;
                self.require_replicas(acknowledged, &used.link)?;
                Reply::new(reply).map_err(Failure::Final)
            }
            Err(error) => {
                let broken = Object::take(used);
                Err(self.link.judge(&broken.link, &error, Some(&call)))
            }
        }
    }

    fn require_replicas(&self, acknowledged: usize, link: &Handle) -> Result<(), Failure> {
        if acknowledged >= self.replicas {
            return Ok(());
        }
        let cause = format!("has {acknowledged} of {} replicas that acknowledged in time", self.replicas);
        let remedy = "start or speed up its replicas, or lower REDIS_WAIT_REPLICAS";
        Err(Failure::Final(Diagnosis::new(link.server.clone(), cause, remedy).into()))
    }

    async fn call_and_wait(
        &self,
        call: &Call,
        connection: &mut MultiplexedConnection,
        asking: bool,
    ) -> Result<(Value, usize), RedisError> {
        let reply = call.send(connection, asking).await?;
        let mut wait = redis::cmd("WAIT");
        wait.arg(self.replicas).arg(self.wait_timeout.as_millis() as u64);
        Ok((reply, wait.query_async(connection).await?))
    }
}
