//! `CLUSTER NODES`, asked over a connection for this one question.

use std::sync::Arc;
use std::time::Duration;

use redis::Cmd;
use tokio::time::timeout;

use crate::address::{Address, Dialer};
use crate::sent::Sent;
use crate::server::Server;
use crate::slots::{self, SlotOwners};
use crate::wire::{CONNECT_TIMEOUT, error_of, send};
use crate::{Diagnosis, LinkError};

/// How long a server may take to answer.
pub(crate) const SLOT_MAP_TIMEOUT: Duration = Duration::from_millis(300);

pub(crate) fn command() -> Cmd {
    let mut command = redis::cmd("CLUSTER");
    command.arg("NODES");
    command
}

/// One server's answer.
pub(crate) async fn ask(dialer: &Dialer, server: &Arc<Server>) -> Result<String, LinkError> {
    let mut connection = dialer.dial(server, SLOT_MAP_TIMEOUT).await?;
    let answer =
        send(&mut connection, &command()).await.and_then(|value| Ok(redis::from_redis_value(value)?));
    answer.map_err(|error| error_of(&error, server, |_| Sent::new("CLUSTER NODES", "")))
}

/// The map of a Cluster, and the server that gave it.
pub(crate) struct Announced {
    pub owners: SlotOwners,
    pub by: Arc<Server>,
}

/// The primaries and their slots, according to the first server that answers.
pub(crate) async fn ask_any(
    dialer: &Dialer,
    seeds: &[Address],
    over_tls: bool,
) -> Result<Announced, LinkError> {
    let mut errors = Vec::new();
    for seed in seeds {
        let server = Arc::new(dialer.server(seed));
        match timeout(CONNECT_TIMEOUT, ask(dialer, &server)).await {
            Ok(Ok(answer)) => {
                let owners = slots::merge(vec![slots::claims(&answer, seed, over_tls)]);
                return Ok(Announced { owners, by: server });
            }
            Ok(Err(error)) => errors.push(error),
            Err(_) => errors.push(Diagnosis::late(Some(server), CONNECT_TIMEOUT).into()),
        }
    }
    Err(most_telling(errors))
}

/// The error of a server that answered, where there is one.
pub(crate) fn most_telling(errors: Vec<LinkError>) -> LinkError {
    let is_silence = |error: &LinkError| matches!(error, LinkError::Unavailable(_));
    let none =
        || Diagnosis::new(None, "no server of the Cluster is known", "name its servers in REDIS_URL").into();
    errors.into_iter().min_by_key(is_silence).unwrap_or_else(none)
}
