//! A node: built from settings and a listener, run until it is told to stop.

mod connection_watch;
mod key_watch;
mod readiness_watch;

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::App;
use actix_web::dev::{Server, ServerHandle};
use actix_web::web::Data;
use anyhow::{Context, Result, anyhow, bail};
use futures_util::future::join_all;
use socket2::{Domain, Socket, Type};
use token_gateway_core::checker::Checker;
use token_gateway_core::clock::Timestamp;
use token_gateway_core::feed::Denylist;
use token_gateway_core::session::Subject;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use self::readiness_watch::ReadinessLog;
use crate::config::{ApiDocs, Settings, StoreSettings, line_end_warnings};
use crate::gateway::{Gateway, GatewayError, NodeParts, repair};
use crate::http::{self, EventLoopLag, Lifecycle, MostStreams, TrustedProxies};
use crate::store::memory::MemoryStore;
use crate::store::redis::RedisStore;
use crate::store::{Store, StoreError};
use crate::telemetry::metrics::{ConnectionMetrics, Metrics};
use crate::token::Tokens;
use crate::transport::{self, ADMIN_CONNECTIONS, Bounds, Capacity};

/// Connections allowed to wait for their acceptance.
const LISTEN_BACKLOG: i32 = 1024;

/// Time limit at start-up for Redis's answer about its layout. Without an answer the node starts all the same.
const LAYOUT_CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// The links of a new node know by then why they do not come up, unless no answer at all is the cause.
const FIRST_CAUSE_WITHIN: Duration = Duration::from_millis(500);

/// The least places in flight of a worker: half of them is for refreshes.
const LEAST_PLACES: usize = 2;

/// A node with its addresses bound, about to serve.
pub struct Application {
    server: Server,
    admin: Option<Server>,
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    lifecycle: Data<Lifecycle>,
    unready_first: Duration,
    tasks: Vec<JoinHandle<()>>,
}

impl Application {
    /// Binds all addresses. Must run inside an actix system.
    ///
    /// # Errors
    ///
    /// When an address cannot be bound, too few files may be open, or Redis holds a key layout unknown to this release. An
    /// absent Redis is no error: the node starts, is not ready, and answers 503 until Redis is there.
    pub async fn build(settings: Settings, listener: TcpListener) -> Result<Self> {
        let capacity = Capacity::raised(settings.workers)?;
        warn_of_each(&line_end_warnings());
        warn_of_each(&settings.secret_files.warnings());
        let hangups = key_watch::hangups().context("cannot listen for SIGHUP")?;
        let lifecycle = Data::new(Lifecycle::default());
        let node = Node::new(&settings)?;
        let gateway = Data::new(node.gateway(1)?);
        let readiness = refuse_unknown_layout(&gateway).await?;

        let address = listener.local_addr()?;
        let (workers, grace) = (settings.workers, settings.shutdown_grace);
        let unready_first = settings.unready_first;
        let admin_listener = settings.admin.map(|address| bind(address, "ADMIN_ADDR")).transpose()?;
        let admin_address = admin_listener.as_ref().map(TcpListener::local_addr).transpose()?;
        let admin = admin_listener
            .map(|listener| admin_server(listener, node.clone(), lifecycle.clone(), grace))
            .transpose()?;
        let keys = actix_web::rt::spawn(key_watch::watch(
            hangups,
            settings.keys,
            settings.keys_stamp,
            node.parts.tokens.clone(),
            node.parts.metrics.clone(),
            clock_of_keys(gateway.store.clone())?,
        ));
        let repair = repair::run(
            gateway.store.clone(),
            node.parts.denylist.clone(),
            gateway.ender(),
            settings.gateway.store_timeout,
        );
        let checker = node.parts.checker.clone();
        let subscriber = actix_web::rt::spawn(async move { tokio::join!(repair, checker.drop_ended()).0 });
        let watch = match &settings.store {
            StoreSettings::Redis(redis) => {
                let watch = readiness_watch::watch(gateway.into_inner(), redis.clone(), readiness);
                Some(actix_web::rt::spawn(watch))
            }
            StoreSettings::Embedded => None,
        };
        let (state, issuer) = (lifecycle.clone(), settings.gateway.issuer);
        let with_docs = settings.api_docs == ApiDocs::Public;
        let proxies = Data::new(TrustedProxies::new(settings.trusted_proxies));
        let metrics = node.parts.metrics.connections.clone();
        metrics.limit.set(capacity.connections as i64);
        log_capacity(capacity);
        let watch_connections = actix_web::rt::spawn(connection_watch::watch(metrics.clone(), "BIND_ADDR"));
        let most_streams = Data::new(MostStreams::of_connections(capacity.connections));
        let watch_requests = actix_web::rt::spawn(connection_watch::watch_requests(
            node.parts.metrics.clone(),
            most_streams.clone(),
        ));
        let bounds = Bounds { workers, connections: capacity.connections, grace };
        let server = transport::serve(listener, &bounds, metrics, move || {
            // One gateway per worker, because a link lives on the worker's own runtime.
            let gateway = node.gateway(workers).expect("built once already");
            let app = App::new().app_data(Data::new(gateway)).app_data(state.clone());
            let app = app.app_data(proxies.clone()).app_data(most_streams.clone());
            app.app_data(EventLoopLag::start()).configure(http::routes(&issuer, with_docs))
        })?;
        let tasks = [Some(keys), Some(subscriber), Some(watch_connections), Some(watch_requests), watch]
            .into_iter()
            .flatten()
            .collect();
        Ok(Self { server, admin, address, admin_address, lifecycle, unready_first, tasks })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Serves until SIGTERM or SIGINT, then drains. Readiness fails first. Then the node accepts no new connections,
    /// and requests in flight finish within the grace. A second signal stops the node at once.
    pub async fn run_until_stopped(self) -> Result<()> {
        let address = self.address;
        log::info!(address:%; "listening on http://{address}");
        if let Some(address) = self.admin_address {
            log::info!(address:%; "admin listening on http://{address}");
        }
        let handles: Vec<ServerHandle> =
            std::iter::once(&self.server).chain(&self.admin).map(Server::handle).collect();
        let stopper = actix_web::rt::spawn(stop_on_signal(handles, self.lifecycle, self.unready_first));
        let admin = self.admin.map(actix_web::rt::spawn);
        self.server.await.context("the server failed")?;
        if let Some(admin) = admin {
            admin.await?.context("the admin server failed")?;
        }
        stopper.abort();
        self.tasks.iter().for_each(JoinHandle::abort);
        log::info!("stopped");
        Ok(())
    }
}

/// The common parts of all workers.
#[derive(Clone)]
struct Node {
    settings: Arc<Settings>,
    parts: NodeParts,
    embedded: Option<Arc<MemoryStore>>,
}

impl Node {
    fn new(settings: &Settings) -> Result<Self> {
        let embedded = match settings.store {
            StoreSettings::Redis(_) => None,
            StoreSettings::Embedded => Some(Arc::new(MemoryStore::new(settings.policy.clone()))),
        };
        let tokens = Arc::new(Tokens::new(&settings.tokens, settings.keyring.clone()));
        let denylist = Arc::new(Denylist::new(settings.policy.feed_retention));
        let checker = Checker::new(tokens.clone(), settings.verify.clone(), denylist.clone());
        let parts = NodeParts {
            metrics: Metrics::new(),
            tokens,
            services: settings.services.clone(),
            denylist,
            checker: Arc::new(checker),
            readiness: Arc::default(),
            bounds: Arc::default(),
        };
        Ok(Self { settings: Arc::new(settings.clone()), parts, embedded })
    }

    /// A gateway for one of `sharers`. They share the process's limit of store calls in flight.
    fn gateway(&self, sharers: usize) -> Result<Gateway> {
        let settings = &self.settings;
        let (store, places): (Arc<dyn Store>, usize) = match (&settings.store, &self.embedded) {
            (StoreSettings::Redis(redis), _) => {
                let mut redis = redis.clone();
                redis.link.max_in_flight = redis.link.max_in_flight.div_ceil(sharers).max(LEAST_PLACES);
                let places = redis.link.max_in_flight;
                (Arc::new(RedisStore::new(&redis, settings.policy.clone())?), places)
            }
            (StoreSettings::Embedded, Some(store)) => (store.clone(), usize::MAX), // it answers at once
            (StoreSettings::Embedded, None) => bail!("the embedded store is missing"),
        };
        Ok(Gateway::new(store, self.parts.clone(), places, settings.gateway.clone()))
    }
}

fn log_capacity(capacity: Capacity) {
    let Capacity { descriptors, connections } = capacity;
    if capacity.is_low() {
        log::warn!(connections, descriptors; "only {connections} connections of clients, of {descriptors} file descriptors; raise the hard limit of open files");
    } else {
        log::info!(connections, descriptors; "up to {connections} connections of clients, of {descriptors} file descriptors");
    }
}

/// The store's clock decides which key signs; this machine's, while the store has not answered. In a Cluster any primary
/// will do, because the clock is for log lines.
fn clock_of_keys(store: Arc<dyn Store>) -> Result<impl Fn() -> Timestamp> {
    let subject: Subject = "keys".parse()?;
    Ok(move || store.lower_bound(&subject, Instant::now()).unwrap_or_else(Timestamp::from_system_clock))
}

fn admin_server(
    listener: TcpListener,
    node: Node,
    lifecycle: Data<Lifecycle>,
    grace: Duration,
) -> Result<Server> {
    let with_docs = node.settings.api_docs == ApiDocs::Admin;
    let bounds = Bounds { workers: 1, connections: ADMIN_CONNECTIONS, grace };
    let metrics = ConnectionMetrics::default(); // those of clients are public
    metrics.limit.set(ADMIN_CONNECTIONS as i64);
    actix_web::rt::spawn(connection_watch::watch(metrics.clone(), "ADMIN_ADDR"));
    let server = transport::serve(listener, &bounds, metrics, move || {
        let gateway = node.gateway(1).expect("built once already");
        let app = App::new().app_data(Data::new(gateway)).app_data(lifecycle.clone());
        app.configure(http::admin_routes(with_docs))
    })?;
    Ok(server)
}

/// Listens on `address`. An error names it by `setting`.
pub fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener> {
    let listen = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        transport::prepare_listener(&socket)?;
        socket.bind(&address.into())?;
        socket.listen(LISTEN_BACKLOG)?;
        Ok::<TcpListener, std::io::Error>(socket.into())
    };
    listen().map_err(|error| {
        let remedy = match error.kind() {
            ErrorKind::AddrInUse => "; stop the process that listens there, or name another port",
            ErrorKind::AddrNotAvailable => "; name an address of this machine, or 0.0.0.0 for all of them",
            ErrorKind::PermissionDenied => "; name a port from 1024 on",
            _ => "",
        };
        anyhow!("{setting}: cannot listen on {address}: {error}{remedy}")
    })
}

/// Also logs a warning for each danger to the gateway's promises. Returns the log of outages, in which one may have begun.
async fn refuse_unknown_layout(gateway: &Gateway) -> Result<ReadinessLog> {
    let mut log = ReadinessLog::default();
    match first_answer(gateway).await {
        Some(Err(GatewayError::Store(error @ StoreError::Corrupt(_)))) => return Err(error.into()),
        Some(Err(error)) => {
            log.starts_unready(&error);
            warn_of_each(&gateway.dangers_when_unready().await);
        }
        Some(Ok(warnings)) => {
            log.starts_with(&warnings);
            warn_of_each(&warnings);
        }
        None => {}
    }
    Ok(log)
}

fn warn_of_each(warnings: &[String]) {
    warnings.iter().for_each(|warning| log::warn!(warning; "{warning}"));
}

/// The answer about readiness, asked for until it is good, but not for long: at first the links know no cause yet.
async fn first_answer(gateway: &Gateway) -> Option<Result<Vec<String>, GatewayError>> {
    let began = Instant::now();
    loop {
        let answer = timeout(LAYOUT_CHECK_TIMEOUT, gateway.ready()).await.ok()?;
        let is_final = !matches!(answer, Err(GatewayError::Store(StoreError::Unavailable(_))));
        if is_final || began.elapsed() > FIRST_CAUSE_WITHIN {
            return Some(answer);
        }
        sleep(FIRST_CAUSE_WITHIN / 20).await;
    }
}

async fn stop_on_signal(servers: Vec<ServerHandle>, lifecycle: Data<Lifecycle>, unready_first: Duration) {
    let Ok((mut terminate, mut interrupt)) = signals() else {
        log::error!("cannot listen for signals; stop this node by killing it");
        return;
    };
    either(&mut terminate, &mut interrupt).await;
    log::info!("told to stop: unready now, draining next");
    lifecycle.drain();
    let drain = async {
        sleep(unready_first).await;
        join_all(servers.iter().map(|server| server.stop(true))).await;
    };
    tokio::select! {
        () = drain => {}
        () = either(&mut terminate, &mut interrupt) => {
            log::warn!("told to stop again: stopping at once");
            join_all(servers.iter().map(|server| server.stop(false))).await;
        }
    }
}

fn signals() -> std::io::Result<(Signal, Signal)> {
    Ok((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?))
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
