//! Sentinels: which server is the master now.
//!
//! All are asked at once, and the answer of the highest configuration epoch counts: a Sentinel that was cut off may
//! still name a master that the others have deposed. (Redis: "Guidelines for Redis clients with support for Sentinel";
//! `SENTINEL GET-MASTER-ADDR-BY-NAME`, which in the middle of a failover already names the new one.) What it names must prove itself as the master on each new connection, see `lane.rs`.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::describe;
use crate::store::Error;
use crate::store::redis::address::{Address, Dialer};

/// How long a Sentinel may take to answer.
const ANSWER: Duration = Duration::from_millis(300);

/// How often they are asked whether another server has become the master.
const LOOK: Duration = Duration::from_millis(250);

pub(super) struct Sentinels {
    all: Vec<Sentinel>,
    /// The master's name, as they know it.
    name: String,
}

struct Sentinel {
    address: Address,
    dialer: Dialer,
    connection: Mutex<Option<MultiplexedConnection>>,
}

/// Host and port, and names and values of what else is known.
type Told = (Option<(String, u16)>, HashMap<String, String>);

/// Where the master is, as one Sentinel says.
struct Named {
    epoch: u64,
    address: Address,
}

impl Sentinels {
    pub fn new(addresses: &[Address], name: &str, dialer: &Dialer) -> Self {
        let all = addresses.iter().map(|address| Sentinel {
            address: address.clone(),
            dialer: dialer.clone(),
            connection: Mutex::default(),
        });
        Self { all: all.collect(), name: name.to_owned() }
    }

    pub async fn master(&self) -> Result<Address, Error> {
        let mut cause = None;
        let mut newest: Option<Named> = None;
        for answer in join_all(self.all.iter().map(|sentinel| sentinel.master(&self.name))).await {
            match answer {
                Ok(named) if newest.as_ref().is_none_or(|newest| named.epoch > newest.epoch) => {
                    newest = Some(named);
                }
                Ok(_) => {}
                Err(error) => cause = Some(error),
            }
        }
        newest.map(|named| named.address).ok_or_else(|| {
            let cause = cause.unwrap_or_else(|| "none is configured".to_owned());
            Error::Unavailable(format!("no Sentinel names the master '{}': {cause}", self.name))
        })
    }

    /// Returns when another server than `known` is the master.
    pub async fn named_another(&self, known: &Address) {
        loop {
            sleep(LOOK).await;
            if self.master().await.is_ok_and(|master| master != *known) {
                return;
            }
        }
    }
}

impl Sentinel {
    /// The connection is put back only after an answer.
    async fn master(&self, name: &str) -> Result<Named, String> {
        let mut kept = self.connection.lock().await;
        let asking = async {
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => self.dialer.dial(&self.address, ANSWER).await?,
            };
            let mut questions = redis::pipe();
            questions.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name);
            questions.cmd("SENTINEL").arg("MASTER").arg(name);
            let answer = questions.query_async(&mut connection).await;
            if answer.as_ref().map_or_else(|error: &RedisError| error.code().is_some(), |_| true) {
                *kept = Some(connection);
            }
            answer
        };
        let answer: Result<Told, RedisError> =
            timeout(ANSWER, asking).await.map_err(|_| format!("no answer within {ANSWER:?}"))?;
        let (address, told) = answer.map_err(|error| describe(&error))?;
        let epoch = told.get("config-epoch").and_then(|epoch| epoch.parse().ok());
        let ((host, port), epoch) = address.zip(epoch).ok_or("it does not know that name")?;
        Ok(Named { epoch, address: Address { host, port } })
    }
}
