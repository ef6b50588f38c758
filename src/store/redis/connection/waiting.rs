//! `WAIT`: calls whose writes must have reached replicas before anybody is told.
//!
//! `WAIT` speaks of the writes of its own connection and holds that up, so these calls go over exclusive
//! connections, from a plain `deadpool-redis` pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool::managed::{Hook, HookError, PoolError, TimeoutType, Timeouts};
use deadpool_redis::{Connection, Pool, Runtime};
use redis::{RedisError, Value};

use super::{CONNECT, TURN, describe, is_noscript, manager, open_layout, send};
use crate::store::Error;
use crate::store::redis::RedisSettings;
use crate::store::redis::reply::Reply;
use crate::store::redis::scripts::Call;

/// Exclusive connections of one worker.
const EXCLUSIVE: usize = 8;

pub(super) struct Waiting {
    pool: Pool,
    replicas: usize,
    /// Half the deadline of a call, so that too few acknowledgements are told as such.
    patience: Duration,
    /// The lane's connection when the pool was last used.
    lane: AtomicU64,
}

impl Waiting {
    pub fn new(settings: &RedisSettings, layout: String) -> Result<Self, Error> {
        let pool = Pool::builder(manager(settings)?)
            .max_size(EXCLUSIVE)
            .timeouts(Timeouts { wait: Some(TURN), create: Some(CONNECT), recycle: Some(settings.timeout) })
            .runtime(Runtime::Tokio1)
            .post_create(reading(layout.into()))
            .build()
            .map_err(|error| Error::Unavailable(error.to_string()))?;
        let (replicas, patience) = (settings.wait_replicas, settings.timeout / 2);
        Ok(Self { pool, replicas, patience, lane: AtomicU64::new(0) })
    }

    /// `lane` is the number of the lane's connection: when that was replaced, these are not to be trusted
    /// either. Each would cost a caller its deadline to find out.
    pub async fn call(&self, call: &Call, lane: u64) -> Result<Reply, Error> {
        if self.lane.swap(lane, Ordering::AcqRel) != lane {
            self.pool.retain(|_, _| false);
        }
        let mut connection = self.pool.get().await.map_err(|error| match error {
            PoolError::Timeout(TimeoutType::Wait) => Error::Overloaded,
            other => Error::Unavailable(other.to_string()),
        })?;
        match self.run(call, &mut connection).await {
            Ok((reply, acknowledged)) if acknowledged >= self.replicas => Reply::new(reply),
            Ok((_, acknowledged)) => {
                let wanted = self.replicas;
                Err(Error::Unavailable(format!("{acknowledged} of {wanted} replicas acknowledged in time")))
            }
            Err(error) => {
                drop(Connection::take(connection)); // a demoted master would pass the pool's PING
                Err(Error::Unavailable(describe(&error)))
            }
        }
    }

    async fn run(&self, call: &Call, connection: &mut Connection) -> Result<(Value, usize), RedisError> {
        let mut answer = send(connection, call.evalsha()).await;
        if is_noscript(&answer) {
            answer = send(connection, &call.eval()).await;
        }
        let reply = answer?;
        let mut wait = redis::cmd("WAIT");
        wait.arg(self.replicas).arg(self.patience.as_millis() as u64);
        Ok((reply, wait.query_async(&mut **connection).await?))
    }
}

/// Has the pool hand out no connection that has not read the layout.
fn reading(layout: Arc<str>) -> Hook<deadpool_redis::Manager> {
    Hook::async_fn(move |connection, _| {
        let layout = layout.clone();
        Box::pin(async move {
            let read = open_layout(connection, &layout).await;
            read.map(drop).map_err(|error| HookError::message(error.to_string()))
        })
    })
}
