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
use crate::wire::{CONNECT, TURN, ask, is_noscript};
use crate::{Call, LinkError, Reply};

/// Exclusive connections of one worker.
const EXCLUSIVE: usize = 8;

pub(crate) struct Waiting {
    link: Arc<Link>,
    pool: managed::Pool<Connections>,
    replicas: usize,
    /// Half the deadline of a call: there must be time left to report too few acknowledgements.
    patience: Duration,
}

/// The pool's objects.
pub(crate) struct Exclusive {
    /// The link's: when its connection was replaced, this one is not to be trusted either.
    link: Handle,
    connection: MultiplexedConnection,
    /// An answer is still to come: a caller has given up.
    busy: bool,
}

pub(crate) struct Connections(Arc<Link>);

impl managed::Manager for Connections {
    type Type = Exclusive;
    type Error = LinkError;

    async fn create(&self) -> Result<Exclusive, LinkError> {
        let link = self.0.handle().await?;
        let connection = self.0.another(&link).await?;
        Ok(Exclusive { link, connection, busy: false })
    }

    /// Compares two numbers; no round trip, because a demoted primary would answer it.
    async fn recycle(&self, one: &mut Exclusive, _: &Metrics) -> managed::RecycleResult<LinkError> {
        if one.busy || one.link.number != self.0.current.load(Ordering::Acquire) {
            return Err(RecycleError::message("the connection is held up, or its server was replaced"));
        }
        Ok(())
    }
}

impl Waiting {
    pub fn new(link: Arc<Link>, replicas: usize, call_timeout: Duration) -> Result<Self, LinkError> {
        let pool = managed::Pool::builder(Connections(link.clone()))
            .max_size(EXCLUSIVE)
            .timeouts(Timeouts { wait: Some(TURN), create: Some(CONNECT), recycle: None })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| LinkError::Unavailable(error.to_string()))?;
        Ok(Self { link, pool, replicas, patience: call_timeout / 2 })
    }

    pub fn connections(&self) -> managed::Pool<Connections> {
        self.pool.clone()
    }

    pub async fn attempt(&self, make: &impl Fn(&Clock) -> Call, asking: bool) -> Result<Reply, Failure> {
        let mut one = self.pool.get().await.map_err(Failure::from)?;
        let call = make(&one.link.clock);
        one.busy = true;
        match self.run(&call, &mut one.connection, asking).await {
            Ok((reply, acknowledged)) => {
                one.busy = false;
                self.link.trusted(&one.link)?;
                self.enough(acknowledged)?;
                Reply::new(reply).map_err(Failure::Final)
            }
            Err(error) => {
                let broken = Object::take(one);
                Err(self.link.judge(&broken.link, &error))
            }
        }
    }

    fn enough(&self, acknowledged: usize) -> Result<(), Failure> {
        if acknowledged >= self.replicas {
            return Ok(());
        }
        let told = format!("{acknowledged} of {} replicas acknowledged in time", self.replicas);
        Err(Failure::Final(LinkError::Unavailable(told)))
    }

    async fn run(
        &self,
        call: &Call,
        connection: &mut MultiplexedConnection,
        asking: bool,
    ) -> Result<(Value, usize), RedisError> {
        let mut answer = ask(connection, call.evalsha(), asking).await;
        if is_noscript(&answer) {
            answer = ask(connection, &call.eval(), asking).await;
        }
        let reply = answer?;
        let mut wait = redis::cmd("WAIT");
        wait.arg(self.replicas).arg(self.patience.as_millis() as u64);
        Ok((reply, wait.query_async(connection).await?))
    }
}
