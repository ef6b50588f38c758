//! Following the revocation feed: `XRANGE` for its present events, then `XREAD BLOCK` for new ones.
//!
//! Each partition of the feed is followed over a connection of its own, to its primary. After every reconnection it is
//! read anew from its beginning. Behind the new connection may be another server; it may lack events of the former one,
//! and its ids may be lower. The gateways publish such events again within moments, from their denylists. A subscriber
//! therefore waits a little before it trusts such a partition.

use std::pin::pin;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, InfoDict, RedisError};
use token_gateway_core::clock::Timestamp;
use token_gateway_core::feed::{EndedSession, Listener, RevocationEvent, timing};
use token_gateway_core::session::{Reason, Subject};
use token_gateway_redis_link::{Links, send, unavailable};
use tokio::time::{sleep, timeout};

use super::keys::Keys;
use super::settings::RedisSettings;
use crate::store::Error;

/// Entries per answer.
const BATCH: usize = 1000;

/// A server may have lost its latest entries if its uptime is less than this, in seconds.
const YOUNG: u64 = 5;

/// An entry from Redis: its id, then names and values in turn, with any content.
type Entry = (String, Vec<(Vec<u8>, Vec<u8>)>);

/// One stream in the answer to `XREAD`: its key, and entries.
type Stream = (String, Vec<Entry>);

/// An entry's id: milliseconds and a number. (Redis: "Entry IDs" of streams)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Id(u64, u64);

/// The feed alone, for a subscriber without a store. Needs a user with the right to read it.
pub struct RedisFeed {
    links: Links,
    keys: Vec<String>,
}

impl RedisFeed {
    /// Begins to connect in the background, on the current runtime.
    ///
    /// # Errors
    ///
    /// When the URL has none of the known forms.
    pub fn new(settings: &RedisSettings) -> Result<Self, Error> {
        let keys = Keys::new(&settings.prefix);
        let links = Links::open(&settings.link, None)?;
        let keys = if links.is_cluster() { keys.feeds() } else { vec![keys.feed()] };
        Ok(Self { links, keys })
    }

    /// Passes the feed to `listener`, for as long as the future is polled. Entries are needed for `retention`.
    pub async fn follow(&self, retention: Duration, listener: &(dyn Listener + Sync)) {
        follow(&self.links, &self.keys, retention, listener).await;
    }
}

/// Follows the feed under `keys`, for as long as the future is polled. Entries are needed for `retention`.
pub(super) async fn follow(
    links: &Links,
    keys: &[String],
    retention: Duration,
    listener: &(dyn Listener + Sync),
) {
    listener.opened(keys.len());
    let parts = keys.iter().enumerate().map(|(number, key)| Part {
        links,
        number,
        key,
        retention,
        listener,
        server: String::new(),
        last: Id::default(),
        settles: Instant::now(),
    });
    join_all(parts.map(Part::follow)).await;
}

/// A partition of the feed, and its last known state.
struct Part<'a> {
    links: &'a Links,
    number: usize,
    key: &'a str,
    retention: Duration,
    listener: &'a (dyn Listener + Sync),
    /// The `run_id` of the server last read from.
    server: String,
    /// The id of the last entry read.
    last: Id,
    /// When possible losses have been repaired.
    settles: Instant,
}

/// A snapshot of a partition.
struct Whole {
    announced: Vec<RevocationEvent>,
    first: Id,
    last: Id,
    /// Whether it has the last known entry, or may have dropped it for its age.
    continues: bool,
}

impl Part<'_> {
    async fn follow(mut self) {
        loop {
            for pause in pauses() {
                let mut followed = false;
                let Err(error) = self.read(&mut followed).await else { break };
                log::warn!("cannot follow the feed '{}', trying on: {error}", self.key);
                self.links.refresh_slots();
                sleep(pause).await;
                if followed {
                    break;
                }
            }
        }
    }

    /// Returns when the partition lies behind another connection now.
    async fn read(&mut self, followed: &mut bool) -> Result<(), Error> {
        let (mut connection, replaced) = self.links.exclusive(self.key).await?;
        let mut replaced = pin!(replaced);
        let mut first = tokio::select! {
            first = self.catch_up(&mut connection, followed) => first?,
            () = &mut replaced => return Ok(()),
        };
        loop {
            let asked = Instant::now(); // the answer may have waited for this process to read it
            let (oldest, entries) = tokio::select! {
                answer = self.news(&mut connection) => answer?,
                () = &mut replaced => return Ok(()),
            };
            let announced = entries.iter().filter_map(event_of).collect();
            if self.was_trimmed(first, oldest) {
                self.listener.events(self.number, announced, None);
                first = self.catch_up(&mut connection, followed).await?;
                continue;
            }
            let watermark = Some(asked).filter(|_| entries.len() < BATCH && self.is_settled());
            self.listener.events(self.number, announced, watermark);
            self.last = entries.last().and_then(Id::of).unwrap_or(self.last);
            // An empty feed takes its first entry from here, or nobody would notice when all of it is gone again.
            first = if oldest == Id::default() {
                entries.first().and_then(Id::of).unwrap_or_default()
            } else {
                oldest
            };
        }
    }

    /// The id of the first entry, then the entries after the last known one: at once, or within `READ_BLOCK`.
    async fn news(&self, connection: &mut MultiplexedConnection) -> Result<(Id, Vec<Entry>), Error> {
        let mut both = redis::pipe();
        both.cmd("XRANGE").arg(self.key).arg("-").arg("+").arg("COUNT").arg(1);
        both.cmd("XREAD").arg("BLOCK").arg(timing::READ_BLOCK.as_millis() as u64).arg("COUNT").arg(BATCH);
        both.arg("STREAMS").arg(self.key).arg(self.last.to_string());
        let answer = in_time(both.query_async(connection)).await?;
        let (oldest, news): (Vec<Entry>, Option<Vec<Stream>>) = answer;
        let entries = news.into_iter().flatten().flat_map(|(_, entries)| entries);
        Ok((oldest.first().and_then(Id::of).unwrap_or_default(), entries.collect()))
    }

    /// Whether the former first entry is gone, and not for its age: the first one now is too young for a trim by age.
    fn was_trimmed(&self, before: Id, now: Id) -> bool {
        before != Id::default()
            && before != now
            && (now == Id::default() || now.0 > self.needed() + timing::TRIM_SLACK.as_millis() as u64)
    }

    /// Reads a snapshot; returns the id of its first entry.
    async fn catch_up(
        &mut self,
        connection: &mut MultiplexedConnection,
        followed: &mut bool,
    ) -> Result<Id, Error> {
        let asked = Instant::now();
        let server = Server::ask(connection).await?;
        let whole = self.snapshot(connection).await?;
        if self.may_have_lost(&server, &whole) {
            self.settles = Instant::now() + timing::SETTLING;
        }
        (self.server, self.last) = (server.run_id, whole.last);
        let watermark = Some(asked).filter(|_| self.is_settled());
        self.listener.snapshot(self.number, whole.announced, watermark);
        *followed = true;
        Ok(whole.first)
    }

    /// Whether the partition may lack events once published there.
    fn may_have_lost(&self, server: &Server, whole: &Whole) -> bool {
        if server.is_young {
            return true;
        }
        if self.server.is_empty() {
            let goes_back = whole.first != Id::default() && whole.first.0 <= self.needed();
            return server.was_promoted || !goes_back;
        }
        self.server != server.run_id || !whole.continues
    }

    fn is_settled(&self) -> bool {
        Instant::now() >= self.settles
    }

    async fn snapshot(&self, connection: &mut MultiplexedConnection) -> Result<Whole, Error> {
        let mut whole = Whole {
            announced: Vec::new(),
            first: Id::default(),
            last: Id::default(),
            continues: self.last.0 < self.needed(), // it may be gone for its age
        };
        loop {
            let mut command = redis::cmd("XRANGE");
            command.arg(self.key).arg(format!("({}", whole.last)).arg("+").arg("COUNT").arg(BATCH);
            let entries: Vec<Entry> = ask(connection, &command).await?;
            let Some(last) = entries.last().and_then(Id::of) else { return Ok(whole) };
            if whole.first == Id::default() {
                whole.first = entries.first().and_then(Id::of).unwrap_or_default();
            }
            whole.continues |= entries.iter().filter_map(Id::of).any(|id| id == self.last);
            whole.announced.extend(entries.iter().filter_map(event_of));
            whole.last = last;
        }
    }

    /// Entries of this millisecond and later are still needed.
    fn needed(&self) -> u64 {
        Timestamp::from_system_clock().minus(self.retention).0 / 1000
    }
}

/// A server's signs of possible losses.
struct Server {
    /// It changes with each start.
    run_id: String,
    is_young: bool,
    /// It was a replica before, and may not have had everything.
    was_promoted: bool,
}

impl Server {
    async fn ask(connection: &mut MultiplexedConnection) -> Result<Self, Error> {
        let mut info = redis::cmd("INFO");
        info.arg("server").arg("replication");
        let info: InfoDict = ask(connection, &info).await?;
        Ok(Self {
            run_id: info.get("run_id").unwrap_or_default(),
            is_young: info.get("uptime_in_seconds").is_none_or(|seconds: u64| seconds < YOUNG),
            was_promoted: info.get("second_repl_offset").is_none_or(|offset: i64| offset >= 0),
        })
    }
}

impl Id {
    fn of(entry: &Entry) -> Option<Self> {
        let (millis, number) = entry.0.split_once('-')?;
        Some(Self(millis.parse().ok()?, number.parse().ok()?))
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_millis(500))
        .with_jitter()
        .without_max_times()
        .build()
}

async fn ask<T: FromRedisValue>(connection: &mut MultiplexedConnection, command: &Cmd) -> Result<T, Error> {
    in_time(async { Ok(redis::from_redis_value(send(connection, command).await?)?) }).await
}

async fn in_time<T>(answer: impl Future<Output = Result<T, RedisError>>) -> Result<T, Error> {
    let patience = timing::READ_BLOCK + timing::READ_TIMEOUT;
    let answer = timeout(patience, answer).await;
    let answer = answer.map_err(|_| Error::Unavailable(format!("no answer within {patience:?}")))?;
    answer.map_err(|error| unavailable(&error).into())
}

/// The revocation event of an entry; `None` for a foreign entry.
fn event_of(entry: &Entry) -> Option<RevocationEvent> {
    let value = |name: &str| {
        let (_, value) = entry.1.iter().find(|(field, _)| field == name.as_bytes())?;
        std::str::from_utf8(value).ok()
    };
    let ended = EndedSession {
        session: value("sid")?.parse().ok()?,
        reason: Reason::told(value("reason").unwrap_or_default()),
    };
    let at = Timestamp(Id::of(entry)?.0.checked_mul(1000)?);
    Some(RevocationEvent { subject: Subject::from_encoded(value("sub")?)?, ended, at })
}
