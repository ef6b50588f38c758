//! The way to one primary: a link, and the pools that bound the calls in flight.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use deadpool::managed::{self, Metrics, RecycleError, Timeouts};
use deadpool_redis::Runtime;
use redis::{Cmd, Pipeline};
use token_gateway_core::clock::{Clock, Timestamp};
use tokio::task::JoinHandle;

use crate::connector::Connector;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::link::{Handle, Link};
use crate::wait_pool::WaitPool;
use crate::wire::{POOL_WAIT_TIMEOUT, optional_text};
use crate::{Call, Diagnosis, LinkError, LinkSettings, Reply, keeper};

/// One primary, as a worker reaches it.
pub(crate) struct Primary {
    pub link: Arc<Link>,
    pool: managed::Pool<Handles>,
    wait_pool: Option<WaitPool>,
    keeper: JoinHandle<()>,
}

impl Primary {
    /// Begins to connect in the background, on the current runtime.
    /// `is_original`: it takes no other's place.
    pub fn open(
        settings: &LinkSettings,
        endpoint: Endpoint,
        connector: Connector,
        is_original: bool,
    ) -> Result<Self, LinkError> {
        let link = Arc::new(Link::new(settings, endpoint, connector, is_original));
        let pool = managed::Pool::builder(Handles(link.clone()))
            .max_size(settings.max_in_flight)
            .timeouts(Timeouts { wait: Some(POOL_WAIT_TIMEOUT), create: None, recycle: None })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Diagnosis::new(None, error.to_string(), "correct REDIS_MAX_IN_FLIGHT"))?;
        let wait_pool = match settings.wait_replicas {
            0 => None,
            replicas => Some(WaitPool::new(link.clone(), replicas, settings.timeout)?),
        };
        let (handles, wait_connections) = (pool.clone(), wait_pool.as_ref().map(WaitPool::pool));
        let forget = move || {
            handles.retain(|_, _| false);
            wait_connections.iter().for_each(|pool| drop(pool.retain(|_, _| false)));
        };
        let keeper = tokio::spawn(keeper::keep(link.clone(), forget));
        Ok(Self { link, pool, wait_pool, keeper })
    }

    /// Calls a script over the shared connection, dated by the server's clock.
    pub async fn call_once(&self, make: &impl Fn(&Clock) -> Call, asking: bool) -> Result<Reply, Failure> {
        let mut handle = self.handle().await?;
        self.send(&mut handle, make, asking).await
    }

    /// The same without a place in flight.
    pub async fn call_beside(&self, make: &impl Fn(&Clock) -> Call, asking: bool) -> Result<Reply, Failure> {
        let mut handle = self.link.handle().await.map_err(Failure::Final)?;
        self.send(&mut handle, make, asking).await
    }

    async fn send(
        &self,
        handle: &mut Handle,
        make: &impl Fn(&Clock) -> Call,
        asking: bool,
    ) -> Result<Reply, Failure> {
        let (call, asked) = (make(&handle.clock), Instant::now());
        let answer = self.link.send_call(handle, &call, asking).await;
        let (value, came) = answer.map_err(|error| self.link.judge(handle, &error, Some(&call)))?;
        self.link.require_current(handle)?;
        let reply = Reply::new(value).map_err(Failure::Final)?;
        handle.clock.observe(reply.time, asked, came);
        Ok(reply)
    }

    /// The same; where configured, it waits until enough replicas have the writes.
    pub async fn call_once_and_wait(
        &self,
        make: &impl Fn(&Clock) -> Call,
        asking: bool,
    ) -> Result<Reply, Failure> {
        match &self.wait_pool {
            None => self.call_once(make, asking).await,
            Some(wait_pool) => wait_pool.call_once(make, asking).await,
        }
    }

    pub async fn time(&self) -> Result<Timestamp, Failure> {
        let mut handle = self.handle().await?;
        self.link.time(&mut handle).await
    }

    /// Sends a command that only reads.
    pub async fn ask<T: redis::FromRedisValue>(&self, command: &Cmd) -> Result<T, Failure> {
        let mut handle = self.handle().await?;
        let answer = self.link.send(&mut handle, command).await;
        let answer = answer.and_then(|value| Ok(redis::from_redis_value(value)?));
        answer.map_err(|error| self.link.judge(&handle, &error, None))
    }

    /// The same for several in one round trip, without a place in flight; `None` also where the server does not know the
    /// question.
    pub async fn ask_all(&self, questions: &Pipeline) -> Result<Vec<Option<String>>, Failure> {
        let mut handle = self.link.handle().await.map_err(Failure::Final)?;
        let answers = self.link.send_all(&mut handle, questions).await;
        let answers = answers.and_then(|answers| answers.into_iter().map(optional_text).collect());
        answers.map_err(|error| self.link.judge(&handle, &error, None))
    }

    async fn handle(&self) -> Result<managed::Object<Handles>, Failure> {
        self.pool.get().await.map_err(Failure::from)
    }
}

impl Drop for Primary {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// The pool's objects: handles on the link's connection.
struct Handles(Arc<Link>);

impl managed::Manager for Handles {
    type Type = Handle;
    type Error = LinkError;

    /// Waits for the link while it is connecting; the caller's deadline bounds that.
    async fn create(&self) -> Result<Handle, LinkError> {
        self.0.handle().await
    }

    /// Compares two numbers; no round trip.
    async fn recycle(&self, handle: &mut Handle, _: &Metrics) -> managed::RecycleResult<LinkError> {
        if handle.number == self.0.current.load(Ordering::Acquire) {
            Ok(())
        } else {
            Err(RecycleError::message("the connection was replaced"))
        }
    }
}
