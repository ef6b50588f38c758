//! `CLUSTER NODES`, asked over a connection for this one question.

use std::time::Duration;

use redis::Cmd;
use tokio::time::timeout;

use crate::LinkError;
use crate::address::{Address, Dialer};
use crate::slots::{self, SlotOwners};
use crate::wire::{CONNECT_TIMEOUT, send, unavailable};

/// How long a server may take to answer.
pub(crate) const SLOT_MAP_TIMEOUT: Duration = Duration::from_millis(300);

pub(crate) fn command() -> Cmd {
    let mut command = redis::cmd("CLUSTER");
    command.arg("NODES");
    command
}

/// One server's answer.
pub(crate) async fn ask(dialer: &Dialer, address: &Address) -> Result<String, LinkError> {
    let asking = async {
        let mut connection = dialer.dial(address, SLOT_MAP_TIMEOUT).await?;
        Ok(redis::from_redis_value(send(&mut connection, &command()).await?)?)
    };
    asking.await.map_err(|error| match &error {
        error if is_no_cluster(error) => LinkError::Unavailable(format!(
            "the server at {address} is in no Cluster; let REDIS_URL begin with redis:// and name one server"
        )),
        error => unavailable(error),
    })
}

/// `ERR This instance has cluster support disabled`
fn is_no_cluster(error: &redis::RedisError) -> bool {
    error.detail().is_some_and(|text| text.contains("cluster support disabled"))
}

/// The primaries and their slots, according to the first server that answers.
pub(crate) async fn ask_any(
    dialer: &Dialer,
    seeds: &[Address],
    over_tls: bool,
) -> Result<SlotOwners, LinkError> {
    let mut cause = LinkError::Unavailable("REDIS_URL names no server".to_owned());
    for seed in seeds {
        match timeout(CONNECT_TIMEOUT, ask(dialer, seed)).await {
            Ok(Ok(answer)) => return Ok(slots::merge(vec![slots::claims(&answer, seed, over_tls)])),
            Ok(Err(error)) => cause = error,
            Err(_) => {
                cause = LinkError::Unavailable(format!("{seed}: no answer within {CONNECT_TIMEOUT:?}"));
            }
        }
    }
    Err(cause)
}
