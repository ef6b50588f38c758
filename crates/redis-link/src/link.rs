//! The link: one connection to one server, shared by all calls of a worker. Its keeper is in `keeper.rs`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisError, Value};
use token_gateway_core::clock::{Clock, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::connector::Connector;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::server::Server;
use crate::wire::{self, CONNECT_TIMEOUT, read_time};
use crate::{Call, Diagnosis, LinkError, LinkHealth, LinkSettings};

/// How long the keeper waits for an answer on a silent connection before it gives the connection up. A call's deadline
/// counts instead where it is longer.
const LINK_CHECK_TIMEOUT: Duration = Duration::from_millis(500);

/// The one connection that all calls of a worker share.
pub(crate) struct Link {
    pub endpoint: Endpoint,
    /// It was there from the start, and took no other's place.
    pub is_original: bool,
    pub connector: Connector,
    pub health: Arc<LinkHealth>,
    /// How long a probe may take.
    pub check_timeout: Duration,
    state: watch::Sender<State>,
    /// The server that the keeper is connecting to, or has tried last.
    tried: Mutex<Option<Arc<Server>>>,
    /// Number of the open connection, 0 while there is none. Handles with another number are void.
    pub current: AtomicU64,
    /// Wakes the keeper: the connection is lost.
    pub wake: Notify,
    created: Instant,
    /// When the last answer came, in microseconds since `created`.
    last_answer: AtomicU64,
}

enum State {
    /// Never tried yet, or just lost: a call may wait for it.
    Connecting,
    Up(Handle),
    /// The last try failed, for this reason: a call fails at once, and the keeper tries again.
    Down(LinkError),
}

/// The use of one open connection.
#[derive(Clone)]
pub(crate) struct Handle {
    pub number: u64,
    pub server: Arc<Server>,
    /// The server's clock.
    pub clock: Arc<Clock>,
    pub connection: MultiplexedConnection,
}

impl Link {
    pub fn new(settings: &LinkSettings, endpoint: Endpoint, connector: Connector, is_original: bool) -> Self {
        Self {
            endpoint,
            is_original,
            connector,
            health: settings.health.clone(),
            check_timeout: LINK_CHECK_TIMEOUT.max(settings.timeout),
            state: watch::Sender::new(State::Connecting),
            tried: Mutex::default(),
            current: AtomicU64::new(0),
            wake: Notify::new(),
            created: Instant::now(),
            last_answer: AtomicU64::new(0),
        }
    }

    /// A handle on the open connection; waits for it while it is connecting.
    pub async fn handle(&self) -> Result<Handle, LinkError> {
        let mut state = self.state.subscribe();
        let known = state.wait_for(|state| !matches!(state, State::Connecting)).await;
        match known.as_deref() {
            Ok(State::Up(handle)) => Ok(handle.clone()),
            Ok(State::Down(error)) => Err(error.clone()),
            Ok(State::Connecting) | Err(_) => {
                Err(Diagnosis::new(None, "the store is closing", "repeat the call at another node").into())
            }
        }
    }

    /// A connection like the link's, to the server that `handle` leads to, for one use at a time.
    pub async fn open_exclusive(&self, handle: &Handle) -> Result<MultiplexedConnection, LinkError> {
        let opened = timeout(CONNECT_TIMEOUT, self.connector.open(&handle.server, &handle.clock)).await;
        opened.unwrap_or_else(|_| Err(Diagnosis::late(Some(handle.server.clone()), CONNECT_TIMEOUT).into()))
    }

    /// Whether there is an open connection.
    pub fn is_up(&self) -> bool {
        matches!(*self.state.borrow(), State::Up(_))
    }

    /// The server at the other end; while there is none, the server last tried, or the first one that the settings name.
    pub fn server(&self) -> Option<Arc<Server>> {
        if let State::Up(handle) = &*self.state.borrow() {
            return Some(handle.server.clone());
        }
        let tried = self.tried.lock().expect("no panic while it is held").clone();
        tried.or_else(|| self.endpoint.first_server().cloned())
    }

    /// Notes the server that the keeper is connecting to.
    pub fn tries(&self, server: Option<Arc<Server>>) {
        *self.tried.lock().expect("no panic while it is held") = server;
    }

    /// The clock of the server, while there is an open connection.
    pub fn clock(&self) -> Option<Arc<Clock>> {
        match &*self.state.borrow() {
            State::Up(handle) => Some(handle.clock.clone()),
            _ => None,
        }
    }

    /// Returns when the connection of this number is no longer the link's.
    pub async fn wait_until_replaced(&self, number: u64) {
        let is_gone = |state: &State| !matches!(state, State::Up(handle) if handle.number == number);
        let _ = self.state.subscribe().wait_for(is_gone).await;
    }

    /// A call of a script; `asking` where `ASK` redirected it. The answer, and when it came.
    pub async fn send_call(
        &self,
        handle: &mut Handle,
        call: &Call,
        asking: bool,
    ) -> Result<(Value, Instant), RedisError> {
        let answer = call.send(&mut handle.connection, asking).await;
        let came = self.record_answer(&answer);
        Ok((answer?, came))
    }

    /// One command.
    pub async fn send(&self, handle: &mut Handle, command: &Cmd) -> Result<Value, RedisError> {
        let answer = wire::send(&mut handle.connection, command).await;
        self.record_answer(&answer);
        answer
    }

    /// Several commands in one round trip; an answer may be an error.
    pub async fn send_all(&self, handle: &mut Handle, commands: &Pipeline) -> Result<Vec<Value>, RedisError> {
        let answers = handle.connection.send_packed_commands(commands, 0, commands.len()).await;
        self.record_answer(&answers);
        answers
    }

    /// Any answer, even an error, shows that the connection lives. Returns the moment.
    fn record_answer<T>(&self, answer: &Result<T, RedisError>) -> Instant {
        let now = Instant::now();
        if answer.as_ref().map_or_else(|error| error.code().is_some(), |_| true) {
            self.last_answer.store((now - self.created).as_micros() as u64, Ordering::Relaxed);
        }
        now
    }

    /// The server's time. The clock observes it.
    pub async fn time(&self, handle: &mut Handle) -> Result<Timestamp, Failure> {
        let asked = Instant::now();
        let answer = self.send(handle, &redis::cmd("TIME")).await;
        let time = answer.and_then(read_time).map_err(|error| self.judge(handle, &error, None))?;
        handle.clock.observe(time, asked, Instant::now());
        self.require_current(handle).map(|()| time)
    }

    /// Asks for the time, and whether the server still is a primary. Runs no script: operators count scripts as
    /// refreshes.
    pub async fn check(&self, handle: &mut Handle) -> Result<(), Failure> {
        self.time(handle).await?;
        if self.connector.is_in_cluster() {
            return Ok(()); // a demoted server redirects us
        }
        let info = self.send(handle, redis::cmd("INFO").arg("replication")).await;
        let info: redis::InfoDict = match info.and_then(|info| Ok(redis::from_redis_value(info)?)) {
            Err(error) if error.code() == Some("NOPERM") => return Ok(()),
            info => info.map_err(|error| self.judge(handle, &error, None))?,
        };
        if info.get::<String>("role").is_some_and(|role| role != "master") {
            let remedy = "let REDIS_URL lead to the primary";
            self.give_up(handle.number, &Diagnosis::new(handle.server.clone(), "is a replica now", remedy));
        }
        Ok(())
    }

    /// Refuses an answer of a connection that was given up: a deposed primary may still acknowledge writes.
    pub fn require_current(&self, handle: &Handle) -> Result<(), Failure> {
        if self.current.load(Ordering::Acquire) == handle.number {
            Ok(())
        } else {
            let cause = "was given up before its answer came";
            Err(Failure::Lost(Diagnosis::new(handle.server.clone(), cause, "repeat the call")))
        }
    }

    /// Decides on the meaning of an error, and gives a useless connection up. `call` where a script was called.
    pub fn judge(&self, handle: &Handle, error: &RedisError, call: Option<&Call>) -> Failure {
        match Failure::of(error, &handle.server, call) {
            // In a Cluster a demoted server redirects us; this one lacks replicas, perhaps only for a moment.
            Failure::Demoted(diagnosis) if self.connector.is_in_cluster() => Failure::TryAgain(diagnosis),
            Failure::Lost(diagnosis) | Failure::Demoted(diagnosis) => {
                self.give_up(handle.number, &diagnosis);
                Failure::Lost(diagnosis)
            }
            failure => failure,
        }
    }

    /// Hands this connection out from now on.
    pub fn install(&self, handle: Handle) {
        self.state.send_modify(|state| {
            self.current.store(handle.number, Ordering::Release);
            *state = State::Up(handle);
        });
    }

    /// Fails calls at once, with the error of the last try to connect.
    pub fn report_down(&self, error: LinkError) {
        self.health.failed(&error);
        self.state.send_replace(State::Down(error));
    }

    /// Nobody gets this connection any more; the keeper opens another.
    pub fn give_up(&self, number: u64, cause: &Diagnosis) {
        let lost = self.state.send_if_modified(|state| {
            let is_current = matches!(state, State::Up(handle) if handle.number == number);
            if is_current {
                self.current.store(0, Ordering::Release);
                *state = State::Connecting;
            }
            is_current
        });
        if lost {
            log::debug!(cause:%; "connection to Redis lost: {cause}");
            self.wake.notify_one();
        }
    }

    /// Returns when the link has another connection than now.
    pub async fn wait_until_connected_anew(&self) {
        let number = self.current.load(Ordering::Acquire);
        let is_new = |state: &State| matches!(state, State::Up(handle) if handle.number != number);
        let _ = self.state.subscribe().wait_for(is_new).await;
    }

    /// When the last answer came.
    pub fn last_answer(&self) -> Instant {
        self.created + Duration::from_micros(self.last_answer.load(Ordering::Relaxed))
    }
}
