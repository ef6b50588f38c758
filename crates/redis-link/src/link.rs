//! The link: one connection to one server, shared by all calls of a worker, and kept open in the background.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::future::BoxFuture;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisError, Value};
use token_gateway_core::clock::{Clock, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use crate::address::{Address, Dialer};
use crate::failure::Failure;
use crate::sentinel::Sentinels;
use crate::wire::{CONNECT, ask, send, unavailable};
use crate::{Handshake, LinkError, Reply};

/// How long a connection may be silent before its keeper asks for the time and the role. The answers keep the clock's
/// bound tight, and reveal a dead connection or a demoted primary while nobody uses it.
const LINK_CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// How long the keeper waits for an answer on a silent connection before it gives the connection up. A call's deadline
/// counts instead where it is longer.
const LINK_CHECK_TIMEOUT: Duration = Duration::from_millis(500);

/// How many more times a new connection is asked for the time. The first answer may have been slow, and a bound too
/// early by a millisecond takes a theft for a late call.
const CLOCK_SAMPLES: usize = 4;

/// The server that a link leads to.
pub(crate) enum Target {
    Fixed(Address),
    /// The present primary, as Sentinels name it.
    Master(Sentinels),
}

/// The first call on each connection.
pub(crate) enum FirstExchange {
    /// The caller's handshake. Only a writable primary answers it.
    Script(Handshake),
    /// Asks for the time, no more: a mere reader has no other right.
    Time,
    /// Asks for the time, and has the Cluster make the handshake with the one server that has its key. A replica redirects
    /// every call.
    Fenced(Arc<dyn Fence>),
}

/// The barrier before every server of a Cluster.
pub(crate) trait Fence: Send + Sync {
    /// Whether the servers may be written to.
    fn confirm(&self) -> BoxFuture<'_, Result<(), LinkError>>;
}

/// How to open connections like a link's.
pub(crate) struct Connector {
    pub dialer: Dialer,
    pub first_exchange: FirstExchange,
}

/// The one connection that all calls of a worker share.
pub(crate) struct Link {
    target: Target,
    /// It was there from the start, and took no other's place.
    is_original: bool,
    opening: Connector,
    /// How long a probe may take.
    patience: Duration,
    state: watch::Sender<State>,
    /// Number of the open connection, 0 while there is none. Handles with another number are void.
    pub current: AtomicU64,
    /// Wakes the keeper: the connection is lost.
    wake: Notify,
    opened: Instant,
    /// When the last answer came, in microseconds since `opened`.
    answered: AtomicU64,
}

enum State {
    /// Never tried yet, or just lost: a call may wait for it.
    Connecting,
    Up(Handle),
    /// The last try failed, for this reason: a call fails at once, and the keeper tries again.
    Down(LinkError),
}

#[derive(Clone)]
pub(crate) struct Handle {
    pub number: u64,
    pub address: Address,
    /// The server's clock.
    pub clock: Arc<Clock>,
    connection: MultiplexedConnection,
}

impl Connector {
    /// Opens a connection, and tells the clock what it heard.
    pub async fn open(&self, address: &Address, clock: &Clock) -> Result<MultiplexedConnection, LinkError> {
        let opened = self.dialer.dial(address, CONNECT).await;
        let mut connection = opened.map_err(|error| unavailable(&error))?;
        let asked = Instant::now();
        let time = self.first_exchange.exchange(&mut connection).await?;
        clock.observe(time, asked, Instant::now());
        for _ in 0..CLOCK_SAMPLES {
            let asked = Instant::now();
            let time = send(&mut connection, &redis::cmd("TIME")).await.and_then(read_time);
            clock.observe(time.map_err(|error| unavailable(&error))?, asked, Instant::now());
        }
        Ok(connection)
    }
}

impl FirstExchange {
    async fn exchange(&self, connection: &mut MultiplexedConnection) -> Result<Timestamp, LinkError> {
        let failed = |error: RedisError| unavailable(&error);
        match self {
            Self::Fenced(fence) => {
                fence.confirm().await?;
                send(connection, &redis::cmd("TIME")).await.and_then(read_time).map_err(failed)
            }
            Self::Time => send(connection, &redis::cmd("TIME")).await.and_then(read_time).map_err(failed),
            Self::Script(handshake) => {
                let answer = send(connection, &handshake.call.eval()).await;
                let reply = Reply::new(answer.map_err(failed)?)?;
                let time = reply.time;
                (handshake.check)(reply).map(|()| time)
            }
        }
    }
}

impl Target {
    async fn address(&self) -> Result<Address, LinkError> {
        match self {
            Self::Fixed(address) => Ok(address.clone()),
            Self::Master(sentinels) => sentinels.master().await,
        }
    }

    /// Returns when the connection to `address` is no longer the right one.
    async fn left(&self, address: &Address, replid: &str) {
        match self {
            Self::Fixed(_) => std::future::pending().await,
            Self::Master(sentinels) => sentinels.deposed(address, replid).await,
        }
    }

    /// The replication id of the primary just reached; empty for a fixed server, because nobody watches its id.
    ///
    /// # Errors
    ///
    /// When it was deposed while it was dialled: it may have been asleep.
    async fn confirm(&self, connection: &mut MultiplexedConnection) -> Result<String, LinkError> {
        let Self::Master(sentinels) = self else { return Ok(String::new()) };
        let info = send(connection, redis::cmd("INFO").arg("replication")).await;
        let info: redis::InfoDict =
            info.and_then(|info| Ok(redis::from_redis_value(info)?)).map_err(|error| unavailable(&error))?;
        let replid: String = info.get("master_replid").unwrap_or_default();
        if sentinels.has_successor(&replid).await {
            return Err(LinkError::Unavailable(
                "the master was deposed; Sentinels do not say so yet".to_owned(),
            ));
        }
        Ok(replid)
    }
}

impl Link {
    pub fn new(target: Target, opening: Connector, call_timeout: Duration, is_original: bool) -> Self {
        Self {
            target,
            is_original,
            opening,
            patience: LINK_CHECK_TIMEOUT.max(call_timeout),
            state: watch::Sender::new(State::Connecting),
            current: AtomicU64::new(0),
            wake: Notify::new(),
            opened: Instant::now(),
            answered: AtomicU64::new(0),
        }
    }

    /// A handle on the open connection; waits for it while it is connecting.
    pub async fn handle(&self) -> Result<Handle, LinkError> {
        let mut state = self.state.subscribe();
        let settled = state.wait_for(|state| !matches!(state, State::Connecting)).await;
        match settled.as_deref() {
            Ok(State::Up(handle)) => Ok(handle.clone()),
            Ok(State::Down(error)) => Err(error.clone()),
            Ok(State::Connecting) | Err(_) => Err(LinkError::Unavailable("the store is closing".to_owned())),
        }
    }

    /// A connection like the link's, to the server that `handle` leads to, for one use at a time.
    pub async fn another(&self, handle: &Handle) -> Result<MultiplexedConnection, LinkError> {
        let opened = timeout(CONNECT, self.opening.open(&handle.address, &handle.clock)).await;
        opened.unwrap_or_else(|_| Err(LinkError::Unavailable(format!("no answer within {CONNECT:?}"))))
    }

    /// The server, where it is always the same.
    pub fn fixed(&self) -> Option<&Address> {
        match &self.target {
            Target::Fixed(address) => Some(address),
            Target::Master(_) => None,
        }
    }

    /// Whether there is an open connection; `None` while this is not known.
    pub fn is_up(&self) -> Option<bool> {
        match &*self.state.borrow() {
            State::Connecting => None,
            State::Up(_) => Some(true),
            State::Down(_) => Some(false),
        }
    }

    /// The clock of the server, while there is an open connection.
    pub fn clock(&self) -> Option<Arc<Clock>> {
        match &*self.state.borrow() {
            State::Up(handle) => Some(handle.clock.clone()),
            _ => None,
        }
    }

    /// Returns when the connection of this number is no longer the link's.
    pub async fn replaced(&self, number: u64) {
        let is_gone = |state: &State| !matches!(state, State::Up(handle) if handle.number == number);
        let _ = self.state.subscribe().wait_for(is_gone).await;
    }

    pub async fn ask(&self, handle: &mut Handle, command: &Cmd, asking: bool) -> Result<Value, RedisError> {
        let answer = ask(&mut handle.connection, command, asking).await;
        self.note(&answer);
        answer
    }

    /// Several commands in one round trip; an answer may be an error.
    pub async fn ask_all(&self, handle: &mut Handle, commands: &Pipeline) -> Result<Vec<Value>, RedisError> {
        let answers = handle.connection.send_packed_commands(commands, 0, commands.len()).await;
        self.note(&answers);
        answers
    }

    /// Any answer, even an error, shows that the connection lives.
    fn note<T>(&self, answer: &Result<T, RedisError>) {
        if answer.as_ref().map_or_else(|error| error.code().is_some(), |_| true) {
            self.answered.store(self.opened.elapsed().as_micros() as u64, Ordering::Relaxed);
        }
    }

    pub async fn time(&self, handle: &mut Handle) -> Result<Timestamp, Failure> {
        let asked = Instant::now();
        let answer = self.ask(handle, &redis::cmd("TIME"), false).await;
        let time = answer.and_then(read_time).map_err(|error| self.judge(handle, &error))?;
        handle.clock.observe(time, asked, Instant::now());
        self.trusted(handle).map(|()| time)
    }

    /// Asks for the time, and whether the server still is a primary. Runs no script: operators count scripts as
    /// refreshes.
    async fn check(&self, handle: &mut Handle) -> Result<(), Failure> {
        self.time(handle).await?;
        if matches!(self.opening.first_exchange, FirstExchange::Fenced(_)) {
            return Ok(()); // a demoted server redirects us
        }
        let info = self.ask(handle, redis::cmd("INFO").arg("replication"), false).await;
        let info: redis::InfoDict = match info.and_then(|info| Ok(redis::from_redis_value(info)?)) {
            Err(error) if error.code() == Some("NOPERM") => return Ok(()),
            info => info.map_err(|error| self.judge(handle, &error))?,
        };
        if info.get::<String>("role").is_some_and(|role| role != "master") {
            self.give_up(handle.number, "it is a replica now");
        }
        Ok(())
    }

    /// Whether an answer of this connection counts. It does not after the connection was given up, because a deposed
    /// primary may still acknowledge writes.
    pub fn trusted(&self, handle: &Handle) -> Result<(), Failure> {
        if self.current.load(Ordering::Acquire) == handle.number {
            Ok(())
        } else {
            Err(Failure::Lost("the connection was given up meanwhile".to_owned()))
        }
    }

    /// Decides on the meaning of an error, and gives a useless connection up.
    pub fn judge(&self, handle: &Handle, error: &RedisError) -> Failure {
        match Failure::of(error, &handle.address) {
            // In a Cluster a demoted server redirects us; this one lacks replicas, perhaps only for a moment.
            Failure::Demoted(cause) if matches!(self.opening.first_exchange, FirstExchange::Fenced(_)) => {
                Failure::TryAgain(cause)
            }
            Failure::Lost(cause) | Failure::Demoted(cause) => {
                self.give_up(handle.number, &cause);
                Failure::Lost(cause)
            }
            failure => failure,
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

    /// When the last answer came.
    fn answered(&self) -> Instant {
        self.opened + Duration::from_micros(self.answered.load(Ordering::Relaxed))
    }
}

fn read_time(value: Value) -> Result<Timestamp, RedisError> {
    let (seconds, micros): (u64, u64) = redis::from_redis_value(value)?;
    Ok(Timestamp(seconds * 1_000_000 + micros))
}

/// Keeps the link's connection open for as long as the store lives. `forget` drops what others keep of one that was
/// given up, so that it closes.
pub(crate) async fn keep(link: Arc<Link>, forget: impl Fn()) {
    for number in 1.. {
        let (handle, replid) = connect(&link, number).await;
        log::info!("connected to Redis at {}", handle.address);
        link.publish(handle.clone());
        let address = handle.address.clone();
        tokio::select! {
            () = watch_over(&link, handle) => {}
            () = link.target.left(&address, &replid) => link.give_up(number, "another server is the master now"),
        }
        forget();
    }
}

/// Returns when the connection is lost. Probes a silent one, and gives it up without an answer: a black hole must not
/// swallow every later call too.
async fn watch_over(link: &Link, mut handle: Handle) {
    while link.current.load(Ordering::Acquire) == handle.number {
        let _ = timeout(LINK_CHECK_INTERVAL, link.wake.notified()).await;
        if link.answered().elapsed() >= LINK_CHECK_INTERVAL {
            probe(link, &mut handle).await;
        }
    }
}

async fn probe(link: &Link, handle: &mut Handle) {
    let (began, number) = (Instant::now(), handle.number);
    tokio::select! {
        answer = timeout(link.patience, link.check(handle)) => {
            if answer.is_err() && link.answered() < began {
                link.give_up(number, "no answer");
            }
        }
        () = link.replaced(number) => {}
    }
}

/// Tries until it succeeds, first at once, then with jittered backoff.
async fn connect(link: &Link, number: u64) -> (Handle, String) {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(25))
        .with_max_delay(Duration::from_millis(300))
        .with_jitter()
        .without_max_times()
        .build();
    let mut told = false;
    for pause in pauses {
        let error = match timeout(CONNECT, open(link, number)).await {
            Ok(Ok(opened)) => return opened,
            Ok(Err(error)) => error,
            Err(_) => LinkError::Unavailable(format!("no answer within {CONNECT:?}")),
        };
        if !told {
            log::warn!("cannot connect to Redis, trying on: {error}");
            told = true;
        }
        link.state.send_replace(State::Down(error));
        sleep(pause).await;
    }
    unreachable!("the backoff never ends")
}

async fn open(link: &Link, number: u64) -> Result<(Handle, String), LinkError> {
    let is_first = number == 1 && link.is_original;
    let clock = if is_first { Clock::default() } else { Clock::of_a_successor() };
    let (address, clock) = (link.target.address().await?, Arc::new(clock));
    let mut connection = link.opening.open(&address, &clock).await?;
    let replid = link.target.confirm(&mut connection).await?;
    Ok((Handle { number, address, clock, connection }, replid))
}
