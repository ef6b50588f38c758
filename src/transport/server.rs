//! A server with guarded connections.

use std::fmt::Debug;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use actix_http::body::BoxBody;
use actix_http::error::DispatchError;
use actix_http::{HttpServiceBuilder, KeepAlive, Protocol, Request, Response};
use actix_server::{GracefulShutdownSignal, Server, ServerBuilder};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_service, map_config,
};
use actix_web::dev::{AppConfig, ServiceResponse};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connections::Connections;
use super::guarded_stream::GuardedStream;
use super::raw_answers::no_room;
use super::reporting::{self, Reports, SLICE};
use crate::telemetry::metrics::ConnectionMetrics;

/// A client whose body was not read has this long to read its answer.
const LINGER: Duration = Duration::from_secs(1);

/// A connection beyond the limit may take this long to send its request.
const REFUSAL_WAIT: Duration = Duration::from_millis(100);

/// Connections of a worker that may be open beyond its limit, until it gets to them.
const WAITING: usize = 16;

/// The bounds of a server.
pub struct Bounds {
    pub workers: usize,
    /// For all workers together.
    pub connections: usize,
    /// Requests in flight have this long when the server stops.
    pub grace: Duration,
}

/// Serves the app of `factory`, which is called once per worker.
pub fn serve<F, I, S>(
    listener: TcpListener,
    bounds: &Bounds,
    metrics: ConnectionMetrics,
    factory: F,
) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse, Error = actix_web::Error>
        + 'static,
    S::InitError: Debug,
{
    let limit = bounds.connections.div_ceil(bounds.workers);
    let builder = ServerBuilder::new()
        .workers(bounds.workers)
        .max_concurrent_connections(limit + WAITING)
        .shutdown_timeout(bounds.grace.as_secs())
        .disable_signals();
    let stop = builder.graceful_shutdown_signal();
    let server = builder.listen("http", listener, move || {
        let connections = Connections::start(limit, metrics.clone(), stop.clone());
        let app = map_config(factory(), |()| AppConfig::default());
        let app = apply_fn_factory(app, reporting::call);
        let http = http(stop.clone()).finish(app);
        fn_service(move |socket| admit(socket, connections.clone())).and_then(http)
    })?;
    Ok(server.run())
}

async fn admit(socket: TcpStream, connections: Rc<Connections>) -> Result<Accepted, DispatchError> {
    let address = socket.peer_addr().ok();
    match GuardedStream::admitted(socket, connections) {
        Ok(stream) => Ok((stream, Protocol::Http1, address)),
        Err(socket) => Err(refuse(socket).await),
    }
}

type Accepted = (GuardedStream, Protocol, Option<SocketAddr>);

/// Reads first: closing a socket before its request comes would take the answer from its client.
async fn refuse(socket: TcpStream) -> DispatchError {
    let _ = timeout(REFUSAL_WAIT, socket.readable()).await;
    let _ = socket.try_read(&mut [0; 4096]);
    let _ = socket.try_write(no_room().as_bytes());
    DispatchError::Io(io::ErrorKind::ConnectionRefused.into())
}

/// The dispatcher's own timers stay off: `phase` has the deadlines.
fn http<S>(stop: GracefulShutdownSignal) -> HttpServiceBuilder<GuardedStream, S>
where
    S: ServiceFactory<Request, Config = ()>,
    S::Error: Into<Response<BoxBody>> + 'static,
    S::InitError: Debug,
    <S::Service as Service<Request>>::Future: 'static,
{
    HttpServiceBuilder::default()
        .graceful_shutdown_signal(move || {
            let stop = stop.clone();
            async move { stop.notified().await }
        })
        .keep_alive(KeepAlive::Os)
        .client_request_timeout(Duration::ZERO)
        .client_disconnect_timeout(LINGER)
        .h1_allow_half_closed(false) // a half-closed connection counts as hung up: see `Gateway::rotate`
        .h1_write_buffer_size(SLICE)
        .on_connect_ext(|stream: &GuardedStream, data| {
            data.insert::<Reports>(stream.reports());
        })
}
