//! Sentinels: the address of the present primary.
//!
//! All are asked at once, and the answer of the highest configuration epoch counts: a cut-off Sentinel may still name a
//! primary deposed by the others. (Redis: "Guidelines for Redis clients with support for Sentinel".) In the middle of a
//! failover, `SENTINEL GET-MASTER-ADDR-BY-NAME` already names the new primary. The named server must prove itself the
//! primary on each new connection, see `endpoint.rs`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, select_ok};
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, Pipeline, RedisError};
use token_gateway_core::loop_state::LoopState;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use crate::address::{Address, Dialer};
use crate::sent::Sent;
use crate::wire::describe_with_settings;
use crate::{ErrorReply, LinkError};

/// How long a Sentinel may take to answer.
const SENTINEL_TIMEOUT: Duration = Duration::from_millis(300);

/// How often Sentinels and replicas are asked for a new primary.
const SENTINEL_POLL: Duration = Duration::from_millis(100);

/// The settings of the login at Sentinels.
const LOGIN_SETTINGS: &str = "REDIS_SENTINEL_USERNAME, REDIS_SENTINEL_PASSWORD";

pub(crate) struct Sentinels {
    all: Vec<Peer>,
    /// The master name, under which Sentinels know the primary.
    name: String,
    /// Dials the servers watched by Sentinels.
    dialer: Dialer,
    /// The replicas last named by Sentinels.
    replicas: Mutex<Vec<Arc<Peer>>>,
    /// Whether Sentinels name the replicas.
    naming_replicas: Mutex<Naming>,
    /// Whether they name the primary of a link that is up.
    naming_primary: Mutex<Naming>,
}

/// A question that Sentinels answer, or do not.
#[derive(Default)]
struct Naming {
    state: LoopState,
    /// The present failure.
    failure: Option<String>,
}

impl Naming {
    /// Notes an outcome: an error with its meaning, or none. The log has one line per change.
    fn note(&mut self, failure: Option<String>, works_again: &str) {
        match &failure {
            Some(failure) if self.state.fails("unnamed") => log::warn!("{failure}"),
            None if self.state.works() => log::info!("{works_again}"),
            _ => {}
        }
        self.failure = failure;
    }
}

/// A server to ask from time to time, over a connection kept for as long as it answers.
struct Peer {
    address: Address,
    dialer: Dialer,
    connection: Mutex<Option<MultiplexedConnection>>,
}

/// The primary in a Sentinel's words: host and port, then names and values of all other fields.
type NamedPrimary = (Option<(String, u16)>, HashMap<String, String>);

/// Names and values of the fields of each replica.
type Replicas = (Vec<HashMap<String, String>>,);

/// The address of the primary, according to one Sentinel.
struct Named {
    epoch: u64,
    address: Address,
}

impl Sentinels {
    /// `own` dials the Sentinels, `dialer` the servers they watch.
    pub fn new(addresses: &[Address], name: &str, own: &Dialer, dialer: Dialer) -> Self {
        let all = addresses.iter().map(|address| Peer::new(address.clone(), own.clone()));
        Self {
            all: all.collect(),
            name: name.to_owned(),
            dialer,
            replicas: Mutex::default(),
            naming_replicas: Mutex::default(),
            naming_primary: Mutex::default(),
        }
    }

    pub async fn primary(&self) -> Result<Address, LinkError> {
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
            LinkError::Unavailable(format!("no Sentinel names the master '{}': {cause}", self.name))
        })
    }

    /// Returns when the server at `known`, with the replication id `replid`, is no longer the primary.
    pub async fn wait_until_deposed(&self, known: &Address, replid: &str) {
        loop {
            sleep(SENTINEL_POLL).await;
            let primary = self.primary().await;
            self.note_primary(primary.as_ref().err()).await;
            if primary.is_ok_and(|primary| primary != *known) || self.has_successor(replid).await {
                return;
            }
        }
    }

    /// The questions that Sentinels do not answer at present.
    pub async fn failures(&self) -> Vec<String> {
        let (primary, replicas) = (self.naming_primary.lock().await, self.naming_replicas.lock().await);
        [&primary.failure, &replicas.failure].into_iter().flatten().cloned().collect()
    }

    async fn note_primary(&self, error: Option<&LinkError>) {
        let failure = error.map(|error| format!("a new primary is noticed later: {error}"));
        self.naming_primary.lock().await.note(failure, "Sentinels name the primary again");
    }

    /// Whether a replica has taken over from the primary with this replication id. The replica knows a second before
    /// Sentinels say so. Meanwhile the former primary, woken up, still acknowledges writes that will be thrown away.
    pub async fn has_successor(&self, replid: &str) -> bool {
        let named = self.named_replicas().await;
        self.note_replicas(named.as_ref().err()).await;
        if let Ok(named) = named {
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

    async fn note_replicas(&self, error: Option<&String>) {
        let failure = error.map(|error| {
            format!("Sentinels name no replicas, so a deposed primary is noticed later: {error}")
        });
        self.naming_replicas.lock().await.note(failure, "Sentinels name the replicas again");
    }

    /// The replicas, according to the first Sentinel to answer.
    pub async fn named_replicas(&self) -> Result<Vec<Address>, String> {
        let mut question = redis::pipe();
        question.cmd("SENTINEL").arg("REPLICAS").arg(&self.name);
        let asked = self.all.iter().map(|sentinel| Box::pin(sentinel.ask::<Replicas>(&question)));
        let ((fields,), _) = select_ok(asked).await?;
        let address = |fields: &HashMap<String, String>| {
            Some(Address { host: fields.get("ip")?.clone(), port: fields.get("port")?.parse().ok()? })
        };
        Ok(fields.iter().filter_map(address).collect())
    }
}

impl Peer {
    fn new(address: Address, dialer: Dialer) -> Self {
        Self { address, dialer, connection: Mutex::default() }
    }

    /// Over the kept connection, or over a fresh one where the kept one has been closed. Sentinels close connections to
    /// a server when they promote it.
    async fn ask<T: FromRedisValue>(&self, questions: &Pipeline) -> Result<T, String> {
        let mut kept = self.connection.lock().await;
        let asking = async {
            if let Some(connection) = kept.take() {
                match send_questions(connection, questions, &mut kept).await {
                    Err(error) if error.code().is_none() => {}
                    answer => return answer,
                }
            }
            send_questions(self.dialer.dial(&self.address, SENTINEL_TIMEOUT).await?, questions, &mut kept)
                .await
        };
        let answer = timeout(SENTINEL_TIMEOUT, asking)
            .await
            .map_err(|_| format!("no answer within {SENTINEL_TIMEOUT:?}"))?;
        answer.map_err(|error| describe(&error))
    }

    async fn succeeds(&self, replid: &str) -> bool {
        let mut question = redis::pipe();
        question.cmd("INFO").arg("replication");
        let Ok((info,)) = self.ask::<(redis::InfoDict,)>(&question).await else { return false };
        let field = |name| info.get::<String>(name).unwrap_or_default();
        field("role") == "master" && field("master_replid2") == replid
    }

    async fn names(&self, name: &str) -> Result<Named, String> {
        let mut questions = redis::pipe();
        questions.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name);
        questions.cmd("SENTINEL").arg("MASTER").arg(name);
        let (address, fields): NamedPrimary = self.ask(&questions).await?;
        let epoch = fields.get("config-epoch").and_then(|epoch| epoch.parse().ok());
        let ((host, port), epoch) = address.zip(epoch).ok_or("it does not know that name")?;
        Ok(Named { epoch, address: Address { host, port } })
    }
}

/// A missing right by its name, and a refused login by its settings.
fn describe(error: &RedisError) -> String {
    let of_rights = ErrorReply::of(error, |_| Sent::default()).filter(ErrorReply::is_of_rights);
    of_rights.map_or_else(|| describe_with_settings(error, LOGIN_SETTINGS), |reply| reply.to_string())
}

/// Sends questions, and keeps the connection only after an answer.
async fn send_questions<T: FromRedisValue>(
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
