//! How a connection of a link is opened: it is dialled, passes the handshake, and tells its server's clock.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use redis::aio::MultiplexedConnection;
use token_gateway_core::clock::{Clock, Timestamp};

use crate::address::Dialer;
use crate::server::Server;
use crate::wire::{CONNECT_TIMEOUT, ask_time, eval, unavailable};
use crate::{Diagnosis, Handshake, LinkError, Reply};

/// How many more times a new connection is asked for the time. The first answer may have been slow, and a bound too
/// early by a millisecond takes a theft for a late call.
const CLOCK_SAMPLES: usize = 4;

/// Opens the connections of one link.
pub(crate) struct Connector {
    pub dialer: Dialer,
    pub first_exchange: FirstExchange,
}

/// The handshake, as this link makes it.
pub(crate) enum FirstExchange {
    /// The caller's handshake. Only a writable primary answers it.
    Script(Handshake),
    /// Asks for the time, no more: a mere reader has no other right.
    Time,
    /// Asks for the time, and has the Cluster make the handshake with the one server that has its key. A replica redirects
    /// every call.
    Cluster(Arc<dyn ClusterHandshake>),
}

/// The handshake of a whole Cluster, made with one of its servers.
pub(crate) trait ClusterHandshake: Send + Sync {
    /// Whether the servers may be written to.
    fn confirm(&self) -> BoxFuture<'_, Result<(), LinkError>>;
}

impl Connector {
    /// Opens a connection. The clock observes each answer.
    pub async fn open(
        &self,
        server: &Arc<Server>,
        clock: &Clock,
    ) -> Result<MultiplexedConnection, LinkError> {
        let mut connection = self.dialer.dial(server, CONNECT_TIMEOUT).await?;
        let asked = Instant::now();
        let time = self.first_exchange.make(&mut connection, server).await?;
        clock.observe(time, asked, Instant::now());
        for _ in 0..CLOCK_SAMPLES {
            let asked = Instant::now();
            let time = ask_time(&mut connection).await.map_err(|error| unavailable(&error, server))?;
            clock.observe(time, asked, Instant::now());
        }
        Ok(connection)
    }

    /// Whether the server belongs to a Cluster. Once demoted, such a server redirects its callers.
    pub fn is_in_cluster(&self) -> bool {
        matches!(self.first_exchange, FirstExchange::Cluster(_))
    }
}

impl FirstExchange {
    async fn make(
        &self,
        connection: &mut MultiplexedConnection,
        server: &Arc<Server>,
    ) -> Result<Timestamp, LinkError> {
        match self {
            Self::Script(handshake) => return shake_hands(handshake, connection, server).await,
            Self::Time => {}
            Self::Cluster(cluster) => cluster.confirm().await?,
        }
        ask_time(connection).await.map_err(|error| unavailable(&error, server))
    }
}

async fn shake_hands(
    handshake: &Handshake,
    connection: &mut MultiplexedConnection,
    server: &Arc<Server>,
) -> Result<Timestamp, LinkError> {
    let answer = eval(connection, server, &handshake.call).await?;
    let reply = Reply::new(answer).map_err(|_| foreign(server))?;
    let time = reply.time;
    (handshake.check)(reply).map(|()| time).map_err(|error| at(server, error))
}

/// The error of a server that answers in Redis's protocol, and runs no script.
fn foreign(server: &Arc<Server>) -> LinkError {
    let cause = "answered a script as Redis never does";
    let remedy = "another program or a proxy is there; let REDIS_URL lead to Redis itself";
    Diagnosis::new(server.clone(), cause, remedy).into()
}

/// An error of the handshake, with the server.
fn at(server: &Arc<Server>, error: LinkError) -> LinkError {
    match error {
        LinkError::Corrupt(cause) => LinkError::Corrupt(format!("{server}: {cause}")),
        error => error,
    }
}
