//! Sentinels: which server is the master now.
//!
//! All are asked at once, and the answer of the highest configuration epoch counts: a Sentinel that was cut off may
//! still name a master that the others have deposed. (Redis: "Guidelines for Redis clients with support for Sentinel";
//! `SENTINEL GET-MASTER-ADDR-BY-NAME`, which in the middle of a failover already names the new one.) What it names must prove itself as the master on each new connection, see `lane.rs`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, select_ok};
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, Pipeline, RedisError};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::describe_to;
use crate::store::Error;
use crate::store::redis::address::{Address, Dialer};

/// How long a Sentinel may take to answer.
const ANSWER: Duration = Duration::from_millis(300);

/// How often they, and the replicas, are asked whether another server has become the master.
const LOOK: Duration = Duration::from_millis(100);

/// What says to Sentinels who asks.
const SETTINGS: &str = "REDIS_SENTINEL_USERNAME, REDIS_SENTINEL_PASSWORD";

pub(super) struct Sentinels {
    all: Vec<Peer>,
    /// The master's name, as they know it.
    name: String,
    /// To the servers that they watch.
    dialer: Dialer,
    /// The replicas that they have named.
    replicas: Mutex<Vec<Arc<Peer>>>,
}

/// A server that is asked from time to time, over a connection that is kept as long as it answers.
struct Peer {
    address: Address,
    dialer: Dialer,
    connection: Mutex<Option<MultiplexedConnection>>,
}

/// Host and port, and names and values of what else is known.
type Told = (Option<(String, u16)>, HashMap<String, String>);

/// Of each replica, names and values of what is known.
type Replicas = (Vec<HashMap<String, String>>,);

/// Where the master is, as one Sentinel says.
struct Named {
    epoch: u64,
    address: Address,
}

impl Sentinels {
    /// `own` leads to them, `dialer` to the servers that they watch.
    pub fn new(addresses: &[Address], name: &str, own: &Dialer, dialer: Dialer) -> Self {
        let all = addresses.iter().map(|address| Peer::new(address.clone(), own.clone()));
        Self { all: all.collect(), name: name.to_owned(), dialer, replicas: Mutex::default() }
    }

    pub async fn master(&self) -> Result<Address, Error> {
        let mut cause = None;
        let mut newest: Option<Named> = None;
        for answer in join_all(self.all.iter().map(|sentinel| sentinel.names(&self.name))).await {
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

    /// Returns when the master at `known`, whose replication has the id `replid`, is no longer the one.
    pub async fn deposed(&self, known: &Address, replid: &str) {
        loop {
            sleep(LOOK).await;
            if self.master().await.is_ok_and(|master| master != *known) || self.has_successor(replid).await {
                return;
            }
        }
    }

    /// Whether a replica has taken over from the master whose replication has this id: a second before Sentinels say
    /// so, and while the former one, woken up, still acknowledges what will be thrown away.
    pub async fn has_successor(&self, replid: &str) -> bool {
        if let Some(named) = self.named_replicas().await {
            let mut replicas = self.replicas.lock().await;
            replicas.retain(|known| named.contains(&known.address));
            for address in named {
                if !replicas.iter().any(|known| known.address == address) {
                    replicas.push(Arc::new(Peer::new(address, self.dialer.clone())));
                }
            }
        }
        let replicas = self.replicas.lock().await.clone();
        join_all(replicas.iter().map(|replica| replica.succeeds(replid))).await.contains(&true)
    }

    /// As one Sentinel says that answers.
    async fn named_replicas(&self) -> Option<Vec<Address>> {
        let mut question = redis::pipe();
        question.cmd("SENTINEL").arg("REPLICAS").arg(&self.name);
        let asked = self.all.iter().map(|sentinel| Box::pin(sentinel.ask::<Replicas>(&question)));
        let ((told,), _) = select_ok(asked).await.ok()?;
        let address = |it: &HashMap<String, String>| {
            Some(Address { host: it.get("ip")?.clone(), port: it.get("port")?.parse().ok()? })
        };
        Some(told.iter().filter_map(address).collect())
    }
}

impl Peer {
    fn new(address: Address, dialer: Dialer) -> Self {
        Self { address, dialer, connection: Mutex::default() }
    }

    /// Over the connection that was kept; over a fresh one where that has been closed, as Sentinels do to a server
    /// that they promote.
    async fn ask<T: FromRedisValue>(&self, questions: &Pipeline) -> Result<T, String> {
        let mut kept = self.connection.lock().await;
        let asking = async {
            if let Some(connection) = kept.take() {
                match put(connection, questions, &mut kept).await {
                    Err(error) if error.code().is_none() => {}
                    answer => return answer,
                }
            }
            put(self.dialer.dial(&self.address, ANSWER).await?, questions, &mut kept).await
        };
        let answer = timeout(ANSWER, asking).await.map_err(|_| format!("no answer within {ANSWER:?}"))?;
        answer.map_err(|error| describe_to(&error, SETTINGS))
    }

    async fn succeeds(&self, replid: &str) -> bool {
        let mut question = redis::pipe();
        question.cmd("INFO").arg("replication");
        let Ok((info,)) = self.ask::<(redis::InfoDict,)>(&question).await else { return false };
        let told = |name| info.get::<String>(name).unwrap_or_default();
        told("role") == "master" && told("master_replid2") == replid
    }

    async fn names(&self, name: &str) -> Result<Named, String> {
        let mut questions = redis::pipe();
        questions.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name);
        questions.cmd("SENTINEL").arg("MASTER").arg(name);
        let (address, told): Told = self.ask(&questions).await?;
        let epoch = told.get("config-epoch").and_then(|epoch| epoch.parse().ok());
        let ((host, port), epoch) = address.zip(epoch).ok_or("it does not know that name")?;
        Ok(Named { epoch, address: Address { host, port } })
    }
}

/// Puts questions, and keeps the connection only after an answer.
async fn put<T: FromRedisValue>(
    mut connection: MultiplexedConnection,
    questions: &Pipeline,
    kept: &mut Option<MultiplexedConnection>,
) -> Result<T, RedisError> {
    let answer = questions.query_async(&mut connection).await;
    if answer.as_ref().map_or_else(|error: &RedisError| error.code().is_some(), |_| true) {
        *kept = Some(connection);
    }
    answer
}
