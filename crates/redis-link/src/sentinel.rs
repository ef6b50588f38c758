//! Sentinels: the address of the present primary.
//!
//! All are asked at once, and the answer of the highest configuration epoch counts: a cut-off Sentinel may still name a
//! primary deposed by the others. (Redis: "Guidelines for Redis clients with support for Sentinel".) In the middle of a
//! failover, `SENTINEL GET-MASTER-ADDR-BY-NAME` already names the new primary. The named server must prove itself the
//! primary on each new connection, see `endpoint.rs`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{join_all, select_ok};
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, Pipeline, RedisError};
use token_gateway_core::outage::{Change, Outage};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use crate::address::{Address, Dialer};
use crate::cluster_nodes::most_telling;
use crate::server::{Announcer, Server};
use crate::wire::unavailable;
use crate::{Diagnosis, LinkError, LinkHealth, LinkSettings};

/// How long a Sentinel may take to answer.
const SENTINEL_TIMEOUT: Duration = Duration::from_millis(300);

/// How often Sentinels and replicas are asked for a new primary.
const SENTINEL_POLL: Duration = Duration::from_millis(100);

/// An error gives at most so many names that a Sentinel knows.
const MOST_NAMES: usize = 5;

pub(crate) struct Sentinels {
    all: Vec<Peer>,
    health: Arc<LinkHealth>,
    logs_outages: bool,
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
    outage: Outage,
    /// The present failure.
    failure: Option<String>,
}

impl Naming {
    /// Notes an outcome: an error with its meaning, or none. It has log lines where nobody else logs outages.
    fn note(&mut self, failure: Option<String>, works_again: &str, is_logged: bool) {
        let change = self.outage.note(failure.is_some(), Instant::now()).filter(|_| is_logged);
        let said = failure.as_deref().unwrap_or_default();
        match change {
            Some(Change::Began) => log::warn!(error = said; "{said}"),
            Some(Change::Lasts(lasted)) => {
                log::warn!(seconds = lasted.seconds(), error = said; "still, for {lasted}: {said}")
            }
            Some(Change::Over(lasted)) => {
                log::info!(event = works_again, seconds = lasted.seconds(); "{works_again} after {lasted}")
            }
            None => {}
        }
        self.failure = failure;
    }
}

/// A server to ask from time to time, over a connection kept for as long as it answers.
struct Peer {
    server: Arc<Server>,
    dialer: Dialer,
    connection: Mutex<Option<MultiplexedConnection>>,
}

/// The primary in a Sentinel's words: host and port, then names and values of all other fields.
type NamedPrimary = (Option<(String, u16)>, HashMap<String, String>);

/// Names and values of the fields of each primary.
type Masters = (Vec<HashMap<String, String>>,);

/// Names and values of the fields of each replica.
type Replicas = (Vec<HashMap<String, String>>,);

/// The address of the primary, according to one Sentinel.
struct Named {
    epoch: u64,
    address: Address,
    /// The Sentinel.
    by: Address,
}

impl Sentinels {
    /// `dialer` dials the servers they watch.
    pub fn new(addresses: &[Address], name: &str, settings: &LinkSettings, dialer: Dialer) -> Self {
        let own = settings.sentinel_dialer(&dialer);
        let all = addresses.iter().map(|address| Peer::new(address, own.clone()));
        Self {
            health: settings.health.clone(),
            logs_outages: settings.logs_outages,
            all: all.collect(),
            name: name.to_owned(),
            dialer,
            replicas: Mutex::default(),
            naming_replicas: Mutex::default(),
            naming_primary: Mutex::default(),
        }
    }

    /// The present primary.
    ///
    /// # Errors
    ///
    /// When no Sentinel names it.
    pub async fn primary(&self) -> Result<Server, LinkError> {
        let (mut newest, mut errors): (Option<Named>, Vec<LinkError>) = (None, Vec::new());
        for answer in join_all(self.all.iter().map(|sentinel| sentinel.names(&self.name))).await {
            match answer {
                Ok(named) if newest.as_ref().is_none_or(|newest| named.epoch > newest.epoch) => {
                    newest = Some(named);
                }
                Ok(_) => {}
                Err(error) => errors.push(error),
            }
        }
        match newest {
            Some(Named { address, by, .. }) => {
                let announcer = Announcer::Sentinel(by, self.name.clone());
                Ok(self.dialer.server(&address).announced(Some(announcer)))
            }
            None => Err(self.unnamed(most_telling(errors))),
        }
    }

    fn unnamed(&self, error: LinkError) -> LinkError {
        let context = format!("no Sentinel names the master '{}' ({} asked)", self.name, self.all.len());
        match error {
            LinkError::Unavailable(diagnosis) => diagnosis.while_asking(context).into(),
            LinkError::Replied(reply) => reply.diagnosis().while_asking(context).into(),
            error => error,
        }
    }

    /// Returns when the server at `known`, with the replication id `replid`, is no longer the primary.
    pub async fn wait_until_deposed(&self, known: &Address, replid: &str) {
        loop {
            sleep(SENTINEL_POLL).await;
            let primary = self.primary().await;
            self.note_primary(primary.as_ref().err()).await;
            if primary.is_ok_and(|primary| primary.address != *known) || self.has_successor(replid).await {
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
        let failure = error.map(|error| format!("a new primary is noticed later: {}", error.cause()));
        self.note(&self.naming_primary, error, failure, "Sentinels name the primary again").await;
    }

    /// Whether a replica has taken over from the primary with this replication id. The replica knows a second before
    /// Sentinels say so. Meanwhile the former primary, woken up, still acknowledges writes that will be thrown away.
    pub async fn has_successor(&self, replid: &str) -> bool {
        let named = self.named_replicas().await;
        self.note_replicas(named.as_ref().err()).await;
        if let Ok(named) = named {
            let mut replicas = self.replicas.lock().await;
            replicas.retain(|known| named.contains(&known.server.address));
            for address in named {
                if !replicas.iter().any(|known| known.server.address == address) {
                    replicas.push(Arc::new(Peer::new(&address, self.dialer.clone())));
                }
            }
        }
        let replicas = self.replicas.lock().await.clone();
        join_all(replicas.iter().map(|replica| replica.succeeds(replid))).await.contains(&true)
    }

    async fn note_replicas(&self, error: Option<&LinkError>) {
        let failure = error.map(|error| {
            let meaning = "Sentinels name no replicas, so a deposed primary is noticed later";
            format!("{meaning}: {}", error.cause())
        });
        self.note(&self.naming_replicas, error, failure, "Sentinels name the replicas again").await;
    }

    async fn note(
        &self,
        naming: &Mutex<Naming>,
        error: Option<&LinkError>,
        failure: Option<String>,
        works_again: &str,
    ) {
        error.iter().for_each(|error| self.health.failed(error));
        naming.lock().await.note(failure, works_again, self.logs_outages);
    }

    /// The first of them in the settings.
    pub fn first_server(&self) -> Option<&Arc<Server>> {
        self.all.first().map(|sentinel| &sentinel.server)
    }

    /// The replicas, according to the first Sentinel to answer.
    pub async fn named_replicas(&self) -> Result<Vec<Address>, LinkError> {
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
    fn new(address: &Address, dialer: Dialer) -> Self {
        Self { server: Arc::new(dialer.server(address)), dialer, connection: Mutex::default() }
    }

    /// Over the kept connection, or over a fresh one where the kept one has been closed. Sentinels close connections to
    /// a server when they promote it.
    async fn ask<T: FromRedisValue>(&self, questions: &Pipeline) -> Result<T, LinkError> {
        let mut kept = self.connection.lock().await;
        let failed = |error: RedisError| unavailable(&error, &self.server);
        let asking = async {
            if let Some(connection) = kept.take() {
                match send_questions(connection, questions, &mut kept).await {
                    Err(error) if error.code().is_none() => {}
                    answer => return answer.map_err(failed),
                }
            }
            let connection = self.dialer.dial(&self.server, SENTINEL_TIMEOUT).await?;
            send_questions(connection, questions, &mut kept).await.map_err(failed)
        };
        let late = |_| Err(Diagnosis::late(Some(self.server.clone()), SENTINEL_TIMEOUT).into());
        timeout(SENTINEL_TIMEOUT, asking).await.unwrap_or_else(late)
    }

    async fn succeeds(&self, replid: &str) -> bool {
        let mut question = redis::pipe();
        question.cmd("INFO").arg("replication");
        let Ok((info,)) = self.ask::<(redis::InfoDict,)>(&question).await else { return false };
        let field = |name| info.get::<String>(name).unwrap_or_default();
        field("role") == "master" && field("master_replid2") == replid
    }

    async fn names(&self, name: &str) -> Result<Named, LinkError> {
        let mut questions = redis::pipe();
        questions.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name);
        questions.cmd("SENTINEL").arg("MASTER").arg(name);
        let (address, fields): NamedPrimary = match self.ask(&questions).await {
            Err(LinkError::Replied(reply)) if reply.is_of_unknown_master() => {
                return Err(self.unknown(name).await);
            }
            answer => answer?,
        };
        let epoch = fields.get("config-epoch").and_then(|epoch| epoch.parse().ok());
        let Some(((host, port), epoch)) = address.zip(epoch) else { return Err(self.unknown(name).await) };
        Ok(Named { epoch, address: Address { host, port }, by: self.server.address.clone() })
    }

    /// The error of a master name that this Sentinel does not know, with those that it does.
    async fn unknown(&self, name: &str) -> LinkError {
        let mut question = redis::pipe();
        question.cmd("SENTINEL").arg("MASTERS");
        let known = self.ask::<Masters>(&question).await.map_or_else(|_| Vec::new(), |(masters,)| masters);
        let names: Vec<_> = known
            .iter()
            .filter_map(|fields| Some(format!("'{}'", fields.get("name")?)))
            .take(MOST_NAMES)
            .collect();
        let remedy = match names.as_slice() {
            [] => "correct the master name at the end of REDIS_URL: its sentinel.conf monitors another"
                .to_owned(),
            names => {
                format!("it knows {}; correct the master name at the end of REDIS_URL", names.join(", "))
            }
        };
        Diagnosis::new(self.server.clone(), format!("does not know the master '{name}'"), remedy).into()
    }
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
